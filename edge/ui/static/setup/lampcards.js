// The list of signal groups in step 2: a card a group, with what its lamps show over the recording as they are drawn.

import { card } from "./cards.js";
import { button, number, text } from "./fields.js";
import { figure, seconds } from "./figures.js";
import { LampReading, agreement, phaseAt, totals } from "./lampreading.js";
import { h, show } from "./markup.js";
import { boxAround, cornersOf } from "./plane.js";
import { same } from "./proposals.js";
import { proposedRow, restsOn } from "./proposed.js";
import { lampFigures } from "./rule.js";
import { cutAt } from "./verdicts.js";
import { wiresOf } from "./wires.js";

export class LampCards {
  #page;
  #place;
  #lamps;
  #now_s;
  #reading;

  constructor(page, place, lamps, now_s) {
    this.#page = page;
    this.#place = place;
    this.#lamps = lamps;
    this.#now_s = now_s;
    this.#reading = new LampReading(page.store, () => page.refresh());
  }

  render() {
    const page = this.#page;
    show(
      this.#place,
      ...page.site.signal_groups.map((group, place) => this.#card(group, place)),
      !page.site.signal_groups.length && this.#offers(-1),
      h(
        "div",
        { key: "add", class: "row" },
        button(page.t("Add a signal group"), () => this.#lamps.addGroup()),
      ),
    );
  }

  #card(group, place) {
    const page = this.#page;
    return card(page, "signal_groups", place, {
      swatch: `phase ${this.#phaseNow(group)}`,
      name: group.id,
      aside: this.#lamps.isRead(group) ? "" : page.t("lamps missing"),
      body: () => [
        this.#fields(group, place),
        this.#drawActs(group, place),
        !group.view && this.#hint(),
        this.#rests(group),
        this.#read(group),
        this.#offers(place),
        wiresOf(page, this.#lamps, group, place),
        lampFigures(page, group, place),
      ],
    });
  }

  #hint() {
    const words = this.#page.t("Where the lamps are small, zoom in first: with the wheel, two fingers or +.");
    return h("p", { key: "small", class: "soft hint" }, words);
  }

  #fields(group, place) {
    const page = this.#page;
    return h(
      "div",
      { class: "fields" },
      text(page.t("Name"), group.id, (id) => this.#lamps.rename(place, id), { maxlength: 64 }),
      number(
        page.t("Shortest lawful amber, in seconds"),
        group.min_amber_s,
        (value) => this.#lamps.writeAmber(place, value),
        { optional: true, max: 60 },
      ),
    );
  }

  #drawActs(group, place) {
    const { t, site } = this.#page;
    const { view } = group;
    const words = view ? t("Redraw all three") : t("Draw the three lamps");
    const isFree = site.signal_groups.length > 1 && !site.lanes.some((lane) => lane.signal_group === group.id);
    const remove = () => this.#page.edit((site) => site.signal_groups.splice(place, 1));
    return h(
      "div",
      { class: "acts" },
      button(words, () => this.#lamps.drawThree(place), { key: "three", class: view ? "" : "confirm" }),
      view ? this.#viewActs(view, place) : this.#headAct(place),
      isFree && button(t("Remove the signal group"), remove, { key: "group", class: "quiet" }),
    );
  }

  #headAct(place) {
    const words = this.#page.t("Draw the whole head instead");
    return button(words, () => this.#lamps.drawOne(place, "head_px"), { key: "head" });
  }

  /** What can be done with lamps that are drawn. */
  #viewActs(view, place) {
    const { t, stage } = this.#page;
    const closer = () => stage.closeUp(boxAround(Object.values(view).flatMap(cornersOf)));
    const one = (lamp) => {
      const words = t("{lamp} anew", { lamp: this.#lamps.name(lamp) });
      return button(words, () => this.#lamps.drawOne(place, `${lamp}_px`), { key: lamp });
    };
    return [
      button(t("Look closer"), closer, { key: "closer" }),
      view.head_px
        ? button(t("Divide it into three lamps"), () => this.#lamps.divide(place), { key: "divide" })
        : ["red", "amber", "green"].map(one),
      button(t("Remove the lamps"), () => this.#lamps.removeLamps(place), { key: "lamps", class: "quiet" }),
    ];
  }

  #offers(place) {
    const page = this.#page;
    const fitting = this.#lamps.untaken().filter((one) => place < 0 || one.for === place || one.for < 0);
    return fitting.map((one) =>
      proposedRow(page, {
        key: `offer ${one.place}`,
        name: page.t("lamps"),
        place: `signal_groups.${one.place}.view`,
        take: () => this.#lamps.take(one, place),
      }),
    );
  }

  /** What the lamps rest on, where they are as proposed. */
  #rests(group) {
    const { proposal } = this.#page.store;
    const place = proposal?.signal_groups.findIndex(({ view }) => view && same(view, group.view)) ?? -1;
    return place >= 0 && restsOn(this.#page, `signal_groups.${place}.view`);
  }

  // What the lamps show

  #phaseNow(group) {
    const bands = group.view ? this.#reading.of(group).bands : this.#page.store.judged?.lamps?.[group.id]?.bands;
    return phaseAt(bands, this.#now_s()) ?? "unknown";
  }

  #read(group) {
    const page = this.#page;
    const known = page.store.judged?.lamps?.[group.id];
    const recorded = ["timeline", "wires"].includes(known?.source) ? known.bands : null;
    if (!group.view) return recorded && this.#comparable(known);
    const { bands, fresh, trouble } = this.#reading.of(group);
    if (trouble) return h("p", { class: "bad" }, trouble);
    if (!bands) return h("p", { class: "soft" }, page.t("Reading the lamps …"));
    return h(
      "div",
      { class: `reading${fresh ? "" : " old"}` },
      h(
        "p",
        { class: "now", "aria-live": "off" },
        page.t("At this instant:"),
        " ",
        h("strong", {}, page.t(`phase ${this.#phaseNow(group)}`)),
      ),
      this.#strip(bands, page.t("Read from the picture")),
      recorded && this.#strip(recorded, this.#cameAs(known)),
      h("p", { class: "soft" }, this.#summary(bands, recorded)),
    );
  }

  /** What came with the recording, while nothing is drawn that could be compared with it. */
  #comparable(known) {
    const words = this.#page.t("What these lamps showed is known. Drawn in the picture, they are compared with it.");
    return h("div", { key: "known" }, this.#strip(known.bands, this.#cameAs(known)), h("p", { class: "soft" }, words));
  }

  #cameAs({ source }) {
    const { t } = this.#page;
    return source === "wires" ? t("As the inputs were") : t("As it came with the recording");
  }

  /** What was read as far as the recording has been watched, and how far it is what came with it. */
  #summary(bands, recorded) {
    const { t, store } = this.#page;
    const { watch, video } = store;
    if (bands.every(([, , phase]) => phase === "unknown")) {
      return t("No lamp was read there: draw the boxes onto the lenses.");
    }
    const sums = totals(cutAt(bands, watch.until_s));
    const shares = sums.map(([phase, sum_s]) => `${t(`phase ${phase}`)} ${seconds(sum_s, 0)}`).join(", ");
    const said = watch.done ? t("Over the recording: {shares}.", { shares }) : t("So far: {shares}.", { shares });
    if (!recorded) return said;
    const { share, compared_s } = agreement(bands, recorded, video.first_s, watch.until_s);
    if (share === null) return said;
    const percent = figure(Math.floor(100 * share), 0);
    const time = seconds(compared_s, 0);
    return `${said} ${t("Agrees with what came with it for {percent} % of {time} compared.", { percent, time })}`;
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
        cutAt(bands, this.#page.store.watch.until_s).map(([from_s, to_s, phase], place) =>
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
