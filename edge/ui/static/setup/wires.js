// A signal group's lamps on wires: which inputs of the node they are wired to, and what these show now.

import { button, number, tick } from "./fields.js";
import { h } from "./markup.js";
import { takeAgain } from "./taking.js";

const LAMPS = ["red", "amber", "green"];
const HIGHEST_BCM = 53;

/** The inputs of a group, to be entered and watched. */
export function wiresOf(page, lamps, group, place) {
  const { t, store } = page;
  const unread = t("On the node's own camera, started with --node, this page reads the inputs.");
  return h(
    "section",
    { key: "wires" },
    h("h2", { class: "sub" }, t("On wires")),
    h(
      "div",
      { class: "fields thirds" },
      LAMPS.map((lamp) => input(page, lamps, group, place, lamp)),
    ),
    tick(t("A lit lamp pulls its input to ground"), Boolean(group.active_low), (on) => setActiveLow(page, place, on)),
    store.wires ? watched(page, group) : h("p", { key: "unread", class: "soft hint" }, unread),
    group.pins &&
      button(t("Remove the wires"), () => page.edit((site) => unwire(site.signal_groups[place])), {
        key: "unwire",
        class: "quiet",
      }),
  );
}

/** One input's number, and whether its lamp is lit now. */
function input(page, lamps, group, place, lamp) {
  const { t, store } = page;
  const lit = store.wires?.groups[group.id]?.[lamp];
  const words = lit === true ? t("lit") : lit === false ? t("dark") : t("not known");
  return h(
    "div",
    { key: lamp, class: "wire" },
    number(
      t("{lamp}: GPIO (BCM)", { lamp: lamps.name(lamp) }),
      group.pins?.[lamp],
      (pin) => setPin(page, place, lamp, pin),
      { optional: true, step: 1, max: HIGHEST_BCM },
    ),
    store.wires &&
      group.pins &&
      h(
        "p",
        { key: "now", class: "soft" },
        h("span", { class: `swatch phase ${lit ? lamp : "dark"}`, "aria-hidden": "true" }),
        " ",
        words,
      ),
  );
}

function watched(page, group) {
  const { t, store } = page;
  const { problem, unrecorded } = store.wires;
  if (problem) return h("p", { key: "problem", class: "note bad", role: "alert" }, store.why(problem));
  if (!unrecorded.includes(group.id)) return null;
  return h(
    "div",
    { key: "unrecorded", class: "note open" },
    h("p", {}, t("The camera was filmed before the lamps were wired like this: they are not tried yet.")),
    takeAgain(page),
  );
}

function setPin(page, place, lamp, pin) {
  page.edit((site) => {
    const group = site.signal_groups[place];
    const pins = { ...group.pins };
    if (pin === null) delete pins[lamp];
    else pins[lamp] = pin;
    if (Object.keys(pins).length) group.pins = pins;
    else unwire(group);
  });
}

function setActiveLow(page, place, on) {
  page.edit((site) => {
    if (on) site.signal_groups[place].active_low = true;
    else delete site.signal_groups[place].active_low;
  });
}

function unwire(group) {
  delete group.pins;
  delete group.active_low;
}
