// Every change of the draft goes through here, so that each can be taken back.

import { alike, same } from "./proposals.js";

const DEEPEST = 200;
const TOGETHER_MS = 1500;

export class History {
  #store;
  #past = []; // drafts before the present one, the oldest first
  #future = []; // drafts that were taken back, the next one last
  #undone = []; // what the newest change made the end of the future
  #last = { name: null, at_ms: 0 };

  constructor(store) {
    this.#store = store;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /**
   * Change the draft: `change` is given a copy to work on. Changes of one name are taken back together: those of a
   * drag (`drag …`) however long it takes, others where they follow each other closely.
   */
  edit(change, name = null) {
    const before = this.#store.site;
    const draft = structuredClone(before);
    change(draft);
    if (same(draft, before)) return;
    if (!this.#goesOn(name)) this.#begin(before);
    this.#last = { name, at_ms: performance.now() };
    this.#store.change(draft);
  }

  #goesOn(name) {
    if (name === null || name !== this.#last.name) return false;
    return name.startsWith("drag ") || performance.now() - this.#last.at_ms < TOGETHER_MS;
  }

  #begin(before) {
    this.settle();
    this.#past = [...this.#past, before].slice(-DEEPEST);
    this.#undone = this.#future;
    this.#future = [];
  }

  /** What follows is a change of its own, however soon. One that led back to where it began was none. */
  settle() {
    this.#last = { name: null, at_ms: 0 };
    if (!same(this.#past.at(-1), this.#store.site)) return;
    this.#past = this.#past.slice(0, -1);
    this.#future = this.#undone;
  }

  /** The change of this name that is under way never was. */
  giveUp(name) {
    if (name === this.#last.name) this.#store.change(this.#past.at(-1));
    this.settle();
  }

  undo() {
    this.settle();
    this.#step(this.#past, this.#future);
  }

  redo() {
    this.settle();
    this.#step(this.#future, this.#past);
  }

  #step(from, to) {
    if (!from.length) return;
    to.push(this.#store.site);
    this.#store.change(from.pop());
  }

  /** What a page that is loaded anew needs to go on, null where nothing was changed yet. */
  get kept() {
    if (!this.canUndo && !this.canRedo) return null;
    return { past: this.#past, future: this.#future, draft: this.#store.site };
  }

  /** Go on from there. Gives whether the draft is another by now; the kept one is then the step before it. */
  goOnFrom({ past, future, draft }) {
    const isOther = !alike(draft, this.#store.site);
    this.#past = isOther ? [...past, draft].slice(-DEEPEST) : past;
    this.#future = isOther ? [] : future;
    return isOther;
  }
}

/** What stands at a place such as "lanes.0.stop_line_px". */
export function at(site, place) {
  return place.split(".").reduce((value, key) => value?.[key], site);
}

/** Write a value to a place; tables on the way are made. */
export function put(site, place, value) {
  const keys = place.split(".");
  const last = keys.pop();
  const table = keys.reduce((value, key) => (value[key] ??= {}), site);
  table[last] = value;
}
