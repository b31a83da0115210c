// The kinds of shapes that can be drawn: where their handles are, and what they become when one is moved.
// A value is what the site file holds: two points, a box, four points, or a way to go.

import { boxBetween, clamped, cornersOf, middle, minus, plus, rounded, unit } from "./plane.js";

const WAY_PX = 46; // how long the arrow of a way is drawn on the screen

const points = (value) => value;
const withPoint = (value, place, point) => rounded(value.with(place, point));
const shifted = (value, by) => rounded(value.map((point) => plus(point, by)));

export const KINDS = {
  line: { points, closed: false, moved: withPoint, shifted },
  quad: { points, closed: true, moved: withPoint, shifted },
  box: {
    points: cornersOf,
    closed: true,
    moved: (value, place, point) => rounded(boxBetween(point, cornersOf(value)[(place + 2) % 4])),
    shifted: ([left, top, right, bottom], [dx, dy]) => rounded([left + dx, top + dy, right + dx, bottom + dy]),
  },
  way: {
    points: (value, shape, pixel) => [tipOf(value, shape, pixel)],
    closed: false,
    moved: (value, _, point, shape) => unit(minus(point, shape.from)).map((part) => Math.round(part * 1000) / 1000),
    shifted: (value) => value,
  },
};

/** Where the arrow of a way ends. */
function tipOf(value, shape, pixel) {
  const [dx, dy] = unit(value);
  return plus(shape.from, [dx * WAY_PX * pixel, dy * WAY_PX * pixel]);
}

/** The points that handles sit on. */
export const handlesOf = (shape, pixel) => KINDS[shape.kind].points(shape.value, shape, pixel);

/** The value after one handle has gone to a point, inside the picture. */
export function withHandle(shape, place, point, size) {
  const inside = shape.kind === "way" ? point : clamped(point, size);
  return KINDS[shape.kind].moved(shape.value, place, inside, shape);
}

/** The value after the whole shape has moved: a box stays inside the picture, of a line at least its middle. */
export function withShift(shape, by, size) {
  if (shape.kind === "way") return shape.value;
  const corners = handlesOf(shape, 1);
  const kept = shape.kind === "box" ? corners : [middle(corners)];
  const allowed = by.map((part, axis) => {
    const along = kept.map((point) => point[axis]);
    return Math.min(Math.max(part, -Math.min(...along)), size[axis] - Math.max(...along));
  });
  return KINDS[shape.kind].shifted(shape.value, allowed);
}

/** The path of a shape in SVG. */
export function outline(shape, pixel) {
  const corners = shape.kind === "way" ? [shape.from, ...handlesOf(shape, pixel)] : handlesOf(shape, pixel);
  return `M${corners.map((corner) => corner.join(" ")).join("L")}${KINDS[shape.kind].closed ? "Z" : ""}`;
}
