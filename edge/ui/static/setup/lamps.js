// Step 2: signal groups, and where the picture shows their lamps, read live while they are drawn.

import { button, number, text } from "./fields.js";
import { h, show } from "./markup.js";
import { same } from "./proposals.js";
import { boxAround, cornersOf } from "./plane.js";
import { proposedRow, restsOn } from "./proposed.js";
import { freeName } from "./lanes.js";
import { LampReading, agreement, phaseAt, totals } from "./lampreading.js";

const LAMPS = ["red", "amber", "green"];

export class Lamps {
  #page;
  #place;
  #reading;
  #drawn = {}; // boxes of lamps that are drawn one after the other
  #now_s;

  /** `now_s()` is the instant shown, in the recording's time. */
  constructor(page, place, now_s) {
    this.#page = page;
    this.#place = place;
    this.#now_s = now_s;
    this.#reading = new LampReading(page.store, () => page.refresh());
  }

  get state() {
    const page = this.#page;
    const used = new Set(page.site.lanes.map((lane) => lane.signal_group));
    const dark = page.site.signal_groups.filter((group) => used.has(group.id) && !this.#isRead(group));
    if (!page.site.signal_groups.length) return { level: "open", words: page.t("no signal group yet") };
    if (dark.length) return { level: "open", words: page.t("{group}: lamps missing", { group: dark[0].id }) };
    return { level: "good", words: page.t("every lane's lamps are known") };
  }

  /** Whether something says what the group shows: its lamps in the picture, wires, or what came with the recording. */
  #isRead(group) {
    const source = this.#page.store.judged?.lamps?.[group.id]?.source;
    return Boolean(group.view || group.pins || source === "timeline");
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
      label: page.t("{lamp} of {group}", { lamp: this.#name(lamp), group: group.id }),
      handles: cornerNames(page),
      caption: lamp === "green" || lamp === "head" ? group.id : null,
      choose: () => page.choose("signal_groups", place),
      remove: () => this.#removeLamps(place),
    });
  }

