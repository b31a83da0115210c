// How a verdict is told: in words, and by a colour and a shape that belong together, so that nothing hangs on colour
// alone.

import { seconds } from "./figures.js";
import { h } from "./markup.js";

// Each shape lies around 0, 0 and fits a square of 12.
const SHAPES = {
  violation: "M0-7 7 0 0 7-7 0Z", // a diamond
  green: "M-5 0A5 5 0 1 0 5 0A5 5 0 1 0-5 0Z", // a disc
  amber: "M-5.5 0A5.5 5.5 0 1 0 5.5 0A5.5 5.5 0 1 0-5.5 0ZM-2.5 0A2.5 2.5 0 1 1 2.5 0A2.5 2.5 0 1 1-2.5 0Z", // a ring
  spared: "M-5-5H5V5H-5Z", // a square: on red, yet no violation
  open: "M0-6 6.5 5.5H-6.5Z", // a triangle: nobody can tell
};

const KINDS = {
  violation: "violation",
  on_green: "green",
  on_amber: "amber",
  on_red_amber: "amber",
  within_grace: "spared",
  rear_margin: "spared",
  stopped_past_line: "spared",
  turn_permitted: "spared",
};

/** The verdicts in the order in which they are listed. */
export const VERDICTS = [...Object.keys(KINDS), "short_amber", "lamp_fault", "unknown_phase", "doubtful_track"];

/** Which of five kinds a verdict is of: "violation", "green", "amber", "spared" or "open". */
export const kindOf = (verdict) => KINDS[verdict] ?? "open";

/** The outline of a verdict's shape, as SVG writes paths. */
export const shapeOf = (verdict) => SHAPES[kindOf(verdict)];

/** A verdict's shape as a picture of its own, to stand in text. */
export function iconOf(verdict) {
  const attributes = { class: `sign is-${kindOf(verdict)}`, viewBox: "-8 -8 16 16", "aria-hidden": "true" };
  return h("svg", attributes, h("path", { d: shapeOf(verdict), "fill-rule": "evenodd" }));
}

/** A verdict in words; a violation with its red time. */
export function verdictWords(store, passage) {
  const said = store.t(`verdict ${passage.verdict}`);
  if (passage.verdict !== "violation" || passage.red_s === null) return said;
  return `${said} · ${store.t("red for {time}", { time: seconds(passage.red_s) })}`;
}

/** What a signal group shows, in words; a fault with its reason. */
export function phaseWords(store, phase, fault = null) {
  return fault ? store.t(`fault ${fault}`) : store.t(`phase ${phase}`);
}

/**
 * The band of a list of bands, [from_s, to_s, …] each, that holds this instant, or undefined. The last one holds its
 * end.
 */
export function bandAt(bands, t_s) {
  return bands.find(([from_s, to_s]) => from_s <= t_s && t_s < to_s) ?? bands.findLast(([, to_s]) => to_s === t_s);
}

/** What of bands lies before an instant. */
export const cutAt = (bands, end_s) =>
  bands
    .filter(([from_s]) => from_s < end_s)
    .map(([from_s, to_s, ...shown]) => [from_s, Math.min(to_s, end_s), ...shown]);
