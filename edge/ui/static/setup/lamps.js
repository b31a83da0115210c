// Step 2: signal groups, and where the picture shows their lamps, read live while they are drawn.

import { LampCards } from "./lampcards.js";
import { freeName } from "./names.js";
import { sameHead } from "./proposals.js";

const LAMPS = ["red", "amber", "green"];

export class Lamps {
  #page;
  #cards;
  #drawn = {}; // boxes of lamps that are drawn one after the other

  /** `now_s()` is the instant shown, in the recording's time. */
  constructor(page, place, now_s) {
    this.#page = page;
    this.#cards = new LampCards(page, place, this, now_s);
  }

  get state() {
    const page = this.#page;
    const used = new Set(page.site.lanes.map((lane) => lane.signal_group));
    const dark = page.site.signal_groups.filter((group) => used.has(group.id) && !this.isRead(group));
    if (!page.site.signal_groups.length) return { level: "open", words: page.t("no signal group yet") };
    if (dark.length) {
      const sentence = dark[0].view ? page.t("{group}: no lamp is read", { group: dark[0].id }) : null;
      return { level: "open", words: sentence ?? page.t("{group}: lamps missing", { group: dark[0].id }) };
    }
    const untried = page.store.wires?.unrecorded.find((id) => used.has(id));
    if (untried) return { level: "open", words: page.t("{group}: lamps not tried yet", { group: untried }) };
    return { level: "good", words: page.t("every lane's lamps are known") };
  }

  /** Whether something says what the group shows: its lamps in the picture, wires, or what came with the recording. */
  isRead(group) {
    const known = this.#page.store.judged?.lamps?.[group.id];
    if (group.pins || known?.source === "timeline") return true;
    const nothing = known?.bands.length && known.bands.every(([, , phase]) => phase === "unknown");
    return Boolean(group.view) && !nothing;
  }

  render() {
    this.#cards.render();
  }

  // In the picture

  shapes() {
    const page = this.#page;
    const live = page.step === "lamps" && !page.pen.active;
    const drawn = page.site.signal_groups.flatMap((group, place) =>
      Object.keys(group.view ?? {}).map((key) => this.#shape(group, place, key, live)),
    );
    const ghosts = page.step === "lamps" ? this.#ghosts() : [];
    return [...ghosts, ...drawn];
  }

  #shape(group, place, key, live) {
    const page = this.#page;
    const lamp = key.split("_")[0];
    return page.shapeAt(`signal_groups.${place}.view.${key}`, {
      kind: "box",
      look: `lamp ${lamp}`,
      live,
      chosen: page.step === "lamps" && page.chosenOf("signal_groups") === place,
      label: page.t("{lamp} of {group}", { lamp: this.name(lamp), group: group.id }),
      handles: cornerNames(page),
      caption: page.step === "lamps" && (lamp === "green" || lamp === "head") && group.id,
      choose: () => page.choose("signal_groups", place),
      remove: () => this.removeLamps(place),
    });
  }

  name(lamp) {
    return {
      red: this.#page.t("Red lamp"),
      amber: this.#page.t("Amber lamp"),
      green: this.#page.t("Green lamp"),
      head: this.#page.t("Whole head"),
    }[lamp];
  }