  #name(lamp) {
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
    const proposed = this.#untaken().flatMap(({ group, place }) =>
      Object.entries(group.view).map(([key, value]) => box(`proposal.${place}.${key}`, key, value)),
    );
    return [...proposed, ...pending];
  }

  // What can be done

  async #drawThree(place) {
    const page = this.#page;
    this.#drawn = {};
    for (const lamp of LAMPS) {
      const words = page.t("{lamp}: drag a box round its lens, as tight as the lens.", { lamp: this.#name(lamp) });
      const drawn = await page.draw("box", words, this.#likely(lamp, place));
      if (!drawn) break;
      this.#drawn[`${lamp}_px`] = drawn.value;
    }
    const view = this.#drawn;
    this.#drawn = {};
    if (Object.keys(view).length === LAMPS.length) page.write(`signal_groups.${place}.view`, view);
    page.refresh();
  }

  async #drawOne(place, key) {
    const page = this.#page;
    const words =
      key === "head_px"
        ? page.t("Drag a box round the whole signal head.")
        : page.t("{lamp}: drag a box round its lens, as tight as the lens.", { lamp: this.#name(key.split("_")[0]) });
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
    const proposed = this.#untaken().find((one) => one.for === place) ?? this.#untaken()[0];
    if (proposed?.group.view[`${lamp}_px`]) return proposed.group.view[`${lamp}_px`];
    const [left, top, right, bottom] = this.#page.stage.seen;
    const half = (right - left) / 60;
    return [(left + right) / 2 - half, (top + bottom) / 2 - half, (left + right) / 2 + half, (top + bottom) / 2 + half];
  }

  #divide(place) {
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

  #removeLamps(place) {
    this.#page.edit((site) => delete site.signal_groups[place].view);
  }

  #addGroup() {
    const page = this.#page;
    const named = Object.keys(page.store.judged?.lamps ?? {}).find(
      (id) => !page.site.signal_groups.some((group) => group.id === id),
    );
    page.edit((site) => site.signal_groups.push({ id: named ?? freeName(site.signal_groups, "signal") }));
    page.choose("signal_groups", page.site.signal_groups.length - 1);
  }

  /** Lanes that obey a group go along with its new name. */
  #rename(place, id) {
    this.#page.edit((site) => {
      const before = site.signal_groups[place].id;
      site.signal_groups[place].id = id;
      for (const lane of site.lanes) if (lane.signal_group === before) lane.signal_group = id;
    });
  }

  #writeAmber(place, value) {
    this.#page.edit((site) => {
      if (value === null) delete site.signal_groups[place].min_amber_s;
      else site.signal_groups[place].min_amber_s = value;
    });
  }

  // What is proposed

  /** Proposed heads that nobody has taken: { group, place, for } (`for`: the drawn group of that name, or -1). */
  #untaken() {
    const { site, store } = this.#page;
    const proposed = store.proposal?.signal_groups ?? [];
    return proposed
      .map((group, place) => ({ group, place, for: site.signal_groups.findIndex(({ id }) => id === group.id) }))
      .filter(({ group }) => group.view && !site.signal_groups.some(({ view }) => view && same(view, group.view)));
  }

  // In the list

  render() {
    const page = this.#page;
    show(
      this.#place,
      ...page.site.signal_groups.map((group, place) => this.#card(group, place)),
      !page.site.signal_groups.length && this.#offers(-1),
      h(
        "div",
        { key: "add", class: "row" },
        button(page.t("Add a signal group"), () => this.#addGroup()),
      ),
    );
  }

  #card(group, place) {
    const page = this.#page;
    const chosen = page.chosenOf("signal_groups") === place;
    const head = h(
      "button",
      {
        type: "button",
        class: "card-head",
        "aria-expanded": String(chosen),
        onclick: () => page.choose("signal_groups", place),
      },
      h("span", { class: `swatch phase ${this.#phaseNow(group)}` }),
      h("strong", {}, group.id),
      h("span", { class: "soft" }, this.#isRead(group) ? "" : page.t("lamps missing")),
    );
    return h(
      "section",
      {
        key: `group ${place}`,
        class: `card${chosen ? " chosen" : ""}${page.isWrong(`signal_groups.${place}`) ? " wrong" : ""}`,
      },
      head,
      chosen &&
        h(
          "div",
          { class: "card-body" },
          this.#fields(group, place),
          this.#drawActs(group, place),
          !group.view &&
            h(
              "p",
              { key: "small", class: "soft hint" },
              page.t("Where the lamps are small, zoom in first: with the wheel, two fingers or +."),
            ),
          this.#rests(group),
          this.#read(group),
          this.#offers(place),
        ),
    );
  }

  #fields(group, place) {
    const page = this.#page;
    return h(
      "div",
      { class: "fields" },
      text(page.t("Name"), group.id, (id) => this.#rename(place, id), { maxlength: 64 }),
      number(
        page.t("Shortest lawful amber, in seconds"),
        group.min_amber_s,
        (value) => this.#writeAmber(place, value),
        { optional: true, max: 60 },
      ),
    );
  }

  #drawActs(group, place) {
    const page = this.#page;
    const { view } = group;
    const lanes = page.site.lanes.filter((lane) => lane.signal_group === group.id).length;
    return h(
      "div",
      { class: "row" },
      button(
        view ? page.t("Draw the three lamps anew") : page.t("Draw the three lamps"),
        () => this.#drawThree(place),
        view ? {} : { class: "confirm" },
      ),
      view &&
        !view.head_px &&
        LAMPS.map((lamp) =>
          button(page.t("{lamp} anew", { lamp: this.#name(lamp) }), () => this.#drawOne(place, `${lamp}_px`), {
            key: lamp,
          }),
        ),
      !view && button(page.t("Draw the whole head instead"), () => this.#drawOne(place, "head_px")),
      view?.head_px && button(page.t("Divide it into three lamps"), () => this.#divide(place)),
      view &&
        button(page.t("Look closer"), () => page.stage.closeUp(boxAround(Object.values(view).flatMap(cornersOf))), {
          key: "closer",
        }),
      view && button(page.t("Remove the lamps"), () => this.#removeLamps(place), { class: "quiet" }),
      !lanes &&
        page.site.signal_groups.length > 1 &&
        button(page.t("Remove the signal group"), () => page.edit((site) => site.signal_groups.splice(place, 1)), {
          class: "quiet",
        }),
    );
  }

  #offers(place) {
    const page = this.#page;
    const fitting = this.#untaken().filter((one) => place < 0 || one.for === place || one.for < 0);
    return fitting.map((one) =>
      proposedRow(page, {
        key: `offer ${one.place}`,
        name: page.t("lamps"),
        place: `signal_groups.${one.place}.view`,
        take: () => this.#take(one, place),
      }),
    );
  }

  #take({ group }, place) {
    this.#page.edit((site) => {
      if (place < 0) site.signal_groups.push(structuredClone(group));
      else site.signal_groups[place].view = structuredClone(group.view);
    });
  }

  /** What the lamps rest on, where they are as proposed. */
  #rests(group) {
    const { proposal } = this.#page.store;
    const place = proposal?.signal_groups.findIndex(({ view }) => view && same(view, group.view)) ?? -1;
    return place >= 0 && restsOn(this.#page, `signal_groups.${place}.view`);
  }

  // What the lamps show

  #phaseNow(group) {
    const bands = group.view ? this.#reading.of(group.view).bands : this.#page.store.judged?.lamps?.[group.id]?.bands;
    return phaseAt(bands, this.#now_s()) ?? "unknown";
  }

  #read(group) {
    const page = this.#page;
    const known = page.store.judged?.lamps?.[group.id];
    const timeline = known?.source === "timeline" ? known.bands : null;
    if (!group.view)
      return (
        timeline &&
        h(
          "p",
          { key: "timeline", class: "soft" },
          page.t("What these lamps showed came with the recording. Drawn here, they are compared with it."),
        )
      );
    const { bands, fresh, trouble } = this.#reading.of(group.view);
    if (trouble) return h("p", { class: "bad" }, trouble);
    if (!bands) return h("p", { class: "soft" }, page.t("Reading the lamps …"));
    return h(
      "div",
      { class: `reading${fresh ? "" : " stale"}` },
      h(
        "p",
        { class: "now", "aria-live": "off" },
        page.t("At this instant:"),
        " ",
        h("strong", {}, page.t(`phase ${this.#phaseNow(group)}`)),
      ),
      this.#strip(bands, page.t("Read from the picture")),
      timeline && this.#strip(timeline, page.t("As it came with the recording")),
      h("p", { class: "soft" }, this.#summary(bands, timeline)),
    );
  }

  #summary(bands, timeline) {
    const page = this.#page;
    const { duration_s, first_s } = page.store.video;
    const shares = totals(bands)
      .map(([phase, seconds]) => `${page.t(`phase ${phase}`)} ${seconds.toFixed(0)} s`)
      .join(", ");
    if (!timeline) return page.t("Over the recording: {shares}.", { shares });
    const share = Math.round(100 * agreement(bands, timeline, first_s, first_s + duration_s));
    return `${page.t("Over the recording: {shares}.", { shares })} ${page.t("Agrees with what came with it for {share} % of the time.", { share })}`;
  }

  #strip(bands, label) {
    const { duration_s, first_s } = this.#page.store.video;
    const part = (t_s) => Math.min(Math.max((t_s - first_s) / duration_s, 0), 1) * 100;
    const now = h("span", { key: "now", class: "playhead", style: { left: `${part(this.#now_s())}%` } });
    return h(
      "figure",
      { key: label, class: "strip" },
      h("figcaption", {}, label),
      h(
        "div",
        { class: "bands", "aria-hidden": "true" },
        bands.map(([from_s, to_s, phase], place) =>
          h("span", {
            key: place,
            class: `phase ${phase}`,
            style: { left: `${part(from_s)}%`, width: `${Math.max(part(to_s) - part(from_s), 0)}%` },
          }),
        ),
        now,
      ),
    );
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
