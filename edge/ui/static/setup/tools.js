// The tools above the picture, the bar that says what is being asked for, and the keys that work everywhere on the
// page.

import { button } from "./fields.js";
import { figure } from "./figures.js";
import { h, show } from "./markup.js";

const CLOSER = 1.5;

export class Tools {
  #page;
  #bar;
  #asking;

  constructor(page, bar, asking) {
    this.#page = page;
    this.#bar = bar;
    this.#asking = asking;
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  render() {
    const page = this.#page;
    const { history, stage } = page;
    const tool = (sign, words, keys, act, disabled = false) =>
      button([h("span", { "aria-hidden": "true" }, sign)], act, {
        key: words,
        class: "tool",
        "aria-label": words,
        title: `${words} (${keys})`,
        "aria-disabled": String(disabled),
        "aria-keyshortcuts": keys,
      });
    show(
      this.#bar,
      tool("↶", page.t("Undo"), "Control+Z", () => page.undo(), !history.canUndo && !page.pen.active),
      tool("↷", page.t("Redo"), "Control+Shift+Z", () => page.redo(), !history.canRedo),
      h("span", { key: "gap", class: "gap" }),
      tool("−", page.t("Zoom out"), "-", () => stage.zoomBy(1 / CLOSER), stage.scale <= 1),
      h("span", { key: "scale", class: "scale" }, `${figure(100 * stage.scale, 0)} %`),
      tool("+", page.t("Zoom in"), "+", () => stage.zoomBy(CLOSER)),
      tool("⤢", page.t("The whole picture"), "0", () => stage.whole(), stage.scale <= 1),
    );
    show(this.#asking, ...this.#asked());
  }

  /** What is asked for or offered, with the buttons that answer it. */
  #asked() {
    const { pen, offer, said, t } = this.#page;
    const words = [pen.active && pen.words, offer && t("A painted edge was found here.")].filter(Boolean);
    return [
      h("p", { key: "words", role: "status" }, words.length ? words.join(" ") : said),
      offer && button(t("Snap to it (Enter)"), () => this.#page.takeOffer(), { key: "snap", class: "confirm" }),
      offer && button(t("Leave it"), () => this.#page.dismissOffer(), { key: "leave" }),
      pen.active &&
        pen.suggestion &&
        !pen.started &&
        !offer &&
        button(t("Put it as shown (Enter)"), () => pen.accept(), { key: "accept" }),
      pen.active && button(t("Cancel (Esc)"), () => pen.giveUp(), { key: "cancel" }),
    ];
  }

  #key(event) {
    if (event.target.closest("input, select, textarea") || event.altKey) return;
    const act = event.ctrlKey || event.metaKey ? this.#withControl(event) : this.#plain(event);
    if (!act) return;
    event.preventDefault();
    act();
  }

  #withControl(event) {
    const key = event.key.toLowerCase();
    if (key === "y" || (key === "z" && event.shiftKey)) return () => this.#page.redo();
    return key === "z" ? () => this.#page.undo() : null;
  }

  #plain({ key, target }) {
    const { stage, pen, offer } = this.#page;
    if (key === "+" || key === "=") return () => stage.zoomBy(CLOSER);
    if (key === "-") return () => stage.zoomBy(1 / CLOSER);
    if (key === "0") return () => stage.whole();
    if (key === "Escape") return offer ? () => this.#page.dismissOffer() : pen.active ? () => pen.giveUp() : null;
    if (key !== "Enter" || target.closest("button, summary, a")) return null;
    if (offer) return () => this.#page.takeOffer();
    return pen.active && !pen.started ? () => pen.accept() : null;
  }
}
