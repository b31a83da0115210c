// What counts as a violation, and how lamps are believed: the site file's figures that no picture tells.

import { number } from "./fields.js";
import { figure } from "./figures.js";
import { h, show } from "./markup.js";

// Each figure with what holds where it is left out: docs/site-file.md.
const ofRule = (t) => ({
  grace_s: [t("Red that is forgiven, in seconds"), 0.5],
  confirm_within_s: [t("Confirm line within, in seconds"), 4],
  dwell_s: [t("Seen on either side of the line for, in seconds"), 0.1],
  rear_margin_s: [t("Front over the line before the rear by, in seconds"), 0.5],
  vehicle_length_m: [t("Length of every vehicle, in metres"), null],
});
const ofLamps = (t) => ({
  debounce_s: [t("Lit for so long to count, in seconds"), 0.01],
  hold_s: [t("May vanish for, in seconds"), 0.03],
  transition_s: [t("May overlap or all be dark for, in seconds"), 0.25],
  uncertainty_s: [t("Times may be off by, in seconds"), 0.02],
  max_phase_s: [t("A phase is stuck after, in seconds"), 600],
});

export class Rule {
  #page;
  #place;

  constructor(page, place) {
    this.#page = page;
    this.#place = place;
  }

  render() {
    const page = this.#page;
    const { t, site } = page;
    show(
      this.#place,
      h("h2", { class: "sub" }, t("What counts as a violation")),
      h(
        "div",
        { class: "fields" },
        fields(page, ofRule(t), site.rule ?? {}, (rule) => page.edit((draft) => setRule(draft, rule))),
      ),
    );
  }
}

/** How the lamps of a group are believed; folded away, since the usual values mostly hold. */
export function lampFigures(page, group, place) {
  const { t } = page;
  const set = (figures) => page.edit((site) => (site.signal_groups[place] = figures));
  return h(
    "details",
    { key: "figures" },
    h("summary", {}, t("How its lamps are believed")),
    h("div", { class: "fields" }, fields(page, ofLamps(t), group, set)),
  );
}

/** A field a figure; empty is what holds where nothing is said. */
function fields(page, known, table, set) {
  return Object.entries(known).map(([key, [label, usual]]) => {
    const write = (value) => {
      const { [key]: _before, ...others } = table;
      set(value === null ? others : { ...table, [key]: value });
    };
    const placeholder = usual === null ? page.t("by its kind") : figure(usual);
    return number(label, table[key], write, { optional: true, placeholder });
  });
}

function setRule(site, rule) {
  if (Object.keys(rule).length) site.rule = rule;
  else delete site.rule;
}