  #ghosts() {
    const box = (place, key, value) => ({ place, kind: "box", value, look: `lamp ${key.split("_")[0]}`, ghost: true });
    const pending = Object.entries(this.#drawn).map(([key, value]) => ({
      ...box(`drawn.${key}`, key, value),
      ghost: false,
    }));
    const proposed = this.untaken().flatMap(({ group, place }) =>
      Object.entries(group.view).map(([key, value]) => box(`proposal.${place}.${key}`, key, value)),
    );
    return [...proposed, ...pending];
  }

  // What can be done

  async drawThree(place) {
    const page = this.#page;
    this.#drawn = {};
    for (const lamp of LAMPS) {
      const words = page.t("{lamp}: drag a box round its lens, as tight as the lens.", { lamp: this.name(lamp) });
      const drawn = await page.draw("box", words, this.#likely(lamp, place));
      if (!drawn) break;
      this.#drawn[`${lamp}_px`] = drawn.value;
    }
    const view = this.#drawn;
    this.#drawn = {};
    if (Object.keys(view).length === LAMPS.length) page.write(`signal_groups.${place}.view`, view);
    page.refresh();
  }

  async drawOne(place, key) {
    const page = this.#page;
    const words =
      key === "head_px"
        ? page.t("Drag a box round the whole signal head.")
        : page.t("{lamp}: drag a box round its lens, as tight as the lens.", { lamp: this.name(key.split("_")[0]) });
    const drawn = await page.draw("box", words, this.#likely(key.split("_")[0], place));
    if (!drawn) return;
    page.edit((site) => {
      const group = site.signal_groups[place];
      if (key === "head_px") group.view = { head_px: drawn.value };
      else group.view = { ...group.view, [key]: drawn.value };
    });
  }

  /** Where a lamp is likely: below the ones that were drawn, as they lie to each other. */
  #likely(lamp, place) {
    const { red_px: red, amber_px: amber } = this.#drawn;
    if (lamp === "amber" && red) return below(red, red[3] - red[1], 1.3);
    if (lamp === "green" && amber) return amber.map((edge, side) => 2 * edge - red[side]);
    const proposed = this.untaken().find((one) => one.for === place) ?? this.untaken()[0];
    if (proposed?.group.view[`${lamp}_px`]) return proposed.group.view[`${lamp}_px`];
    const [left, top, right, bottom] = this.#page.stage.seen;
    const half = (right - left) / 60;
    return [(left + right) / 2 - half, (top + bottom) / 2 - half, (left + right) / 2 + half, (top + bottom) / 2 + half];
  }

  divide(place) {
    const [left, top, right, bottom] = this.#page.site.signal_groups[place].view.head_px;
    const third = (bottom - top) / 3;
    const inset = third * 0.1;
    const view = Object.fromEntries(
      LAMPS.map((lamp, row) => [
        `${lamp}_px`,
        [left, top + row * third + inset, right, top + (row + 1) * third - inset].map(
          (edge) => Math.round(edge * 10) / 10,
        ),
      ]),
    );
    this.#page.write(`signal_groups.${place}.view`, view);
  }

  removeLamps(place) {
    this.#page.edit((site) => delete site.signal_groups[place].view);
  }

  addGroup() {
    const page = this.#page;
    const named = Object.keys(page.store.judged?.lamps ?? {}).find(
      (id) => !page.site.signal_groups.some((group) => group.id === id),
    );
    page.edit((site) => site.signal_groups.push({ id: named ?? freeName(site.signal_groups, "signal") }));
    page.choose("signal_groups", page.site.signal_groups.length - 1);
  }

  /** Lanes that obey no other group go along, but not to a name that another has: whose they are would be lost. */
  rename(place, id) {
    this.#page.edit((site) => {
      const others = site.signal_groups.filter((_, other) => other !== place).map((group) => group.id);
      site.signal_groups[place].id = id;
      if (others.includes(id)) return;
      for (const lane of site.lanes) if (!others.includes(lane.signal_group)) lane.signal_group = id;
    });
  }

  writeAmber(place, value) {
    this.#page.edit((site) => {
      if (value === null) delete site.signal_groups[place].min_amber_s;
      else site.signal_groups[place].min_amber_s = value;
    });
  }

  // What is proposed

  /** Proposed heads that nobody has taken: { group, place, for } (`for`: the drawn group of that name, or -1). */
  untaken() {
    const { site, store } = this.#page;
    const proposed = store.proposal?.signal_groups ?? [];
    return proposed
      .map((group, place) => ({ group, place, for: site.signal_groups.findIndex(({ id }) => id === group.id) }))
      .filter(({ group }) => group.view && !site.signal_groups.some(({ view }) => view && sameHead(view, group.view)));
  }

  take({ group }, place) {
    this.#page.edit((site) => {
      if (place < 0) site.signal_groups.push(structuredClone(group));
      else site.signal_groups[place].view = structuredClone(group.view);
    });
  }
}

export const cornerNames = (page) => [
  page.t("top left corner"),
  page.t("top right corner"),
  page.t("bottom right corner"),
  page.t("bottom left corner"),
];

const below = ([left, top, right, bottom], height, lengths) => [
  left,
  top + lengths * height,
  right,
  bottom + lengths * height,
];
