// What the player is worked with: to passages and back, play and pause, speed, and what is to be told meanwhile.

import { button, signButton } from "./fields.js";
import { figure, seconds } from "./figures.js";
import { h, show } from "./markup.js";

const BEFORE = "M3 3H5V13H3ZM14 3V13L6 8Z";
const PLAY = "M4 2.5 13.5 8 4 13.5Z";
const PAUSE = "M3 3H7V13H3ZM9 3H13V13H9Z";
const NEXT = "M11 3H13V13H11ZM2 3V13L10 8Z";

export class Transport {
  #element;
  #store;
  #player;
  #does;
  #clock = null; // where the time is written

  /** `does.go(way)` goes to the next passage (1) or the one before (-1), `does.turn()` has boxes drawn or not. */
  constructor(element, store, player, does) {
    this.#element = element;
    this.#store = store;
    this.#player = player;
    this.#does = does;
  }

  /** `news` is the last verdict while playing, `state` what else there is to say, `boxes` whether they are drawn. */
  draw({ news, state, boxes }) {
    const { t, judged } = this.#store;
    show(
      this.#element,
      h(
        "div",
        { class: "transport", role: "group", "aria-label": t("Player") },
        this.#steps(),
        h("span", { class: "clock", key: "clock" }, this.#time),
        this.#speeds(),
        button(t("Boxes"), this.#does.turn, { key: "boxes", "aria-pressed": String(boxes) }),
        h("p", { class: "news", key: "news", "aria-live": "polite" }, news),
        h("span", { class: "state", key: "state" }, news ? "" : state),
      ),
      judged?.stale && this.#otherRegion(),
    );
    this.#clock = this.#element.querySelector(".clock").firstChild;
  }

  /** Only the time has gone on. */
  tick() {
    this.#clock.textContent = this.#time;
  }

  get #time() {
    return `${seconds(this.#player.time_s)} / ${seconds(this.#player.last_s)}`;
  }

  #steps() {
    const { t } = this.#store;
    const { playing } = this.#player;
    const turn = playing ? t("Pause (space)") : t("Play (space)");
    return [
      signButton(t("Passage before (p)"), () => this.#does.go(-1), BEFORE, { key: "before" }),
      signButton(turn, () => this.#player.toggle(), playing ? PAUSE : PLAY, { key: "play" }),
      signButton(t("Next passage (n)"), () => this.#does.go(1), NEXT, { key: "next" }),
    ];
  }

  #speeds() {
    const player = this.#player;
    const attributes = {
      key: "speed",
      "aria-label": this.#store.t("Speed ([ and ])"),
      value: player.speed,
      onchange: (event) => player.setSpeed(Number(event.target.value)),
    };
    const options = player.speeds.map((speed) => h("option", { value: speed }, `${figure(speed)} ×`));
    return h("select", attributes, options);
  }

  #otherRegion() {
    const { t } = this.#store;
    return h(
      "p",
      { class: "other-region", key: "other region" },
      t("The detector's region is another now than when the recording was watched."),
      button(t("Watch again"), this.#does.watchAgain),
    );
  }
}
