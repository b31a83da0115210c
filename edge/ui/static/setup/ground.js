// Step 3: four points of a rectangle on the road whose sides are known, and the grid of metres that follows from them.

import { button, number } from "./fields.js";
import { figure } from "./figures.js";
import { GroundMap } from "./groundmap.js";
import { h, show } from "./markup.js";
import { boxAround, distance, lineBeyond, middle, minus, plus, rounded, unit } from "./plane.js";

const WIDTH_M = 3.5; // a lane
const LENGTH_M = 9; // a dash and its gap in towns: 3 m and 6 m
const CLOSE = 0.5; // how much of the view the rectangle fills when looked at closely
const BESIDE_PX = [26, 15]; // how far beside a side its length is written, on the screen

export class Ground {
  #page;
  #place;
  #closer = 1; // how much the step has zoomed in by itself

  constructor(page, place) {
    this.#page = page;
    this.#place = place;
  }

  get state() {
    const page = this.#page;
    const calibration = page.site.calibration;
    if (!calibration) return { level: "free", words: page.t("not measured; may be left out") };
    const [width, length] = sides(calibration.points_m).map((side) => figure(side));
    return { level: "good", words: page.t("{width} m × {length} m", { width, length }) };
  }

  /** The rectangle is small in most pictures: it is looked at closely, unless somebody has zoomed in already. */
  entered() {
    const { site, stage } = this.#page;
    if (site.calibration && stage.scale === 1) this.#lookCloser();
  }

  left() {
    const { stage } = this.#page;
    if (stage.scale === this.#closer) stage.whole();
  }

  #lookCloser() {
    const { site, stage } = this.#page;
    stage.closeUp(boxAround(site.calibration.points_px), CLOSE);
    this.#closer = stage.scale;
  }

  // In the picture

  shapes() {
    const page = this.#page;
    if (!page.site.calibration) return [];
    const live = page.step === "ground" && !page.pen.active;
    const names = [
      page.t("near left corner"),
      page.t("near right corner"),
      page.t("far right corner"),
      page.t("far left corner"),
    ];
    return [
      page.shapeAt("calibration.points_px", {
        kind: "quad",
        look: "ground",
        live,
        chosen: page.step === "ground",
        label: page.t("Rectangle on the road"),
        handles: names,
        remove: () => this.#remove(),
      }),
    ];
  }

  backdrop() {
    const { site, step, store } = this.#page;
    if (step !== "ground" || !site.calibration) return [];
    const grid = (store.judged?.grid ?? []).map((line) => `M${line.map((end) => end.join(" ")).join("L")}`).join("");
    const [width, length] = sides(site.calibration.points_m);
    const corners = site.calibration.points_px;
    return [
      h("path", { key: "grid", class: "grid-m", d: grid || "M0 0" }),
      this.#measure(corners, 0, width),
      this.#measure(corners, 1, length),
    ];
  }

