// The list of steps beside the picture: which is open, how far each has come, and what the server finds wrong with it.

import { findingIn } from "./findings.js";
import { h, show } from "./markup.js";

const STEPS = ["lanes", "lamps", "ground", "masks", "trial", "saving"];
const SIGNS = { good: "✓", open: "!", free: "○" };
const OF_TABLES = {
  lanes: "lanes",
  signal_groups: "lamps",
  calibration: "ground",
  masks: "masks",
  detector: "masks",
  site: "saving",
};

/** The step that a place in the site file belongs to. */
const stepOf = (place) => OF_TABLES[place.split(".")[0]] ?? "saving";

export class Steps {
  #page;

  constructor(page) {
    this.#page = page;
    for (const step of STEPS) {
      const summary = document.querySelector(`#step-${step} > summary`);
      // The browser would tell of an opened step only later, and a page drawn meanwhile would close it again.
      summary.addEventListener("click", (event) => {
        event.preventDefault();
        page.open(page.step === step ? null : step);
      });
    }
  }

  render() {
    const page = this.#page;
    const { problem, site } = page.store;
    // That there is no lane yet is nobody's mistake.
    const wrong = problem && site.lanes.length ? stepOf(problem.at) : null;
    for (const step of STEPS) {
      const { level, words } =
        step === wrong && step !== "saving" ? { level: "bad", words: page.t("to be mended") } : this.#state(step);
      show(
        document.getElementById(`state-${step}`),
        h("span", { class: `sign ${level}`, "aria-hidden": "true" }, SIGNS[level] ?? "✗"),
        " ",
        words,
      );
      show(document.getElementById(`finding-${step}`), step === wrong && findingIn(page));
      document.getElementById(`step-${step}`).open = page.step === step;
    }
  }

  #state(step) {
    const page = this.#page;
    if (step !== "trial") return page.parts[step].state;
    const { watch, judged } = page.store;
    if (!watch.done) return { level: "free", words: page.t("watching the recording …") };
    const passages = judged?.passages ?? [];
    return { level: passages.length ? "good" : "open", words: this.#counted(passages) };
  }

  #counted(passages) {
    const { t } = this.#page;
    const against = passages.filter(({ verdict }) => verdict === "violation").length;
    return [
      passages.length === 1 ? t("1 passage") : t("{count} passages", { count: passages.length }),
      against === 1 ? t("1 violation") : t("{count} violations", { count: against }),
    ].join(", ");
  }
}
