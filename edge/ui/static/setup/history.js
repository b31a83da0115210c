// Every change of the draft goes through here, so that each can be taken back.

const DEEPEST = 200;
const TOGETHER_MS = 1500;

export class History {
  #store;
  #past = []; // drafts before the present one, the oldest first
  #future = []; // drafts that were taken back, the next one last
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
   * Change the draft: `change` is given a copy to work on. Changes of one name that follow each other closely, as a
   * drag's do, are taken back together.
   */
  edit(change, name = null) {
    const before = this.#store.site;
    const draft = structuredClone(before);
    change(draft);
    if (JSON.stringify(draft) === JSON.stringify(before)) return;
    const now_ms = performance.now();
    const goesOn = name !== null && name === this.#last.name && now_ms - this.#last.at_ms < TOGETHER_MS;
    if (!goesOn) this.#past = [...this.#past, before].slice(-DEEPEST);
    this.#last = { name, at_ms: now_ms };
    this.#future = [];
    this.#store.change(draft);
  }

  /** What follows is a change of its own, however soon. */
  settle() {
    this.#last = { name: null, at_ms: 0 };
  }

  undo() {
    this.#step(this.#past, this.#future);
  }

  redo() {
    this.#step(this.#future, this.#past);
  }

  #step(from, to) {
    if (!from.length) return;
    to.push(this.#store.site);
    this.settle();
    this.#store.change(from.pop());
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
