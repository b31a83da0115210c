// Step 6: who answers for the site, where it is written, and what comes next.

import { button, text } from "./fields.js";
import { findingIn } from "./findings.js";
import { h, show } from "./markup.js";

export class Saving {
  #page;
  #place;
  #by = "";
  #busy = false;
  #done = null; // { file, commissioned }
  #refused = "";

  constructor(page, place) {
    this.#page = page;
    this.#place = place;
    page.store.addEventListener("site", () => (this.#done = null));
  }

  get state() {
    const page = this.#page;
    const { save, problem } = page.store;
    if (problem) return { level: "open", words: page.t("not yet possible") };
    return save.saved ? { level: "good", words: page.t("saved") } : { level: "open", words: page.t("not saved") };
  }

  render() {
    const page = this.#page;
    const { site, store } = page;
    const node = store.save.node;
    show(
      this.#place,
      h(
        "form",
        { class: "fields", onsubmit: (event) => this.#submit(event) },
        text(page.t("Short name of the site"), site.site?.id ?? "", (id) => page.write("site.id", id), {
          maxlength: 64,
        }),
        text(page.t("Its name in full"), site.site?.name ?? "", (name) => this.#name(name), { maxlength: 200 }),
        node &&
          h(
            "label",
            { key: "by" },
            page.t("Who commissions it"),
            h("input", {
              type: "text",
              maxlength: 200,
              required: true,
              autocomplete: "name",
              value: this.#by,
              oninput: (event) => (this.#by = event.target.value),
            }),
          ),
        h("p", { key: "file", class: "soft wide" }, this.#where(store.save)),
        h(
          "button",
          { key: "save", type: "submit", class: "confirm wide", disabled: this.#busy },
          node ? page.t("Save and commission") : page.t("Save"),
        ),
      ),
      store.problem &&
        h("p", { key: "problem", class: "note open" }, page.t("Not yet possible. {words}", { words: findingIn(page) })),
      this.#refused && h("p", { key: "refused", class: "note bad", role: "alert" }, this.#refused),
      this.#done && this.#told(),
    );
  }

  #where({ file, exists }) {
    const page = this.#page;
    return exists
      ? page.t("Writes {file}. Comments in it are kept.", { file })
      : page.t("Writes {file}, a new file.", { file });
  }

  #name(name) {
    this.#page.edit((site) => {
      if (name) site.site.name = name;
      else delete site.site.name;
    });
  }

  async #submit(event) {
    event.preventDefault();
    document.activeElement?.blur(); // so that a half-typed field counts
    this.#busy = true;
    this.#refused = "";
    this.#page.refresh();
    try {
      this.#done = await this.#page.store.write(this.#by.trim());
    } catch (refusal) {
      this.#refused = refusal.message;
    }
    this.#busy = false;
    this.#page.refresh();
  }

  #told() {
    const page = this.#page;
    const { file, commissioned } = this.#done;
    const { store } = page;
    const said = commissioned ? page.t("Commissioned by {by} at {at}.", commissioned) : "";
    const next = store.save.node
      ? page.t("The node may be armed with it: start it with")
      : page.t("Look at the whole recording with it:");
    const command = store.save.node ? `stopline run SOURCE --site ${file} --node node.toml` : this.#replay(file);
    return h(
      "section",
      { key: "done", class: "outcome good", role: "status" },
      h("p", { class: "mark", "aria-hidden": "true" }, "✓"),
      h(
        "div",
        {},
        h("h2", {}, page.t("{file} is written.", { file })),
        h("p", {}, said ? `${said} ` : "", next),
        h("pre", {}, command),
      ),
    );
  }

  /** The command that judges the whole recording by the file, with lamps from where they came from here. */
  #replay(file) {
    const { video, judged } = this.#page.store;
    const recorded = Object.values(judged?.lamps ?? {}).some(({ source }) => source === "timeline");
    return `stopline replay ${video.name} --site ${file} --signal ${recorded ? "lamps.csv" : "view"} --out out`;
  }
}
