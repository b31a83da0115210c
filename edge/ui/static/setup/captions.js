// The names of what is drawn, written below or above it: none lies over another, and on a telephone, where there is
// little room, only what is chosen has one.

import { widthOf } from "./letters.js";
import { middle } from "./plane.js";
import { handlesOf } from "./shapes.js";

const LETTERS_PX = 13; // as setup.css has it
const NARROW_PX = 500;

/** Where each caption is that is shown: a map from shapes to { x, y, half, up } in the picture's pixels. */
export function captionsOf(shapes, stage) {
  const found = new Map();
  const wanted = shapes.filter((shape) => shape.caption && (shape.chosen || stage.width > NARROW_PX));
  for (const shape of wanted.sort((a, b) => (b.chosen ? 1 : 0) - (a.chosen ? 1 : 0))) {
    const caption = captionOf(shape, stage.pixel);
    if (![...found.values()].some((other) => overlap(caption, other))) found.set(shape, caption);
  }
  return found;
}

/** Below the middle of what it names, or above it. */
function captionOf(shape, pixel) {
  const points = handlesOf(shape, pixel);
  const rows = points.map(([, y]) => y);
  return {
    x: middle(points)[0],
    y: shape.captionAbove ? Math.min(...rows) - 7 * pixel : Math.max(...rows) + 16 * pixel,
    half: (widthOf(shape.caption, LETTERS_PX, 600) / 2 + 2) * pixel,
    up: LETTERS_PX * pixel,
  };
}

const overlap = (a, b) => Math.abs(a.x - b.x) < a.half + b.half && Math.abs(a.y - b.y) < a.up;
