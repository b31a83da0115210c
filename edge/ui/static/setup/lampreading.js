// What a signal head drawn in the picture shows over the recording; asked of the server when the drawing has rested.

const REST_MS = 150;
const KEPT = 40;

export class LampReading {
  #store;
  #changed;
  #known = new Map(); // by view: { bands } or { trouble }
  #waiting = new Map(); // by view: the timer until it is asked for
  #last = null; // what was read last, shown until the newest is there

  constructor(store, changed) {
    this.#store = store;
    this.#changed = changed;
  }

  /** { bands, fresh, trouble }: bands as last read, not fresh while those of this view are still to come. */
  of(view) {
    const key = `${JSON.stringify(view)} ${this.#watched()}`;
    const known = this.#known.get(key);
    if (known) return { ...known, fresh: true };
    this.#ask(key, view);
    return { bands: this.#last?.bands ?? null, fresh: false };
  }

  /** How many quarters of the recording have been watched: what was read of less is read again. */
  #watched() {
    const { done, frames, of } = this.#store.watch;
    return done ? "all" : Math.floor((4 * frames) / (of || Infinity));
  }

  #ask(key, view) {
    if (this.#waiting.has(key)) return;
    for (const [other, timer] of this.#waiting) {
      clearTimeout(timer);
      this.#waiting.delete(other);
    }
    this.#waiting.set(
      key,
      setTimeout(() => this.#fetch(key, view), REST_MS),
    );
  }

  async #fetch(key, view) {
    const answer = await this.#store.lamps(view).then(
      (bands) => ({ bands }),
      (refusal) => ({ trouble: refusal.message }),
    );
    this.#waiting.delete(key);
    this.#known.set(key, answer);
    if (this.#known.size > KEPT) this.#known.delete(this.#known.keys().next().value);
    this.#last = answer;
    this.#changed();
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

/** For what share of a time two rows of bands say the same, looked at every tenth of a second. */
export function agreement(bands, others, from_s, to_s) {
  const count = Math.max(Math.round((to_s - from_s) * 10), 1);
  let agreed = 0;
  for (let step = 0; step < count; step += 1) {
    const t_s = from_s + (step + 0.5) * 0.1;
    if (phaseAt(bands, t_s) === phaseAt(others, t_s)) agreed += 1;
  }
  return agreed / count;
}
