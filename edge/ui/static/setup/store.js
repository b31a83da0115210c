// What the page knows: the recording, the site that is being drawn, what was seen and how it is judged.
// Everything else on the page reads from here, asks here for changes and listens; only this module talks to the server.

import { alike } from "./proposals.js";

const RETRY_MS = 2000;

/** The server gave no answer: it has ended or does not know this page (`closed`), or the way to it is cut. */
class Lost extends Error {
  constructor(closed) {
    super("no answer");
    this.closed = closed;
  }
}

/** What the server refuses: in English, with a code and its figures, or with the place of a mistake in the draft. */
class Refused extends Error {
  constructor({ words, ...more }) {
    super(words);
    Object.assign(this, { words, ...more });
  }
}

export class Store extends EventTarget {
  #saying = new Map(); // words of this page in the reader's language
  #wanted = null; // the newest draft that the server has not been asked about
  #asking = null; // a promise while it is being asked
  #written = null; // the draft that the site file holds, where that is known

  connection = "open"; // "lost" while the server does not answer, "closed" where it does not know this page any more
  video = null; // { name, size_px, fps, duration_s, first_s, frames, used_s }
  site = null; // the draft, in the form of the site file
  proposal = null; // a site of the same form, or null until the recording has been watched
  proposed = false; // whether no other proposal is to come
  paths = []; // where vehicles drove that the proposal rests on, each a row of points
  notes = {}; // what each proposed value rests on, by its place: "lanes.0.stop_line_px"
  watch = null; // { run, frames, of, until_s, done, fps, problem }
  judged = null; // { until_s, stale, passages, lamps, grid }
  save = null; // { file, exists, node, saved }
  problem = null; // { at, words } while the draft is none that a node could run with
  take = null; // of a camera: { number, busy, taken_s, of_s, problem }
  wires = null; // on a node: { groups, problem, unrecorded }
  frames = []; // of this run: { t, boxes: [[track, class, x1, y1, x2, y2], …] }, in the order of t

  /** Ask the server for everything once, then listen to it. */
  static async open() {
    const store = new Store();
    const [words, { wanted, ...state }] = await Promise.all([ask("/api/words"), ask("/api/state")]);
    store.#saying = new Map(Object.entries(words));
    Object.assign(store, state);
    const site = wanted ?? state.site; // a draft that was refused is still the draft
    store.site = { ...site, signal_groups: site.signal_groups ?? [], lanes: site.lanes ?? [] };
    if (state.save.saved) store.#written = store.site;
    store.#listen();
    return store;
  }

  /** A sentence in the reader's language, with {name} filled in. */
  t = (english, values = {}) =>
    (this.#saying.get(english) ?? english).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

  /** Whether there are words of its own for a sentence, in this language. */
  knows = (english) => this.#saying.has(english);

  /** Why something did not work; in English behind a lead where there are no words of its own for it. */
  why = (refusal) => {
    if (refusal instanceof Lost) return this.t("The program does not answer.");
    const { code, values, words } = refusal;
    if (this.knows(`refusal ${code}`)) return this.t(`refusal ${code}`, values);
    return this.t("refused: {words}", { words: words ?? String(refusal) });
  };

  /** Whether the site file holds what is drawn. */
  get isSaved() {
    return this.#written !== null && alike(this.site, this.#written);
  }

  /** The draft is now this one. Drawn at once; judged as soon as the server has answered, the newest draft first. */
  change(site) {
    this.site = site;
    this.#tell("site");
    this.#wanted = site;
    this.#judgeWanted();
  }

  /** Once the server knows the draft, or cannot be asked. */
  async settled() {
    await this.#asking;
  }

  /** The painted edge nearest to a line that was drawn, or null. */
  async snap(line) {
    return (await this.#ask("/api/snap", "POST", { line })).line;
  }

  /** What a signal head drawn here shows over the recording: [[from_s, to_s, phase], …]. */
  async lamps(view) {
    return (await this.#ask("/api/lamps", "POST", { view })).bands;
  }

  /** Watch the recording again, with the detector's region as it is drawn now. */
  async watchAgain() {
    this.#follow(await this.#ask("/api/watch", "POST", {}));
    this.#tell("watch");
  }

  /** Have another film of the camera taken; this one stays until that is there. */
  async takeAgain() {
    this.take = await this.#ask("/api/take", "POST", {});
    this.#tell("take");
  }

  /**
   * Write the site file as it is drawn now; where the page was given a node, commission it. Gives { file, commissioned,
   * next }, or null where the draft is none that could be written.
   */
  async write(by) {
    const sent = this.site; // who draws on meanwhile has more than was written
    await this.settled();
    if (this.#wanted) throw new Lost(false);
    if (this.problem) return null;
    const done = await this.#ask("/api/save", "POST", { by, site: sent }).catch((refusal) => {
      if (refusal.code === "changed_meanwhile") this.#written = null;
      throw refusal;
    });
    this.#written = sent;
    this.save = { ...this.save, exists: true };
    this.#tell("saved");
    return done;
  }

  #tell(name) {
    this.dispatchEvent(new CustomEvent(name));
  }

  #judgeWanted() {
    this.#asking ??= this.#judge();
  }

