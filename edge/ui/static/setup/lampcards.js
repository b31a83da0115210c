// The list of signal groups in step 2: a card a group, with what its lamps show over the recording as they are drawn.

import { button, number, text } from "./fields.js";
import { LampReading, agreement, phaseAt, totals } from "./lampreading.js";
import { h, show } from "./markup.js";
import { boxAround, cornersOf } from "./plane.js";
import { same } from "./proposals.js";
import { proposedRow, restsOn } from "./proposed.js";

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
      h("span", { class: "soft" }, this.#lamps.isRead(group) ? "" : page.t("lamps missing")),
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
    const page = this.#page;
    const { view } = group;
    const lanes = page.site.lanes.filter((lane) => lane.signal_group === group.id).length;
    return h(
      "div",
      { class: "row" },
      button(
        view ? page.t("Draw the three lamps anew") : page.t("Draw the three lamps"),
        () => this.#lamps.drawThree(place),
        view ? {} : { class: "confirm" },
      ),
      view &&
        !view.head_px &&
        ["red", "amber", "green"].map((lamp) =>
          button(
            page.t("{lamp} anew", { lamp: this.#lamps.name(lamp) }),
            () => this.#lamps.drawOne(place, `${lamp}_px`),
            {
              key: lamp,
            },
          ),
        ),
      !view && button(page.t("Draw the whole head instead"), () => this.#lamps.drawOne(place, "head_px")),
      view?.head_px && button(page.t("Divide it into three lamps"), () => this.#lamps.divide(place)),
      view &&
        button(page.t("Look closer"), () => page.stage.closeUp(boxAround(Object.values(view).flatMap(cornersOf))), {
          key: "closer",
        }),
      view && button(page.t("Remove the lamps"), () => this.#lamps.removeLamps(place), { class: "quiet" }),
      !lanes &&
        page.site.signal_groups.length > 1 &&
        button(page.t("Remove the signal group"), () => page.edit((site) => site.signal_groups.splice(place, 1)), {
          class: "quiet",
        }),
    );
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
    if (bands.every(([, , phase]) => phase === "unknown")) {
      return page.t("No lamp was read there: draw the boxes onto the lenses.");
    }
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
