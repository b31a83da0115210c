// The camera's minute, taken again: for lamps that were wired since, or for want of traffic in it.

import { button } from "./fields.js";
import { seconds } from "./figures.js";
import { h, show } from "./markup.js";

export class Taking {
  #page;
  #place;

  constructor(page, place) {
    this.#page = page;
    this.#place = place;
  }

  render() {
    show(this.#place, this.#page.store.take && this.#told(this.#page.store.take));
  }

  #told({ busy, taken_s, of_s, problem }) {
    const { t, store } = this.#page;
    if (busy) {
      const words = t("The camera is being filmed: {taken} of {whole}.", {
        taken: seconds(taken_s, 0),
        whole: seconds(of_s, 0),
      });
      return h(
        "div",
        { key: "busy", class: "note" },
        h("label", {}, words, h("progress", { max: of_s, value: taken_s })),
      );
    }
    return [
      problem && h("p", { key: "problem", class: "note bad", role: "alert" }, store.why(problem)),
      h("p", { key: "again" }, takeAgain(this.#page)),
    ];
  }
}

/** The button that has another minute taken; what is drawn stays. */
export function takeAgain(page) {
  const { t, store } = page;
  const take = () => store.takeAgain().catch((refusal) => page.say(store.why(refusal)));
  return button(t("Film the camera once more"), take, { key: "take", disabled: store.take?.busy ?? true });
}
