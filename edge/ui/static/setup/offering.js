// The card above the steps: how far the recording has been watched, and what the program proposes of it, all at once.

import { button } from "./fields.js";
import { h, show } from "./markup.js";
import { isTaken, takeAll } from "./proposals.js";

export class Offering {
  #page;
  #place;

  constructor(page, place) {
    this.#page = page;
    this.#place = place;
  }

  render() {
    const { watch, proposal, site } = this.#page.store;
    const words = [
      this.#watched(watch),
      proposal && (isTaken(site, proposal) ? this.#taken() : this.#offered(proposal)),
    ];
    show(this.#place, ...words, watch.done && !watch.problem && !proposal && this.#nothing());
  }

  #watched(watch) {
    const page = this.#page;
    if (watch.problem) return h("p", { key: "watch", class: "note bad", role: "alert" }, watch.problem);
    if (watch.done) return null;
    const of = watch.of ?? page.store.video.frames ?? 0;
    return h(
      "div",
      { key: "watch", class: "note" },
      h(
        "label",
        {},
        page.t("The recording is being watched; a proposal follows. You can draw meanwhile."),
        h("progress", { max: of || 1, value: watch.frames }),
      ),
    );
  }

  #offered(proposal) {
    const page = this.#page;
    const lamps = proposal.signal_groups.filter(({ view }) => view).length;
    const what = [
      proposal.lanes.length === 1 ? page.t("1 lane") : page.t("{count} lanes", { count: proposal.lanes.length }),
      lamps ? page.t("the lamps of a signal") : page.t("no lamps"),
    ].join(", ");
    const drawn = page.site.lanes.length > 0; // then it stands back
    return h(
      "section",
      { key: "offered", class: drawn ? "offering small" : "offering" },
      h("h2", {}, page.t("The program proposes: {what}", { what })),
      !drawn &&
        h(
          "p",
          {},
          page.t(
            "It is drawn dashed in the picture, and each step says what it rests on. Take it, then look at it closely: you answer for it.",
          ),
        ),
      button(page.t("Take the proposal"), () => this.#take(proposal), { key: "take", class: drawn ? "" : "confirm" }),
    );
  }

  #take(proposal) {
    const page = this.#page;
    page.edit((site) => Object.assign(site, structuredClone(takeAll(site, proposal))));
    page.say(page.t("The proposal is taken: Undo brings back what was there."));
  }

  #taken() {
    return h(
      "p",
      { key: "taken", class: "note good" },
      this.#page.t("The proposal is taken. Check each step, try it, then save."),
    );
  }

  #nothing() {
    return h(
      "p",
      { key: "nothing", class: "note" },
      this.#page.t("Too few vehicles were seen to propose anything: draw the lanes by hand."),
    );
  }
}
