// Plays the recording and tells which of its pictures is shown. While the recording is still being watched it plays as
// far as that has come, waits there and goes on.

const SPEEDS = [0.25, 0.5, 1, 2, 4];
const AHEAD_S = 0.8; // how much must have been watched before a player that waits goes on

export class Player extends EventTarget {
  #film;
  #store;
  #show;
  #wanted = false; // whether the person wants it to play, though it may have to wait
  #target = null; // where to go as soon as the seek under way has ended
  #going = null; // where the seek under way goes

  time_s; // of the picture shown, in the recording's own time
  drawn = 0; // pictures that were drawn upon since the page was opened
  waiting = false; // for the watch to come further

  /** `show(t_s)` draws upon the picture of that instant; it is called once for each picture that is shown. */
  constructor(film, store, show) {
    super();
    this.#film = film;
    this.#store = store;
    this.#show = show;
    this.time_s = store.video.first_s;
    film.muted = true;
    film.addEventListener("seeked", () => this.#arrived());
    film.addEventListener("ended", () => this.pause());
    for (const news of ["watch", "frames", "judged"]) store.addEventListener(news, () => this.#proceed());
    this.#follow();
  }

  get playing() {
    return this.#wanted;
  }

  get speed() {
    return this.#film.playbackRate;
  }

  get speeds() {
    return SPEEDS;
  }

  get first_s() {
    return this.#store.video.first_s;
  }

  get last_s() {
    return this.first_s + this.#store.video.duration_s;
  }

  /** How far the recording can be played by now: watched, and judged where the draft can be judged by. */
  get seen_s() {
    const { watch, frames, judged } = this.#store;
    if (!watch || watch.problem || (watch.done && frames.length >= watch.frames)) return this.last_s;
    return Math.min(frames.at(-1)?.t ?? this.first_s, judged?.until_s || Infinity);
  }

  play() {
    if (this.#film.ended || this.time_s >= this.last_s - this.#period) this.seek(this.first_s);
    this.#wanted = true;
    this.waiting = false;
    if (!this.#hold()) this.#start();
    this.#tell("state");
  }

  pause() {
    this.#wanted = false;
    this.waiting = false;
    this.#film.pause();
    this.#tell("state");
  }

  toggle() {
    if (this.#wanted) this.pause();
    else this.play();
  }

  /** Faster (+1) or slower (-1). */
  shift(steps) {
    const at = SPEEDS.indexOf(this.speed) + steps;
    this.setSpeed(SPEEDS[Math.min(Math.max(at, 0), SPEEDS.length - 1)]);
  }

  setSpeed(speed) {
    this.#film.playbackRate = speed;
    this.#tell("state");
  }

  /** Go there. Of many wishes while a seek is under way, as in dragging, only the newest counts. */
  seek(t_s) {
    this.#target = Math.min(Math.max(t_s, this.first_s), this.last_s - this.#period / 2);
    if (this.#going === null) this.#go();
  }

  /** So many pictures on, or back where negative. */
  step(pictures) {
    const { frames } = this.#store;
    const from_s = this.#target ?? this.#going ?? this.time_s;
    const at = nearest(frames, from_s);
    const there = frames[at + pictures];
    const known = there && Math.abs(frames[at].t - from_s) <= this.#period;
    this.seek(known ? there.t : from_s + pictures * this.#period);
  }

  get #period() {
    return 1 / this.#store.video.fps;
  }

  #go() {
    this.#going = this.#target;
    this.#target = null;
    // A little into the picture, so that rounding never shows the one before.
    this.#film.currentTime = this.#going - this.first_s + this.#period / 4;
  }

  #arrived() {
    if (this.#going === null) return;
    this.#moved(this.#going);
    this.#going = null;
    if (this.#target !== null) this.#go();
  }

  /** From now on, tell of each picture that is shown. */
  #follow() {
    const film = this.#film;
    if (!film.requestVideoFrameCallback) return this.#followClock();
    const shown = (_, { mediaTime }) => {
      this.#shown(mediaTime + this.first_s);
      film.requestVideoFrameCallback(shown);
    };
    film.requestVideoFrameCallback(shown);
  }

  /** The same by the film's clock, in browsers that do not tell. */
  #followClock() {
    let before = null;
    const look = () => {
      const now = this.#film.currentTime;
      if (now !== before && !this.#film.seeking) this.#shown(now + this.first_s);
      before = now;
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }

  #shown(t_s) {
    this.drawn += 1;
    this.#moved(t_s);
    if (this.#wanted) this.#hold();
  }

  #moved(t_s) {
    this.time_s = t_s;
    this.#show(t_s);
    this.#tell("time");
  }

  /** Wait where nothing more has been watched. Gives whether it waits. */
  #hold() {
    if (this.time_s < this.seen_s - this.#period) return false;
    if (this.seen_s === this.last_s) return false; // nothing to wait for
    this.#film.pause();
    if (!this.waiting) {
      this.waiting = true;
      this.#tell("state");
    }
    return true;
  }

  #proceed() {
    if (!this.waiting) return;
    const { seen_s, last_s } = this;
    if (seen_s < last_s && seen_s < this.time_s + AHEAD_S * this.speed) return;
    this.waiting = false;
    this.#start();
    this.#tell("state");
  }

  #start() {
    this.#film.play().catch((error) => {
      if (error.name !== "AbortError") this.pause(); // a pause that came first is no trouble
    });
  }

  #tell(name) {
    this.dispatchEvent(new CustomEvent(name));
  }
}

/** The place of the picture nearest to this instant in a list that is in the order of t, or -1. */
export function nearest(frames, t_s) {
  let low = 0;
  let high = frames.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (frames[middle].t < t_s) low = middle + 1;
    else high = middle;
  }
  if (low === frames.length || (low > 0 && t_s - frames[low - 1].t < frames[low].t - t_s)) low -= 1;
  return low;
}
