// Step 6: who answers for the site, where it is written, and what comes next.

import { button, text } from "./fields.js";
import { findingIn } from "./findings.js";
import { h, show } from "./markup.js";

export class Saving {
  #page;
  #place;
  #by = "";
  #busy = false;
  #tried = false; // to save what cannot be saved
  #done = null; // { file, commissioned, next }
  #refused = "";

  constructor(page, place) {
    this.#page = page;
    this.#place = place;
    page.store.addEventListener("site", () => {
      this.#tried = false;
      if (!this.#busy) this.#done = null;
    });
  }

  get state() {
    const { t, store } = this.#page;
    if (store.problem) return { level: "open", words: t("not yet possible") };
    return store.isSaved ? { level: "good", words: t("saved") } : { level: "open", words: t("not saved") };
  }

  render() {
    const { store } = this.#page;
    show(
      this.#place,
      h("form", { class: "fields", onsubmit: (event) => this.#submit(event) }, this.#fields(), this.#button()),
      store.problem && this.#impossible(),
      this.#refused && h("p", { key: "refused", class: "note bad", role: "alert" }, this.#refused),
      this.#done && this.#told(this.#done),
    );
  }

  #fields() {
    const page = this.#page;
    const { t, site, store } = page;
    const write = (id) => page.write("site.id", id);
    return [
      text(t("Short name of the site"), site.site?.id ?? "", write, { maxlength: 64 }),
      text(t("Its name in full"), site.site?.name ?? "", (name) => this.#name(name), { maxlength: 200 }),
      store.save.node && this.#who(),
      h("p", { key: "file", class: "soft wide" }, this.#where(store.save)),
    ];
  }

  #who() {
    const field = {
      type: "text",
      maxlength: 200,
      required: true,
      autocomplete: "name",
      value: this.#by,
      oninput: (event) => (this.#by = event.target.value),
    };
    return h("label", { key: "by" }, this.#page.t("Who commissions it"), h("input", field));
  }

  #where({ file, exists }) {
    const { t } = this.#page;
    return exists ? t("Writes {file}. Comments in it are kept.", { file }) : t("Writes {file}, a new file.", { file });
  }

  #button() {
    const { t, store } = this.#page;
    const words = store.save.node ? t("Save and commission") : t("Save");
    const busy = store.save.node ? t("Saving and commissioning …") : t("Saving …");
    return button(this.#busy ? busy : words, null, {
      key: "save",
      type: "submit",
      class: "confirm wide",
      disabled: this.#busy,
    });
  }

  /** Told anew, as an alert, to whoever tries all the same. */
  #impossible() {
    const words = this.#page.t("Not yet possible. {words}", { words: findingIn(this.#page) });
    if (this.#tried) return h("p", { key: "impossible", class: "note bad", role: "alert" }, words);
    return h("p", { key: "not yet", class: "note open" }, words);
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
      this.#tried = this.#done === null;
    } catch (refusal) {
      this.#refused = this.#page.store.why(refusal);
    }
    this.#busy = false;
    this.#page.refresh();
  }

  #told({ file, commissioned, next }) {
    const { t, store } = this.#page;
    return h(
      "section",
      { key: "done", class: "outcome good", role: "status" },
      h("p", { class: "mark", "aria-hidden": "true" }, "✓"),
      h(
        "div",
        {},
        h("h2", {}, t("{file} is written.", { file })),
        commissioned && h("p", { key: "by" }, t("Commissioned by {by} at {at}.", commissioned)),
        !store.isSaved && h("p", { key: "more" }, t("What was changed meanwhile is not in it: save once more.")),
        next && this.#next(next),
      ),
    );
  }

  #next({ what, command }) {
    const { t } = this.#page;
    const words = {
      run: t("The node may be armed with it: start it with"),
      replay: t("Look at the whole recording with it:"),
    };
    return [h("p", { key: "next" }, words[what]), h("pre", { key: "command" }, command)];
  }
}
