// Plane geometry of what is drawn: points are [x, y] in the picture's pixels, y downwards; boxes [left, top, right,
// bottom].

export const plus = ([x, y], [dx, dy]) => [x + dx, y + dy];
export const minus = ([x, y], [dx, dy]) => [x - dx, y - dy];
const times = ([x, y], factor) => [x * factor, y * factor];
export const middle = (points) => times(points.reduce(plus), 1 / points.length);
export const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
/** To a tenth of a pixel: what is drawn by hand is no finer. */
export const rounded = (value) => (Array.isArray(value) ? value.map(rounded) : Math.round(value * 10) / 10);

export function unit(vector) {
  const length = Math.hypot(...vector);
  return length ? times(vector, 1 / length) : [0, 0];
}

/** How far a point is from a segment. */
export function distanceToSegment(point, [a, b]) {
  const along = minus(b, a);
  const squared = along[0] ** 2 + along[1] ** 2;
  const share = squared ? ((point[0] - a[0]) * along[0] + (point[1] - a[1]) * along[1]) / squared : 0;
  return distance(point, plus(a, times(along, Math.min(Math.max(share, 0), 1))));
}

/** Whether a point lies in a polygon. */
export function isInside([x, y], corners) {
  let inside = false;
  corners.forEach(([x1, y1], place) => {
    const [x2, y2] = corners[(place + 1) % corners.length];
    if (y1 > y !== y2 > y && x < x1 + ((y - y1) / (y2 - y1)) * (x2 - x1)) inside = !inside;
  });
  return inside;
}

export const cornersOf = ([left, top, right, bottom]) => [
  [left, top],
  [right, top],
  [right, bottom],
  [left, bottom],
];

/** The box between two opposite corners. */
export const boxBetween = ([x1, y1], [x2, y2]) => [
  Math.min(x1, x2),
  Math.min(y1, y2),
  Math.max(x1, x2),
  Math.max(y1, y2),
];

/** The box around points. */
export function boxAround(points) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** Inside a picture of this size. */
export const clamped = ([x, y], [width, height]) => [Math.min(Math.max(x, 0), width), Math.min(Math.max(y, 0), height)];

/**
 * The way of travel over a stop line towards a confirm line, of length 1: from middle to middle, which follows the
 * road into the picture's depth; across the stop line where that would lead along it.
 */
export function wayBetween(stop, confirm) {
  const way = unit(minus(middle(confirm), middle(stop)));
  const [dx, dy] = unit(minus(stop[1], stop[0]));
  const across = way[1] * dx - way[0] * dy;
  const chosen = Math.abs(across) > 0.5 ? way : times([-dy, dx], Math.sign(across) || -1);
  return chosen.map((part) => Math.round(part * 1000) / 1000);
}

/** The same way, as nearly as it can be written. */
export const sameWay = (a, b) => distance(unit(a), unit(b)) < 0.004;

/** A line as far beyond another as a car's length looks there: where a confirm line may lie. */
export function lineBeyond(stop, way, [width, height]) {
  const reach = Math.max(distance(...stop) * 0.45, 0.04 * height);
  const beyond = stop.map((end) => clamped(plus(end, times(way, reach)), [width, height]));
  const narrowed = 1 - 0.08 * Math.sign(-way[1]);
  const centre = middle(beyond);
  return beyond.map((end) => plus(centre, times(minus(end, centre), narrowed)));
}
