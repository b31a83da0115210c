// What the parts of the page share: the draft and its history, the picture, the pen, which step is open and what is
// chosen in it. `refresh` has everything drawn anew, once a frame at most.

import { Drawing } from "./drawing.js";
import { History, at, put } from "./history.js";
import { h } from "./markup.js";
import { Pen } from "./pen.js";
import { distance } from "./plane.js";
import { Stage } from "./stage.js";

const SAME_PX = 0.5;
const TABLES = ["lanes", "signal_groups", "masks"];

export class Page {
  #waiting = false;
  #renderers = [];

  step = "lanes";
  offer = null; // { line, take } while a painted edge is offered
  said = ""; // what happened last, for a moment of its own

  constructor(store, elements) {
    this.store = store;
    this.t = store.t;
    this.view = elements.view;
    this.history = new History(store);
    this.stage = new Stage(elements.view, elements.layers, elements.stage, store.video.size_px, () => this.refresh());
    this.pen = new Pen(this.stage, () => this.refresh());
    this.drawing = new Drawing(this);
    this.chosen = { lanes: 0, signal_groups: 0, masks: 0 };
    this.parts = {}; // by step: { shapes(), backdrop(), render(), entered(), left() }
    this.onRefresh(() => this.drawing.render());
    for (const name of ["site", "judged", "problem", "proposal", "watch", "saved", "connection", "take", "wires"]) {
      store.addEventListener(name, () => this.refresh());
    }
  }

  get site() {
    return this.store.site;
  }

  /** Whether the open step is one in which the picture is drawn in. */
  get isDrawing() {
    return Boolean(this.parts[this.step]?.shapes);
  }

  onRefresh(render) {
    this.#renderers.push(render);
  }

  refresh() {
    if (this.#waiting) return;
    this.#waiting = true;
    requestAnimationFrame(() => {
      this.#waiting = false;
      for (const render of this.#renderers) render();
    });
  }

  /** Open a step; what belongs to it can then be taken hold of. */
  open(step) {
    if (step === this.step) return;
    this.pen.giveUp();
    this.dismissOffer();
    this.parts[this.step]?.left?.();
    this.step = step;
    this.parts[step]?.entered?.();
    this.refresh();
  }

  choose(table, place) {
    if (this.chosen[table] === place) return;
    this.chosen[table] = place;
    this.refresh();
  }

  /** Which row of a table is chosen: one that exists. */
  chosenOf(table) {
    return Math.min(this.chosen[table], (this.site[table]?.length ?? 0) - 1);
  }

  /** Change the draft; what was said or offered last is then over. */
  edit(change, name) {
    this.said = "";
    this.offer = null;
    const before = this.site;
    this.history.edit(change, name);
    this.#keepPenTo(before);
  }

  undo() {
    if (this.pen.active) this.pen.giveUp();
    else this.#step(() => this.history.undo());
  }

  redo() {
    this.#step(() => this.history.redo());
  }

  #step(take) {
    this.offer = null;
    const before = this.site;
    take();
    this.#keepPenTo(before);
  }

  /** What is being drawn is for a row by its place: where rows came or went, that may be another's by now. */
  #keepPenTo(before) {
    if (TABLES.some((table) => before[table]?.length !== this.site[table]?.length)) this.pen.giveUp();
  }

  write(place, value, name) {
    this.edit((site) => put(site, place, value), name);
  }

  /** What of the draft a shape stands for, with what is the same for all of them. */
  shapeAt(place, more) {
    const value = at(this.site, place);
    return {
      place,
      value,
      wrong: this.isWrong(place),
      choose: () => {},
      change: (to, name) => this.write(place, to, name),
      ...more,
    };
  }

  isWrong(place) {
    const wrong = this.store.problem?.at;
    return Boolean(wrong) && (`${place}.`.startsWith(`${wrong}.`) || `${wrong}.`.startsWith(`${place}.`));
  }

  shapes() {
    return Object.values(this.parts).flatMap((part) => part.shapes?.() ?? []);
  }

  backdrop() {
    const parts = Object.values(this.parts).flatMap((part) => part.backdrop?.() ?? []);
    const offered =
      this.offer &&
      h("path", { key: "offer", class: "offer", d: `M${this.offer.line.map((end) => end.join(" ")).join("L")}` });
    return [...parts, offered];
  }

  /** Draw: the picture has the keyboard meanwhile. */
  draw(kind, words, suggestion) {
    this.view.focus({ preventScroll: true });
    this.view.scrollIntoView({ block: "nearest" });
    return this.pen.draw(kind, words, suggestion);
  }

  // Painted edges

  /** The painted edge at a line, null where there is none, undefined where nobody could say. */
  async edgeAt(line) {
    try {
      const edge = await this.store.snap(line);
      return edge && edge.some((end, place) => distance(end, line[place]) > SAME_PX) ? edge : null;
    } catch (refusal) {
      this.say(this.store.why(refusal));
      return undefined;
    }
  }

  /** Offer the painted edge at a line, for as long as nothing else is done. */
  async offerEdge(line, take) {
    const before = this.site;
    const edge = await this.edgeAt(line);
    if (!edge || this.site !== before) return;
    this.offer = { line: edge, take };
    this.refresh();
  }

  takeOffer() {
    const { line, take } = this.offer;
    this.offer = null;
    take(line);
    this.refresh();
  }

  dismissOffer() {
    if (!this.offer) return;
    this.offer = null;
    this.refresh();
  }

  say(words) {
    this.said = words;
    this.refresh();
  }

  /** Watch the recording again, with the detector's region as it is drawn now. */
  watchAgain() {
    this.store.watchAgain().catch((refusal) => this.say(this.store.why(refusal)));
  }
}
