// The card above the steps: how far the recording has been watched, and what the program proposes of it, all at once.

import { button } from "./fields.js";
import { figure } from "./figures.js";
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
    show(
      this.#place,
      watch.problem ? this.#failed(watch) : this.#underWay(watch),
      this.#tooLong(),
      proposal && (isTaken(site, proposal) ? this.#taken() : this.#offered(proposal)),
    );
  }

  #failed({ problem }) {
    return h("p", { key: "failed", class: "note bad", role: "alert" }, this.#page.store.why(problem));
  }

  /** How far the way to a proposal is, and that it led to none. */
  #underWay(watch) {
    const { t, store } = this.#page;
    if (!watch.done) {
      const words = t("The recording is being watched; a proposal follows. You can draw meanwhile.");
      return this.#progress(words, { max: watch.of || store.video.frames || 1, value: watch.frames });
    }
    if (!store.proposed) return this.#progress(t("All is watched; the proposal is being made …"), {});
    return store.proposal ? null : this.#nothing();
  }

  #tooLong() {
    const { t, store } = this.#page;
    const { used_s } = store.video;
    if (!used_s) return null;
    const words = t("Only the first {minutes} minutes of this recording are watched and judged.", {
      minutes: figure(used_s / 60),
    });
    return h("p", { key: "used", class: "note" }, words);
  }

  #progress(words, attributes) {
    return h("div", { key: words, class: "note" }, h("label", {}, words, h("progress", attributes)));
  }

  #offered(proposal) {
    const page = this.#page;
    const lamps = proposal.signal_groups.filter(({ view }) => view).length;
    const what = [
      proposal.lanes.length === 1 ? page.t("1 lane") : page.t("{count} lanes", { count: proposal.lanes.length }),
      lamps ? page.t("the lamps of a signal") : page.t("no lamps"),
    ].join(", ");
    const how = page.t(
      "It is drawn dashed in the picture, and each step says what it rests on. " +
        "Take it, then look at it closely: you answer for it.",
    );
    const drawn = page.site.lanes.length > 0; // then it stands back
    return h(
      "section",
      { key: "offered", class: drawn ? "offering small" : "offering" },
      h("h2", {}, page.t("The program proposes: {what}", { what })),
      !drawn && h("p", {}, how),
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
