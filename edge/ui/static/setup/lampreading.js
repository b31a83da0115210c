// What a signal head drawn in the picture shows over the recording; asked of the server when the drawing has rested.

const REST_MS = 150;
const KEPT = 40;
const UNTOLD = [null, "unknown", "fault"];

export class LampReading {
  #store;
  #changed;
  #known = new Map(); // by view: { bands } or { trouble }
  #waiting = new Map(); // by group: { key, timer } of what will be asked for
  #last = new Map(); // by group: the bands that were read last, shown until the newest are there

  constructor(store, changed) {
    this.#store = store;
    this.#changed = changed;
  }

  /** { bands, fresh, trouble } of a group: bands as last read, not fresh while those of its view are still to come. */
  of({ id, view }) {
    const key = `${JSON.stringify(view)} ${this.#watched()}`;
    const known = this.#known.get(key);
    if (known) return { ...known, fresh: true };
    this.#askSoon(id, key, view);
    return { bands: this.#last.get(id) ?? null, fresh: false };
  }

  /** How many quarters of the recording have been watched: what was read of less is read again. */
  #watched() {
    const { run, done, frames, of } = this.#store.watch;
    return `${run} ${done ? "all" : Math.floor((4 * frames) / (of || Infinity))}`;
  }

  #askSoon(group, key, view) {
    const waiting = this.#waiting.get(group);
    if (waiting?.key === key) return;
    clearTimeout(waiting?.timer);
    const timer = setTimeout(() => this.#ask(group, key, view), REST_MS);
    this.#waiting.set(group, { key, timer });
  }

  async #ask(group, key, view) {
    const answer = await this.#store.lamps(view).then(
      (bands) => ({ bands }),
      (refusal) => ({ trouble: this.#store.why(refusal) }),
    );
    if (this.#waiting.get(group)?.key === key) this.#waiting.delete(group);
    if (this.#store.connection !== "open") return; // asked again once the server is back
    this.#keep(key, answer);
    if (answer.bands) this.#last.set(group, answer.bands);
    this.#changed();
  }

  #keep(key, answer) {
    this.#known.set(key, answer);
    if (this.#known.size > KEPT) this.#known.delete(this.#known.keys().next().value);
  }
}

/** The phase at an instant, null where no band covers it. */
export const phaseAt = (bands, t_s) => bands?.find(([from_s, to_s]) => from_s <= t_s && t_s < to_s)?.[2] ?? null;

/** [[phase, seconds], …] over all bands, the longest first. */
export function totals(bands) {
  const sums = new Map();
  for (const [from_s, to_s, phase] of bands) sums.set(phase, (sums.get(phase) ?? 0) + to_s - from_s);
  return [...sums].sort((a, b) => b[1] - a[1]);
}

/**
 * How far what is read is what was recorded, looked at every tenth of a second: { share, compared_s }. Time that is not
 * read yet, or of which the record tells no phase, is not counted; that nothing could be read where one was is against
 * it.
 */
export function agreement(read, recorded, from_s, to_s) {
  let [compared, agreed] = [0, 0];
  for (let t_s = from_s + 0.05; t_s < to_s; t_s += 0.1) {
    const [seen, told] = [phaseAt(read, t_s), phaseAt(recorded, t_s)];
    if (seen === null || UNTOLD.includes(told)) continue;
    compared += 1;
    if (seen === told) agreed += 1;
  }
  return { share: compared ? agreed / compared : null, compared_s: compared / 10 };
}
