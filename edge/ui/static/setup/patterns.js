// Stripes, dots and bars on the time axis, for what a colour alone would not tell.

import { h } from "./markup.js";

/** The pattern of a phase that has one. */
export const PATTERNED = { fault: "pattern-fault", unknown: "pattern-unknown", red_amber: "pattern-red-amber" };

const rect = (name, width, height, more = {}) => h("rect", { class: name, width, height, ...more });
const pattern = (id, side, more, ...inside) =>
  h("pattern", { id, width: side, height: side, patternUnits: "userSpaceOnUse", ...more }, ...inside);

export const PATTERNS = h(
  "defs",
  { key: "patterns" },
  pattern(
    "pattern-fault",
    8,
    { patternTransform: "rotate(45)" },
    rect("pattern-ground", 8, 8),
    rect("pattern-fault", 4, 8),
  ),
  pattern(
    "pattern-unknown",
    6,
    {},
    rect("pattern-ground", 6, 6),
    h("circle", { class: "pattern-unknown", cx: 3, cy: 3, r: 1.3 }),
  ),
  pattern("pattern-red-amber", 10, {}, rect("phase-red", 10, 10), rect("phase-amber", 10, 5, { y: 5 })),
);
