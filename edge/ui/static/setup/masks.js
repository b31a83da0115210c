// Step 4: what no evidence may show, and the part of the picture that the detector is given.

import { button, text } from "./fields.js";
import { h, show } from "./markup.js";
import { cornerNames } from "./lamps.js";
import { same } from "./proposals.js";
import { proposedRow } from "./proposed.js";

export class Masks {
  #page;
  #place;

  constructor(page, place) {
    this.#page = page;
    this.#place = place;
  }

  get state() {
    const page = this.#page;
    const count = page.site.masks?.length ?? 0;
    if (page.store.judged?.stale) return { level: "open", words: page.t("region changed: watch again") };
    if (!count) return { level: "free", words: page.t("none; may be left out") };
    return { level: "good", words: count === 1 ? page.t("1 mask") : page.t("{count} masks", { count }) };
  }

  // In the picture

  shapes() {
    const page = this.#page;
    const live = page.step === "masks" && !page.pen.active;
    const masks = (page.site.masks ?? []).map((mask, place) =>
      page.shapeAt(`masks.${place}.region_px`, {
        kind: "box",
        look: "mask",
        live,
        chosen: live && page.chosenOf("masks") === place,
        handles: cornerNames(page),
        label: page.t("Mask {number}", { number: place + 1 }),
        caption: page.step === "masks" && (mask.why || page.t("Mask {number}", { number: place + 1 })),
        choose: () => page.choose("masks", place),
        remove: () => this.#remove(place),
      }),
    );
    return [...this.#region(live), ...masks];
  }

  #region(live) {
    const page = this.#page;
    const proposed = page.store.proposal?.detector?.region_px;
    const ghost = page.step === "masks" && proposed && !same(proposed, page.site.detector?.region_px);
    return [
      ghost && { place: "proposal.detector", kind: "box", value: proposed, look: "region", ghost: true },
      page.site.detector?.region_px &&
        page.shapeAt("detector.region_px", {
          kind: "box",
          look: "region",
          live,
          chosen: live,
          hollow: true,
          label: page.t("What the detector looks at"),
          handles: cornerNames(page),
          remove: () => this.#removeRegion(),
        }),
    ].filter(Boolean);
  }

  // What can be done

  async add() {
    const page = this.#page;
    const drawn = await page.draw(
      "box",
      page.t("Drag a box over what no evidence may show: a window, a garden, a door."),
      this.#middle(0.1),
    );
    if (!drawn) return;
    page.edit((site) => (site.masks ??= []).push({ region_px: drawn.value }));
    page.choose("masks", page.site.masks.length - 1);
  }

  async #drawRegion() {
    const page = this.#page;
    const words = page.t(
      "Drag a box round the lanes: from two vehicle lengths before the stop line to the confirm line.",
    );
    const drawn = await page.draw("box", words, page.store.proposal?.detector?.region_px ?? this.#middle(0.5));
    if (drawn) page.write("detector.region_px", drawn.value);
  }

  #middle(share) {
    const [left, top, right, bottom] = this.#page.stage.seen;
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    const [width, height] = [((right - left) * share) / 2, ((bottom - top) * share) / 2];
    return [x - width, y - height, x + width, y + height];
  }

  #remove(place) {
    this.#page.edit((site) => {
      site.masks.splice(place, 1);
      if (!site.masks.length) delete site.masks;
    });
  }

  #removeRegion() {
    this.#page.edit((site) => delete site.detector);
  }

  #sayWhy(place, why) {
    this.#page.edit((site) => {
      if (why) site.masks[place].why = why;
      else delete site.masks[place].why;
    });
  }

  // In the list

  render() {
    const page = this.#page;
    show(
      this.#place,
      h("p", { class: "soft" }, page.t("A mask is black in every picture that the node keeps or sends.")),
      (page.site.masks ?? []).map((mask, place) => this.#row(mask, place)),
      h(
        "div",
        { key: "add", class: "row" },
        button(page.t("Add a mask"), () => this.add(), { class: "confirm" }),
      ),
      h("h2", { class: "sub" }, page.t("What the detector looks at")),
      this.#regionRow(),
    );
  }

  #row(mask, place) {
    const page = this.#page;
    const chosen = page.chosenOf("masks") === place;
    return h(
      "div",
      {
        key: `mask ${place}`,
        class: `card flat${chosen ? " chosen" : ""}${page.isWrong(`masks.${place}`) ? " wrong" : ""}`,
        onfocusin: () => page.choose("masks", place),
      },
      text(page.t("Mask {number}: why", { number: place + 1 }), mask.why ?? "", (why) => this.#sayWhy(place, why), {
        maxlength: 200,
      }),
      button(page.t("Remove the mask"), () => this.#remove(place), { class: "quiet" }),
    );
  }

  #regionRow() {
    const { t, site } = this.#page;
    const region = site.detector?.region_px;
    const words = region
      ? t("Only this part of the picture: vehicles look larger in it.")
      : t("The whole picture. In a smaller part vehicles look larger, which helps with a wide view.");
    return h(
      "div",
      { class: "region-row" },
      h("p", { class: "soft" }, words),
      h(
        "div",
        { class: "row" },
        button(region ? t("Draw the part anew") : t("Draw a part"), () => this.#drawRegion()),
        region && button(t("Take the whole picture"), () => this.#removeRegion(), { class: "quiet" }),
      ),
      this.#proposedRegion(region),
      this.#otherRegion(),
    );
  }

  #proposedRegion(region) {
    const page = this.#page;
    const proposed = page.store.proposal?.detector?.region_px;
    if (!proposed || same(proposed, region)) return null;
    return proposedRow(page, {
      key: "proposed",
      name: page.t("this part"),
      place: "detector.region_px",
      take: () => page.write("detector.region_px", proposed),
    });
  }

  /** What is judged was watched with another region. */
  #otherRegion() {
    const page = this.#page;
    if (!page.store.judged?.stale) return null;
    const words = page.t(
      "The recording was watched with another part. What is judged rests on that until it is watched again.",
    );
    return h(
      "div",
      { class: "difference" },
      h("p", {}, words),
      button(page.t("Watch again"), () => page.watchAgain()),
    );
  }
}