  async #judge() {
    while (this.#wanted) {
      const site = this.#wanted;
      this.#wanted = null;
      try {
        this.judged = await this.#ask("/api/site", "PUT", site);
        this.problem = null;
        this.#tell("judged");
      } catch (refusal) {
        if (refusal instanceof Lost) {
          this.#wanted ??= site; // asked again once the server is back
          break;
        }
        this.problem = { at: refusal.at ?? "", words: refusal.message };
      }
      this.#tell("problem");
    }
    this.#asking = null;
  }

  // What the server tells by itself

  #source = null;

  #listen() {
    this.#source?.close();
    const source = (this.#source = new EventSource("/api/events"));
    const taken = (name, take) =>
      source.addEventListener(name, (message) => {
        take(JSON.parse(message.data));
        this.#tell(name);
      });
    taken("watch", (watch) => this.#follow(watch));
    taken("judged", (judged) => (this.judged = judged));
    taken("proposal", (found) => Object.assign(this, found));
    taken("take", (take) => (this.take = take));
    taken("wires", (wires) => (this.wires = wires));
    source.onopen = () => this.#found();
    source.onerror = () => {
      source.close(); // the way is sought anew by asking, which also tells a server that refuses from none
      this.#lost(false);
    };
    this.#fetchFrames();
  }

  /** How far a watch has come. What was seen in another one goes. */
  #follow(watch) {
    if (watch.run !== this.watch.run) {
      this.frames = [];
      this.#tell("frames");
    }
    this.watch = watch;
    this.#fetchFrames();
  }

  #fetching = false;

  async #fetchFrames() {
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      while (this.frames.length < this.watch.frames && (await this.#fetchSome()));
    } catch (error) {
      if (!(error instanceof Lost)) throw error; // asked again once the server is back
    } finally {
      this.#fetching = false;
    }
  }

  /** Gives whether there may be more to fetch by now. */
  async #fetchSome() {
    const into = this.frames;
    const { run } = this.watch;
    const { frames } = await this.#ask(`/api/tracks?run=${run}&from=${into.length}`);
    if (into !== this.frames) return true; // watched again meanwhile
    into.push(...frames);
    if (frames.length) this.#tell("frames");
    return frames.length > 0;
  }

  // The connection

  async #ask(...question) {
    try {
      return await ask(...question);
    } catch (error) {
      if (error instanceof Lost) this.#lost(error.closed);
      throw error;
    }
  }

  #retrying = false;

  #lost(closed) {
    this.#connected(closed ? "closed" : "lost");
    if (this.#retrying) return;
    this.#retrying = true;
    setTimeout(() => this.#retry(), RETRY_MS);
  }

  async #retry() {
    this.#retrying = false;
    const answer = await this.#ask("/api/tracks?from=999999").catch(() => null); // the least that can be asked
    if (answer) this.#listen();
  }

  /** The server is there, perhaps again: it is asked what it could not be asked meanwhile. */
  #found() {
    this.#connected("open");
    if (this.#wanted) this.#judgeWanted();
  }

  #connected(connection) {
    if (connection === this.connection) return;
    this.connection = connection;
    this.#tell("connection");
  }
}

/** One question to the server. Raises Refused where it says no, Lost where it says nothing. */
async function ask(path, method = "GET", body = undefined) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  const sent = { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
  const answer = await fetch(path, sent).catch(() => {
    throw new Lost(false);
  });
  if (answer.status === 403) throw new Lost(true);
  const said = await answer.json().catch(() => null);
  if (answer.ok && said) return said;
  if (answer.ok) throw new Lost(false); // cut off in the middle
  throw new Refused(said ?? { words: `${answer.status} ${answer.statusText}` });
}
