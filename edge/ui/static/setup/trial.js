// The trial: the recording played with what was seen in it and how that is judged by the draft. Film, time axis, the
// buttons between them and the list of passages are brought together here.

import { h, show } from "./markup.js";
import { Overlay } from "./overlay.js";
import { Passages } from "./passages.js";
import { Player } from "./player.js";
import { Timeline } from "./timeline.js";
import { seconds, verdictWords } from "./verdicts.js";

const BEFORE_S = 1; // how long before a crossing a jump to it leads

/** The player, once the trial has been made. */
export let player = null;

/** Make the trial of these elements: film, overlay, transport, timeline and passages. */
export function makeTrial(store, elements) {
  const trial = new Trial(store, elements);
  player = trial.player;
  return trial;
}

class Trial {
  #store;
  #overlay;
  #timeline;
  #passages;
  #transport;
  #clock = null; // where the time is written
  #news = ""; // the last verdict while playing, for those who do not see the picture
  #before_s = 0; // the time of the picture before
  #wait = new Wait();

  constructor(store, { film, overlay, transport, timeline, passages }) {
    this.#store = store;
    this.#transport = transport;
    this.#overlay = new Overlay(overlay, store);
    this.player = new Player(film, store, (t_s) => this.#overlay.draw(t_s));
    const jump = (passage) => this.player.seek(passage.t_s - BEFORE_S);
    this.#timeline = new Timeline(timeline, store, this.player, jump);
    this.#passages = new Passages(passages, store, jump, (shows) => this.#timeline.filter(shows));
    this.#listen(overlay);
    this.#drawAll();
  }

  #listen(canvas) {
    const { player } = this;
    const on = (source, name, act) => source.addEventListener(name, act);
    on(this.#store, "site", () => {
      this.#wait.asked();
      this.#timeline.draw(); // its lanes may have other names now
    });
    on(this.#store, "problem", () => this.#answered());
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
    }, 200);
  }

  #answered() {
    this.#wait.answered(!this.#store.problem);
    this.#drawTransport();
  }

  #moved() {
    const { time_s, playing } = this.player;
    this.#timeline.move();
    this.#passages.follow(time_s);
    this.#clock.textContent = this.#timeWords();
    if (playing && time_s > this.#before_s && time_s - this.#before_s < BEFORE_S) this.#tell(this.#before_s, time_s);
    else if (time_s !== this.#before_s) this.#say("");
    this.#before_s = time_s;
  }

  /** Say what was passed by between two pictures. */
  #tell(from_s, to_s) {
    const passed = (this.#store.judged?.passages ?? []).filter((one) => from_s < one.t_s && one.t_s <= to_s);
    if (!passed.length) return;
    const { t } = this.#words;
    this.#say(passed.map((one) => `${one.lane}, ${t(one.class)}: ${verdictWords(this.#store, one)}`).join("; "));
  }

  #say(news) {
    if (news === this.#news) return;
    this.#news = news;
    this.#drawTransport();
  }

  #timeWords() {
    return `${seconds(this.player.time_s)} / ${seconds(this.player.last_s)}`;
  }

  #drawTransport() {
    const { t } = this.#words;
    const { player } = this;
    show(
      this.#transport,
      h(
        "div",
        { class: "transport", role: "group", "aria-label": t("Player") },
        button("before", t("Passage before (p)"), () => this.#go(-1), "M3 3H5V13H3ZM14 3V13L6 8Z"),
        button(
          "play",
          player.playing ? t("Pause (space)") : t("Play (space)"),
          () => player.toggle(),
          player.playing ? "M3 3H7V13H3ZM9 3H13V13H9Z" : "M4 2.5 13.5 8 4 13.5Z",
        ),
        button("next", t("Next passage (n)"), () => this.#go(1), "M11 3H13V13H11ZM2 3V13L10 8Z"),
        h("span", { class: "clock", key: "clock" }, this.#timeWords()),
        h(
          "select",
          {
            key: "speed",
            "aria-label": t("Speed ([ and ])"),
            value: player.speed,
            onchange: (event) => player.setSpeed(Number(event.target.value)),
          },
          player.speeds.map((one) =>
            h("option", { value: one }, `${one.toLocaleString(document.documentElement.lang)} ×`),
          ),
        ),
        h(
          "button",
          {
            key: "boxes",
            type: "button",
            "aria-pressed": String(this.#overlay.shown),
            onclick: () => this.#turnBoxes(),
          },
          t("Boxes"),
        ),
        h("span", { class: "state", key: "state" }, this.#stateWords()),
      ),
      h("p", { class: "news", key: "news", "aria-live": "polite" }, this.#news),
      this.#staleness(),
    );
    this.#clock = this.#transport.querySelector(".clock").firstChild;
  }

  #stateWords() {
    const { t } = this.#words;
    const { watch } = this.#store;
    if (watch?.problem) return watch.problem;
    if (this.player.waiting) return t("waits for the detector");
    if (watch && !watch.done) {
      const [seen, all] = [seconds(watch.until_s, 1), seconds(this.player.last_s, 1)];
      return t("watched {seen} of {all}", { seen, all });
    }
    return this.#wait.took_ms === null ? "" : t("judged again in {time} ms", { time: Math.round(this.#wait.took_ms) });
  }

  #staleness() {
    const { t } = this.#words;
    if (!this.#store.judged?.stale) return null;
    return h(
      "p",
      { class: "stale", key: "stale" },
      t("The detector's region is another now than when the recording was watched."),
      h("button", { type: "button", onclick: () => this.#store.watchAgain() }, t("Watch again")),
    );
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

  get #words() {
    return { t: (english, values) => this.#store.t(english, values) };
  }
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
}

/** Whether the key means something to what has the focus: a handle in the drawing, a field, a button. */
function isTaken({ key, target }) {
  if (target.closest(".axis")) return false;
  if (target.closest("input, textarea, select, [contenteditable], #stage [tabindex], [role=slider], [role=tab]"))
    return true;
  return key === " " && target.closest("button, a, summary, [role=button]") !== null;
}

function button(key, name, onclick, path) {
  return h(
    "button",
    { key, type: "button", class: "icon", "aria-label": name, title: name, onclick },
    h("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, h("path", { d: path })),
  );
}
