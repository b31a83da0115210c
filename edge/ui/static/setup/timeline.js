// The time axis: what the lamps of each signal group showed, who crossed which lane's line and how that is judged, how
// far the recording has been watched, and where the player is. A slider for the keyboard; a pointer jumps or drags.

import { seconds } from "./figures.js";
import { fitted, widthOf } from "./letters.js";
import { h, show } from "./markup.js";
import { PATTERNED, PATTERNS } from "./patterns.js";
import { bandAt, cutAt, kindOf, phaseWords, shapeOf, verdictWords } from "./verdicts.js";

const STEPS_S = [0.5, 1, 2, 5, 10, 15, 30, 60, 120];
const STEP_PX = 64; // ticks lie no nearer
const ROW = 20;
const GAP = 5;
const RULER = 24;
const END_PX = 16;
const NAME_PX = 12; // the size of the letters of a name, as trial.css has it
const WORD_PX = 11; // and of words in a band
const BOLD = 600;
export class Timeline {
  #store;
  #player;
  #axis;
  #picture;
  #head;
  #jump;
  #width = 0;
  #edge = 0; // where time begins, right of the names
  #shows = () => true;

  /** `jump(passage)` goes to a passage. */
  constructor(element, store, player, jump) {
    this.#store = store;
    this.#player = player;
    this.#jump = jump;
    this.#build(element);
    this.#listen();
    new ResizeObserver(() => this.draw()).observe(this.#axis);
  }

  /** Show plainly only the passages that a filter lets through. */
  filter(shows) {
    this.#shows = shows;
    this.draw();
  }

  #build(element) {
    const name = this.#store.t("Time in the recording");
    const slider = { class: "axis", role: "slider", tabindex: 0, "aria-label": name };
    show(element, h("div", slider, h("svg", { "aria-hidden": "true" }), h("div", { class: "head" })));
    this.#axis = element.querySelector(".axis");
    this.#picture = element.querySelector("svg");
    this.#head = element.querySelector(".head");
  }

