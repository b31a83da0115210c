// What is being drawn anew: a line or a box, by a drag, by two clicks, or by taking what is suggested.
// Whoever asks for a shape waits for it: `const drawn = await pen.draw("line", words)`; null where it was given up.

import { boxBetween, clamped, distance, rounded } from "./plane.js";

const SHORTEST = { line: 12, box: 4 }; // in screen pixels; less than that was a click

export class Pen {
  #stage;
  #changed;
  #resolve = null;
  #from = null;
  #to = null;
  #anchored = false; // the first of two clicks is made

  kind = null; // "line" or "box" while something is asked for
  words = ""; // what is asked for
  suggestion = null; // what Enter takes

  constructor(stage, changed) {
    this.#stage = stage;
    this.#changed = changed;
  }

  get active() {
    return this.kind !== null;
  }

  /** What is drawn so far, else what is suggested; null where there is neither. */
  get preview() {
    if (this.#from && this.#to) return this.#value();
    return this.#from ? null : this.suggestion;
  }

  get started() {
    return this.#from;
  }

  /** Ask for a shape. Gives { value, snap } (`snap` where Alt was held), or null where it was given up. */
  draw(kind, words, suggestion = null) {
    this.giveUp();
    Object.assign(this, { kind, words, suggestion });
    this.#changed();
    return new Promise((resolve) => (this.#resolve = resolve));
  }

  /** A drag for the stage. */
  grab(point) {
    const start = this.#inside(point);
    if (!this.#anchored) this.#from = start;
    this.#to = start;
    this.#changed();
    return {
      move: (to) => this.#lead(to),
      end: (to, event) => this.#land(to, event),
      cancel: () => this.#forget(),
    };
  }

  hover(point) {
    if (this.#anchored) this.#lead(point);
  }

  /** Take what is suggested. */
  accept() {
    if (this.suggestion) this.#finish({ value: rounded(this.suggestion), snap: false });
  }

  giveUp() {
    if (this.active) this.#finish(null);
  }

  #inside(point) {
    return clamped(point, this.#stage.size);
  }

  #lead(point) {
    this.#to = this.#inside(point);
    this.#changed();
  }

  #land(point, event) {
    this.#to = this.#inside(point);
    const long = distance(this.#from, this.#to) >= SHORTEST[this.kind] * this.#stage.pixel;
    if (long) this.#finish({ value: this.#value(), snap: event.altKey });
    else this.#anchored = true;
    this.#changed();
  }

  #value() {
    return rounded(this.kind === "line" ? [this.#from, this.#to] : boxBetween(this.#from, this.#to));
  }

  #forget() {
    this.#from = this.#to = null;
    this.#anchored = false;
    this.#changed();
  }

  #finish(drawn) {
    const resolve = this.#resolve;
    this.kind = this.#resolve = this.suggestion = null;
    this.#forget();
    resolve(drawn);
  }
}
