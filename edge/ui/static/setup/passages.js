// The list of passages: what the drawings in the film and on the time axis say, in words, each with a jump to it.

import { seconds } from "./figures.js";
import { h, show } from "./markup.js";
import { iconOf, VERDICTS } from "./verdicts.js";

export class Passages {
  #element;
  #store;
  #jump;
  #filtered;
  #only = ""; // the verdict that is shown, all where empty
  #now = null; // the passage that the player is at

  /** `jump(passage)` goes to a passage; `filtered(shows)` is told what the filter lets through. */
  constructor(element, store, jump, filtered) {
    this.#element = element;
    this.#store = store;
    this.#jump = jump;
    this.#filtered = filtered;
  }

  /** Those that the filter lets through, in the order of their times. */
  get shown() {
    const all = this.#store.judged?.passages ?? [];
    return all.filter((one) => this.#shows(one)).sort((a, b) => a.t_s - b.t_s);
  }

  draw() {
    const passages = this.shown;
    show(
      this.#element,
      this.#filter(),
      passages.length ? null : this.#none(),
      h(
        "ol",
        { class: "passages", key: "list" },
        passages.map((one) => this.#row(one)),
      ),
    );
  }

  /** Mark the last passage before this instant, and bring it into the list's sight. */
  follow(t_s) {
    const now = this.shown.findLast((one) => one.t_s <= t_s) ?? null;
    if (keyOf(now) === keyOf(this.#now)) return;
    this.#now = now;
    this.draw();
    const list = this.#element.querySelector("ol");
    const row = list.querySelector('[aria-current="true"]');
    if (row) list.scrollTop = row.offsetTop - list.offsetTop - list.clientHeight / 2;
  }

  #shows(passage) {
    return !this.#only || passage.verdict === this.#only;
  }

  #filter() {
    const { t } = this.#store;
    const counts = new Map();
    for (const { verdict } of this.#store.judged?.passages ?? []) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
    const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const options = VERDICTS.filter((one) => counts.has(one) || one === this.#only);
    return h(
      "label",
      { key: "filter" },
      t("Verdict"),
      h(
        "select",
        { onchange: (event) => this.#choose(event.target.value), value: this.#only },
        h("option", { value: "" }, `${t("all")} (${all})`),
        options.map((one) => h("option", { key: one, value: one }, `${t(`verdict ${one}`)} (${counts.get(one) ?? 0})`)),
      ),
    );
  }

  #choose(verdict) {
    this.#only = verdict;
    this.draw();
    this.#filtered((passage) => this.#shows(passage));
  }

  #none() {
    const { t } = this.#store;
    const done = this.#store.watch?.done;
    const said = done ? t("No vehicle crossed a stop line.") : t("No vehicle has crossed a stop line yet.");
    return h("p", { class: "none", key: "none" }, said);
  }

  #row(passage) {
    const { t } = this.#store;
    const isNow = keyOf(this.#now) === keyOf(passage);
    return h(
      "li",
      { key: keyOf(passage) },
      h(
        "button",
        { type: "button", "aria-current": isNow && "true", onclick: () => this.#jump(passage) },
        h("span", { class: "at" }, seconds(passage.t_s)),
        h("span", { class: "verdict" }, iconOf(passage.verdict), t(`verdict ${passage.verdict}`)),
        h("span", { class: "more" }, [passage.lane, t(passage.class), ...this.#more(passage)].join(" · ")),
      ),
    );
  }

  /** Red time, fault and doubts, as far as there are any. */
  #more({ red_s, red_at_least_s, fault, doubts, confirm_s }) {
    const { t } = this.#store;
    return [
      red_s === null ? null : t("red for {time}", { time: seconds(red_s) }),
      red_at_least_s === null ? null : t("at least {time}", { time: seconds(red_at_least_s) }),
      fault && t(`fault ${fault}`),
      confirm_s === null ? t("did not reach the confirm line in time") : null,
      ...doubts.map((doubt) => t(`doubt ${doubt}`)),
    ].filter(Boolean);
  }
}

/** What tells a passage from the others, before and after a change of the draft: a track crosses a lane's line once. */
const keyOf = (passage) => passage && `${passage.lane} ${passage.track}`;
