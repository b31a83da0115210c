// How one proposed value is shown: what it is, what it rests on, and the button that takes it.

import { button } from "./fields.js";
import { h } from "./markup.js";
import { noteAt } from "./proposals.js";

/** What a value that is as proposed rests on. */
export function restsOn(page, place) {
  const note = noteAt(page.store.notes, place);
  return note && h("p", { key: `rests ${place}`, class: "soft hint" }, page.t("As proposed:"), " ", note);
}

/** `place` is where the value stands in the proposal. */
export function proposedRow(page, { key, name, place, words, take }) {
  return h(
    "div",
    { key, class: "difference" },
    h("strong", {}, page.t("Proposed: {name}", { name })),
    button(words ?? page.t("Take it"), take),
    h("p", {}, noteAt(page.store.notes, place)),
  );
}