  /** Draw all but the play head: what is known has changed, or the room there is. */
  draw() {
    const width = this.#axis.clientWidth;
    if (!width) return;
    this.#width = width;
    this.#edge = Math.round(Math.min(Math.max(width * 0.13, 58), 120));
    const rows = [...this.#groupRows(), ...this.#laneRows()];
    const height = RULER + rows.length * (ROW + GAP) + GAP;
    this.#picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#picture.setAttribute("height", height);
    show(
      this.#picture,
      PATTERNS,
      this.#ruler(height),
      this.#progress(),
      rows.map((row, at) => this.#row(row, at)),
    );
    this.move();
  }

  /** The play head, and what the slider says of it. */
  move() {
    const { time_s, first_s, last_s, playing, waiting } = this.#player;
    this.#head.style.transform = `translateX(${this.#x(time_s).toFixed(1)}px)`;
    if (playing && !waiting) return; // a reader is not told of every picture
    this.#axis.setAttribute("aria-valuemin", first_s.toFixed(2));
    this.#axis.setAttribute("aria-valuemax", last_s.toFixed(2));
    this.#axis.setAttribute("aria-valuenow", time_s.toFixed(2));
    this.#axis.setAttribute("aria-valuetext", [seconds(time_s), ...this.#shown(time_s)].join(", "));
  }

  /** What each group shows at an instant, in words. */
  #shown(t_s) {
    return this.#groups().flatMap(([group, { bands }]) => {
      const band = bandAt(bands, t_s);
      return band ? [`${group}: ${phaseWords(this.#store, band[2], band[3])}`] : [];
    });
  }

  #x(t_s) {
    const { first_s, last_s } = this.#player;
    const share = (t_s - first_s) / (last_s - first_s || 1);
    return this.#edge + Math.min(Math.max(share, 0), 1) * (this.#width - this.#edge - END_PX);
  }

  #t({ clientX }) {
    const { first_s, last_s } = this.#player;
    const x = clientX - this.#axis.getBoundingClientRect().left;
    return first_s + ((x - this.#edge) / (this.#width - this.#edge - END_PX)) * (last_s - first_s);
  }

  #groups() {
    return Object.entries(this.#store.judged?.lamps ?? {});
  }

  #groupRows() {
    return this.#groups().map(([name, lamps]) => ({ name, draw: (top) => this.#lamps(name, lamps, top) }));
  }

  #laneRows() {
    const passages = this.#store.judged?.passages ?? [];
    const lanes = new Set([...this.#store.site.lanes.map((lane) => lane.id), ...passages.map((one) => one.lane)]);
    return [...lanes].map((name) => ({ name, draw: (top) => this.#crossings(name, passages, top) }));
  }

  #row({ name, draw }, at) {
    const top = RULER + GAP + at * (ROW + GAP);
    const said = fitted(name, this.#edge - 12, NAME_PX);
    const rail = { class: "rail", x: this.#edge, y: top, width: this.#width - this.#edge - END_PX, height: ROW, rx: 3 };
    return h(
      "g",
      { key: `row ${name} ${at}` },
      h("text", { class: "name", x: this.#edge - 8, y: top + ROW / 2 }, said, h("title", {}, name)),
      h("rect", rail),
      draw(top),
    );
  }

  #ruler(height) {
    const { first_s, last_s } = this.#player;
    const perSecond = (this.#width - this.#edge - END_PX) / (last_s - first_s || 1);
    const step = STEPS_S.find((one) => one * perSecond >= STEP_PX) ?? STEPS_S.at(-1);
    const ticks = [];
    for (let t_s = Math.ceil(first_s / step) * step; t_s <= last_s; t_s += step) ticks.push(t_s);
    return ticks.map((t_s) => this.#tick(t_s, height, seconds(t_s, step < 1 ? 1 : 0)));
  }

  #tick(t_s, height, said) {
    const x = this.#x(t_s);
    const first = x <= this.#edge ? " first" : ""; // it stands behind its tick, clear of the names
    return h(
      "g",
      { key: `tick ${t_s}` },
      h("line", { class: "tick", x1: x, x2: x, y1: RULER - 6, y2: height }),
      h("text", { class: `at${first}`, x, y: 9 }, said),
    );
  }

  /** How far it has been watched, and judged. */
  #progress() {
    const { watch, judged } = this.#store;
    const bar = (name, to_s) =>
      h("rect", { key: name, class: name, x: this.#edge, y: RULER - 3, height: 3, width: this.#x(to_s) - this.#edge });
    return [bar("watched", watch.until_s), bar("judged", judged?.until_s ?? 0)];
  }

  #lamps(group, { bands, seen, source }, top) {
    if (source === "none") {
      return h("text", { class: "said", x: this.#edge + 6, y: top + ROW / 2 }, this.#store.t("no lamps known"));
    }
    const beside = source !== "view" && seen; // recorded; what is seen in the picture stands below it
    const height = beside ? ROW - 6 : ROW;
    const below = beside ? cutAt(seen, this.#store.watch.until_s) : [];
    return [
      bands.map((band) => this.#band(group, band, top, height)),
      below.map((band) => this.#band(group, band, top + height + 1, 5, " seen")),
    ];
  }

  #band(group, [from_s, to_s, phase, fault], top, height, kind = "") {
    const [x1, x2] = [this.#x(from_s), this.#x(to_s)];
    if (x2 <= x1) return null;
    const said = phaseWords(this.#store, phase, fault);
    const shape = { class: `band phase-${phase}`, x: x1, y: top, width: x2 - x1, height };
    if (phase in PATTERNED) shape.fill = `url(#${PATTERNED[phase]})`;
    return h(
      "g",
      { key: `band${kind} ${from_s}` },
      h("rect", shape, h("title", {}, `${group}: ${said}, ${seconds(from_s)} – ${seconds(to_s)}`)),
      this.#inBand(said, phase, shape),
    );
  }

  /** Words in a band where they find room; on a pattern they have a plain ground of their own. */
  #inBand(said, phase, { x, y, width, height }) {
    const wide = widthOf(said, WORD_PX, BOLD);
    if (height <= 10 || wide + 12 > width) return null;
    const plate = { class: "plate", x: x + 2, y: y + 1, width: wide + 8, height: height - 2, rx: 2 };
    return [
      phase in PATTERNED && h("rect", plate),
      h("text", { class: `in phase-${phase}`, x: x + 6, y: y + height / 2 }, said),
    ];
  }

  #crossings(lane, passages, top) {
    return passages.flatMap((one, number) => (one.lane === lane ? [this.#crossing(one, number, top)] : []));
  }

  #crossing(passage, number, top) {
    const place = `translate(${this.#x(passage.t_s).toFixed(1)} ${top + ROW / 2})`;
    const faint = this.#shows(passage) ? "" : " faint";
    const attributes = {
      key: `crossing ${number}`,
      class: `crossing is-${kindOf(passage.verdict)}${faint}`,
      transform: place,
    };
    return h(
      "g",
      { ...attributes, "data-number": number },
      h("path", { d: shapeOf(passage.verdict), "fill-rule": "evenodd" }),
      h("title", {}, `${seconds(passage.t_s)}, ${passage.lane}: ${verdictWords(this.#store, passage)}`),
    );
  }

  #listen() {
    const axis = this.#axis;
    axis.addEventListener("pointerdown", (event) => this.#down(event));
    axis.addEventListener("keydown", (event) => this.#key(event));
  }

  #down(event) {
    if (event.button !== 0) return;
    const axis = this.#axis;
    const mark = event.target.closest("[data-number]");
    const at = event.clientX;
    let dragged = !mark;
    axis.setPointerCapture(event.pointerId);
    if (dragged) this.#player.seek(this.#t(event));
    const moved = (now) => {
      dragged ||= Math.abs(now.clientX - at) > 4;
      if (dragged) this.#player.seek(this.#t(now));
    };
    const ended = (now) => {
      axis.removeEventListener("pointermove", moved);
      for (const name of ENDS) axis.removeEventListener(name, ended);
      if (!dragged && now.type === "pointerup") this.#jump(this.#store.judged.passages[mark.dataset.number]);
    };
    axis.addEventListener("pointermove", moved);
    for (const name of ENDS) axis.addEventListener(name, ended);
  }

  /** What a slider's keys do; the rest belongs to the page. */
  #key(event) {
    const player = this.#player;
    if (event.key === "Home") player.seek(player.first_s);
    else if (event.key === "End") player.seek(player.last_s);
    else return;
    event.preventDefault();
  }
}

const ENDS = ["pointerup", "pointercancel"];
