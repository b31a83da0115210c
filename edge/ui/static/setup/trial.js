// The trial: the recording played with what was seen in it and how that is judged by the draft. Film, time axis, the
// buttons between them and the list of passages are brought together here.

import { figure, seconds } from "./figures.js";
import { Overlay } from "./overlay.js";
import { Passages } from "./passages.js";
import { Player } from "./player.js";
import { Timeline } from "./timeline.js";
import { Transport } from "./transport.js";
import { verdictWords } from "./verdicts.js";

const BEFORE_S = 1; // how long before a crossing a jump to it leads
const OFTEN_MS = 200;

/** The player, once the trial has been made. */
export let player = null;

/** Make the trial of these elements: film, overlay, transport, timeline and passages. */
export function makeTrial(page, elements) {
  const trial = new Trial(page, elements);
  player = trial.player;
  return trial;
}

class Trial {
  #store;
  #overlay;
  #timeline;
  #passages;
  #transport;
  #news = ""; // the last verdict while playing, for those who do not see the picture
  #before_s = 0; // the time of the picture before
  #wait = new Wait();

  constructor(page, { film, overlay, transport, timeline, passages }) {
    const { store } = page;
    this.#store = store;
    this.#overlay = new Overlay(overlay, store);
    this.player = new Player(film, store, (t_s) => this.#overlay.draw(t_s));
    this.#transport = new Transport(transport, store, this.player, {
      go: (way) => this.#go(way),
      turn: () => this.#turnBoxes(),
      watchAgain: () => page.watchAgain(),
    });
    const jump = (passage) => this.player.seek(passage.t_s - BEFORE_S);
    this.#timeline = new Timeline(timeline, store, this.player, jump);
    this.#passages = new Passages(passages, store, jump, (shows) => this.#timeline.filter(shows));
    this.#listen(overlay);
    this.#drawAll();
  }

  /** Whether vehicles have names in the picture; while somebody draws in it what is drawn has them. */
  name(named) {
    if (named === this.#overlay.named) return;
    this.#overlay.named = named;
    this.#overlay.draw(this.player.time_s);
  }

  #listen(canvas) {
    const { player } = this;
    const on = (source, name, act) => source.addEventListener(name, act);
    on(this.#store, "site", () => {
      this.#wait.asked();
      this.#timeline.draw(); // its lanes may have other names now
    });
    on(this.#store, "problem", () => this.#answered());
    on(this.#store, "connection", () => this.#wait.forget());
    on(this.#store, "judged", () => this.#drawAll());
    for (const name of ["watch", "frames"]) on(this.#store, name, () => this.#drawSoon());
    on(player, "time", () => this.#moved());
    on(player, "state", () => this.#drawTransport());
    on(document, "keydown", (event) => this.#key(event));
    new ResizeObserver(() => {
      this.#overlay.fit();
      this.#overlay.draw(player.time_s);
    }).observe(canvas);
  }

  #drawAll() {
    this.#overlay.draw(this.player.time_s);
    this.#timeline.draw();
    this.#passages.draw();
    this.#drawTransport();
  }

  #soon = false;

  /** News of the watch come often: what they change is drawn a few times a second. */
  #drawSoon() {
    if (this.#soon) return;
    this.#soon = true;
    setTimeout(() => {
      this.#soon = false;
      if (!this.player.playing || this.player.waiting) this.#overlay.draw(this.player.time_s);
      this.#timeline.draw();
      this.#drawTransport();
    }, OFTEN_MS);
  }

  #drawTransport() {
    this.#transport.draw({ news: this.#news, state: this.#stateWords(), boxes: this.#overlay.shown });
  }

  #answered() {
    this.#wait.answered(!this.#store.problem);
    this.#drawTransport();
  }

  #moved() {
    const { time_s, playing } = this.player;
    this.#timeline.move();
    this.#passages.follow(time_s);
    this.#transport.tick();
    if (playing && time_s > this.#before_s && time_s - this.#before_s < BEFORE_S) this.#tell(this.#before_s, time_s);
    else if (time_s !== this.#before_s) this.#say("");
    this.#before_s = time_s;
  }

  /** Say what was passed by between two pictures. */
  #tell(from_s, to_s) {
    const passed = (this.#store.judged?.passages ?? []).filter((one) => from_s < one.t_s && one.t_s <= to_s);
    if (!passed.length) return;
    const { t } = this.#store;
    this.#say(passed.map((one) => `${one.lane}, ${t(one.class)}: ${verdictWords(this.#store, one)}`).join("; "));
  }

  #say(news) {
    if (news === this.#news) return;
    this.#news = news;
    this.#drawTransport();
  }

  #stateWords() {
    const { t, watch } = this.#store;
    if (watch.problem) return ""; // said above the steps
    if (this.player.waiting) return t("waits for the detector");
    if (!watch.done) {
      const [seen, all] = [seconds(watch.until_s, 1), seconds(this.player.last_s, 1)];
      return t("watched {seen} of {all}", { seen, all });
    }
    return this.#wait.took_ms === null ? "" : t("judged again in {time} ms", { time: figure(this.#wait.took_ms, 0) });
  }

  #turnBoxes() {
    this.#overlay.shown = !this.#overlay.shown;
    this.#overlay.draw(this.player.time_s);
    this.#drawTransport();
  }

  /** To the next passage (1) or the one before (-1) of those that the filter lets through. */
  #go(way) {
    const starts = this.#passages.shown.map((one) => Math.max(one.t_s - BEFORE_S, this.player.first_s));
    const { time_s } = this.player;
    const there = way > 0 ? starts.find((one) => one > time_s + 0.1) : starts.findLast((one) => one < time_s - 0.1);
    if (there !== undefined) this.player.seek(there);
  }

  #key(event) {
    if (event.defaultPrevented || event.ctrlKey !== event.getModifierState("AltGraph") || event.metaKey) return;
    const act = this.#keys[event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key];
    if (!act || isTaken(event)) return;
    event.preventDefault();
    act();
  }

  #keys = {
    " ": () => this.player.toggle(),
    ArrowLeft: () => this.player.step(-1),
    ArrowRight: () => this.player.step(1),
    "Shift+ArrowLeft": () => this.player.seek(this.player.time_s - 1),
    "Shift+ArrowRight": () => this.player.seek(this.player.time_s + 1),
    n: () => this.#go(1),
    p: () => this.#go(-1),
    "[": () => this.player.shift(-1),
    "]": () => this.player.shift(1),
  };
}

/** How long the server takes to judge anew: from the change of a draft to the verdicts on that one. */
class Wait {
  #asked_ms = null;
  #next_ms = null; // of a draft that came meanwhile; of many the newest is judged
  took_ms = null;

  asked() {
    const now_ms = performance.now();
    if (this.#asked_ms === null) this.#asked_ms = now_ms;
    else this.#next_ms = now_ms;
  }

  answered(well) {
    if (this.#asked_ms === null) return;
    this.took_ms = well ? performance.now() - this.#asked_ms : null;
    this.#asked_ms = this.#next_ms;
    this.#next_ms = null;
  }

  /** The connection came or went: how long that took says nothing of the server. */
  forget() {
    this.#asked_ms = this.#next_ms = this.took_ms = null;
  }
}

const TAKERS = "input, textarea, select, [contenteditable], #stage [tabindex], [role=slider], [role=tab]";

/** Whether the key means something to what has the focus: a handle in the drawing, a field, a button. */
function isTaken({ key, target }) {
  if (target.closest(".axis")) return false;
  if (target.closest(TAKERS)) return true;
  return key === " " && target.closest("button, a, summary, [role=button]") !== null;
}
