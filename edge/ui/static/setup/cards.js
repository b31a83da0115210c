// A row of a table of the site file as a card in its step: its head chooses it, and what is chosen is open.

import { h } from "./markup.js";

/** Of the row at `place`: `swatch`, `name` and `aside` stand in its head, `body()` below it while it is open. */
export function card(page, table, place, { swatch, name, aside, body }) {
  const chosen = page.chosenOf(table) === place;
  const marks = [chosen && "chosen", page.isWrong(`${table}.${place}`) && "wrong"].filter(Boolean);
  const head = {
    type: "button",
    class: "card-head",
    "aria-expanded": String(chosen),
    onclick: () => page.choose(table, place),
  };
  return h(
    "section",
    { key: `${table} ${place}`, class: ["card", ...marks].join(" ") },
    h(
      "button",
      head,
      h("span", { class: `swatch ${swatch}` }),
      h("strong", {}, name),
      h("span", { class: "soft" }, aside),
    ),
    chosen && h("div", { class: "card-body" }, ...body()),
  );
}
