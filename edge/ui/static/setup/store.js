// What the page knows: the recording, the site that is being drawn, what was seen and how it is judged.
// Everything else on the page reads from here, asks here for changes and listens; only this module talks to the server.

export class Store extends EventTarget {
  #saying = new Map(); // words of this page in the reader's language
  #wanted = null; // the newest draft that the server has not been asked about
  #asking = null; // a promise while it is being asked

  video = null; // { name, size_px, fps, duration_s, first_s, frames }
  site = null; // the draft, in the form of the site file
  proposal = null; // a site of the same form, or null until the recording has been watched
  notes = {}; // what each proposed value rests on, by its place: "lanes.0.stop_line_px"
  watch = null; // { frames, of, until_s, done, fps, problem }
  judged = null; // { until_s, stale, passages, lamps, grid }
  save = null; // { file, exists, node, saved }
  problem = null; // { at, words } while the draft is none that a node could run with
  frames = []; // { t, boxes: [[track, class, x1, y1, x2, y2], …] }, in the order of t

  /** Ask the server for everything once, then listen to it. */
  static async open() {
    const store = new Store();
    const [words, state] = await Promise.all([ask("/api/words"), ask("/api/state")]);
    store.#saying = new Map(Object.entries(words));
    Object.assign(store, state);
    store.site = { ...state.site, signal_groups: state.site.signal_groups ?? [], lanes: state.site.lanes ?? [] };
    store.#listen();
    return store;
  }

  /** A sentence in the reader's language, with {name} filled in. */
  t(english, values = {}) {
    return (this.#saying.get(english) ?? english).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  }

  /** The draft is now this one. Drawn at once; judged as soon as the server has answered, the newest draft first. */
  change(site) {
    this.site = site;
    this.#tell("site");
    this.#wanted = site;
    this.#asking ??= this.#judge();
  }

  /** The painted edge nearest to a line that was drawn, or null. */
  async snap(line) {
    return (await ask("/api/snap", "POST", { line })).line;
  }

  /** What a signal head drawn here shows over the recording: [[from_s, to_s, phase], …]. */
  async lamps(view) {
    return (await ask("/api/lamps", "POST", { view })).bands;
  }

  /** Watch the recording again, with the detector's region as it is drawn now. */
  async watchAgain() {
    this.frames = [];
    this.#tell("frames");
    await ask("/api/watch", "POST", {});
  }

  /** Write the site file as it is drawn now; where the page was given a node, commission it. Gives { file, commissioned }. */
  async write(by) {
    await this.#asking;
    if (this.problem) throw new Error(this.problem.words);
    const done = await ask("/api/save", "POST", { by });
    this.save = { ...this.save, exists: true, saved: true };
    this.#tell("saved");
    return done;
  }

  #tell(name) {
    this.dispatchEvent(new CustomEvent(name));
  }

  async #judge() {
    while (this.#wanted) {
      const site = this.#wanted;
      this.#wanted = null;
      try {
        this.judged = await ask("/api/site", "PUT", site);
        this.problem = null;
        this.save = { ...this.save, saved: false };
        this.#tell("judged");
      } catch (refusal) {
        this.problem = { at: refusal.at ?? "", words: refusal.message };
      }
      this.#tell("problem");
    }
    this.#asking = null;
  }

  #listen() {
    const source = new EventSource("/api/events");
    const taken = (name, take) =>
      source.addEventListener(name, (message) => {
        take(JSON.parse(message.data));
        this.#tell(name);
      });
    taken("watch", (watch) => {
      this.watch = watch;
      this.#fetchFrames();
    });
    taken("judged", (judged) => (this.judged = judged));
    taken("proposal", (found) => Object.assign(this, found));
    this.#fetchFrames();
  }

  #fetching = false;

  async #fetchFrames() {
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      while (this.frames.length < this.watch.frames) {
        const before = this.frames;
        const { frames } = await ask(`/api/tracks?from=${before.length}`);
        if (before !== this.frames || !frames.length) break; // watched again meanwhile
        before.push(...frames);
        this.#tell("frames");
      }
    } finally {
      this.#fetching = false;
    }
  }
}

/** One question to the server; what it refuses is thrown, in its own words. */
async function ask(path, method = "GET", body = undefined) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const said = await answer.json().catch(() => ({ words: `${answer.status} ${answer.statusText}` }));
  if (answer.ok) return said;
  throw Object.assign(new Error(said.words), { at: said.at });
}