  /** The length of a side, written beside it, outside of the rectangle. */
  #measure(corners, place, metres) {
    const { stage } = this.#page;
    const at = middle([corners[place], corners[place + 1]]);
    const outwards = unit(minus(at, middle(corners)));
    const [x, y] = plus(
      at,
      outwards.map((part, axis) => part * BESIDE_PX[axis] * stage.pixel),
    );
    const down = 4 * stage.pixel; // from the middle of the letters to the line they stand on
    return h("text", { key: `side ${place}`, class: "measure", x, y: y + down }, `${figure(metres)} m`);
  }

  // What can be done

  /** A rectangle to begin with: a lane between its two lines, else the lower middle of the picture. */
  #begin() {
    const page = this.#page;
    page.edit((site) => {
      site.calibration = { points_px: this.#likely(), points_m: rectangle(WIDTH_M, LENGTH_M) };
    });
    this.entered();
  }

  #likely() {
    const { site, stage } = this.#page;
    const lane = site.lanes[this.#page.chosenOf("lanes")];
    const [width, height] = stage.size;
    if (!lane)
      return rounded(
        [
          [0.35, 0.85],
          [0.65, 0.85],
          [0.58, 0.6],
          [0.42, 0.6],
        ].map(([x, y]) => [x * width, y * height]),
      );
    const stop = leftFirst(lane.stop_line_px);
    const far = leftFirst(lane.confirm_line_px);
    const apart = distance(middle(stop), middle(far));
    const line = apart > 4 ? far : leftFirst(lineBeyond(stop, lane.direction, stage.size));
    return rounded(middle(line)[1] < middle(stop)[1] ? [...stop, line[1], line[0]] : [...line, stop[1], stop[0]]);
  }

  #measureAnew({ width, length }) {
    const [wide, long] = sides(this.#page.site.calibration.points_m);
    this.#page.write("calibration.points_m", rectangle(width ?? wide, length ?? long));
  }

  #remove() {
    this.#page.edit((site) => delete site.calibration);
  }

  // In the list

  render() {
    const { calibration } = this.#page.site;
    show(this.#place, ...(calibration ? this.#measured(calibration) : this.#unmeasured()));
  }

  #unmeasured() {
    const { t } = this.#page;
    const why = t(
      "From a rectangle of known size on the road the node knows metres: " +
        "it then tells speeds, and takes less doubt off the red time.",
    );
    const lay = button(t("Lay a rectangle on the road"), () => this.#begin(), { class: "confirm" });
    return [h("p", { class: "soft" }, why), h("div", { class: "row" }, lay)];
  }

  #measured(calibration) {
    const { t } = this.#page;
    const where = t(
      "Drag the corners onto a rectangle whose sides you know: across, the width of a lane; " +
        "along, from the start of one dash to the start of the next, once or several times.",
    );
    const judge = t(
      "Each field of the grid is one metre. It should run along the lanes, " +
        "and its fields should look alike in size on the road, near and far.",
    );
    return [
      h("p", {}, where),
      h("div", { class: "fields" }, this.#sideFields(calibration)),
      h("p", { class: "soft" }, judge),
      this.#distances(calibration),
      h(
        "div",
        { class: "acts" },
        button(t("Look closer"), () => this.#lookCloser()),
        button(t("Remove the rectangle"), () => this.#remove(), { class: "quiet" }),
      ),
    ];
  }

  #sideFields({ points_m }) {
    const { t } = this.#page;
    const [width, length] = sides(points_m);
    const bounds = { min: 0.1, max: 1000 };
    return [
      number(t("Width across the road, in metres"), width, (metres) => this.#measureAnew({ width: metres }), bounds),
      number(t("Length along the road, in metres"), length, (metres) => this.#measureAnew({ length: metres }), bounds),
    ];
  }

  /** What follows for the lanes, to be judged by eye. */
  #distances({ points_px, points_m }) {
    const { t, site } = this.#page;
    const map = GroundMap.through(points_px, points_m);
    if (!map) return null;
    const metres = (a, b) => figure(distance(map.toGround(a), map.toGround(b)), 1);
    const sentence = "{lane}: {width} m wide at the stop line, {length} m from there to the confirm line";
    const rows = site.lanes.map(({ id, stop_line_px: stop, confirm_line_px: confirm }) => {
      const said = { lane: id, width: metres(...stop), length: metres(middle(stop), middle(confirm)) };
      return h("li", { key: id }, h("span", {}, t(sentence, said)));
    });
    return h("ul", { class: "distances" }, rows);
  }
}

/** Corners in metres, from the near left one on, against the clock as seen from above. */
const rectangle = (width, length) => [
  [0, 0],
  [width, 0],
  [width, length],
  [0, length],
];

/** The sides of a rectangle, or of what comes nearest to one. */
function sides(points_m) {
  const [a, b, c] = points_m;
  return [distance(a, b), distance(b, c)].map((side) => Math.round(side * 100) / 100);
}

const leftFirst = (line) => (line[0][0] <= line[1][0] ? line : [line[1], line[0]]);
