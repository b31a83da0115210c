// The map from the picture to the ground through four points known in both.
// Source: Hartley and Zisserman, Multiple View Geometry, 2nd edition, section 4.1, with the last element set to 1.

export class GroundMap {
  #m;

  constructor(matrix) {
    this.#m = matrix;
  }

  /** The map through four pairs of points, null where three of them lie on one line. */
  static through(points_px, points_m) {
    const rows = points_px.flatMap(([x, y], place) => {
      const [u, v] = points_m[place];
      return [
        [x, y, 1, 0, 0, 0, -u * x, -u * y, u],
        [0, 0, 0, x, y, 1, -v * x, -v * y, v],
      ];
    });
    const solved = solve(rows);
    return solved && new GroundMap([...solved, 1]);
  }

  toGround([x, y]) {
    const m = this.#m;
    const depth = m[6] * x + m[7] * y + m[8];
    return [(m[0] * x + m[1] * y + m[2]) / depth, (m[3] * x + m[4] * y + m[5]) / depth];
  }
}

/** Gauss and Jordan's elimination of rows [a0, …, an, b], with the largest element of each column first. */
function solve(rows) {
  for (let column = 0; column < rows.length; column += 1) {
    const best = rows
      .slice(column)
      .reduce((one, other) => (Math.abs(other[column]) > Math.abs(one[column]) ? other : one));
    if (Math.abs(best[column]) < 1e-9) return null;
    rows.splice(rows.indexOf(best), 1);
    rows.splice(
      column,
      0,
      best.map((value) => value / best[column]),
    );
    rows.forEach((row, place) => {
      if (place !== column) rows[place] = row.map((value, at) => value - row[column] * rows[column][at]);
    });
  }
  return rows.map((row) => row.at(-1));
}
