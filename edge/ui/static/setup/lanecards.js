// The list of lanes in step 1: a card a lane, with what can be done to it and what the program would have drawn.

import { card } from "./cards.js";
import { button, choice, text, tick } from "./fields.js";
import { h, show } from "./markup.js";
import { boxAround, sameWay, wayBetween } from "./plane.js";
import { same } from "./proposals.js";
import { proposedRow, restsOn } from "./proposed.js";

export class LaneCards {
  #page;
  #place;
  #lanes;

  constructor(page, place, lanes) {
    this.#page = page;
    this.#place = place;
    this.#lanes = lanes;
  }

  render() {
    const page = this.#page;
    const lanes = page.site.lanes.map((lane, place) => this.#card(lane, place));
    const proposed = this.#lanes
      .untaken()
      .filter(({ partner }) => partner < 0)
      .map((one) => this.#proposedLane(one));
    show(
      this.#place,
      page.store.paths.length > 0 &&
        h("p", { key: "driven", class: "soft" }, page.t("The thin arrows in the picture show where vehicles drove.")),
      ...lanes,
      ...proposed,
      h(
        "div",
        { key: "add", class: "row" },
        button(page.t("Add a lane"), () => this.#lanes.add(), { class: "confirm" }),
      ),
    );
  }

  #card(lane, place) {
    return card(this.#page, "lanes", place, {
      swatch: "stop",
      name: lane.id,
      aside: lane.signal_group,
      body: () => [this.#fields(lane, place), this.#acts(lane, place), this.#rests(lane), this.#differences(place)],
    });
  }

  #fields(lane, place) {
    const page = this.#page;
    const write = (key) => (value) => page.write(`lanes.${place}.${key}`, value);
    const groups = page.site.signal_groups.map(({ id }) => [id, id]);
    return h(
      "div",
      { class: "fields" },
      text(page.t("Name"), lane.id, write("id"), { maxlength: 64 }),
      choice(page.t("Signal group"), lane.signal_group, groups, write("signal_group")),
      choice(
        page.t("Vehicles are seen"),
        lane.contact,
        [
          ["rear", page.t("from behind")],
          ["front", page.t("from the front")],
        ],
        write("contact"),
      ),
      tick(page.t("Turning on red is allowed"), lane.turn_on_red === "allowed", (on) =>
        write("turn_on_red")(on ? "allowed" : "forbidden"),
      ),
    );
  }

  #acts(lane, place) {
    const { t, stage } = this.#page;
    const lanes = this.#lanes;
    const along = t("Drag along the stop line, from one edge of the lane to the other.");
    const past = t("Drag the confirm line, past the stop line.");
    const closer = () => stage.closeUp(boxAround([...lane.stop_line_px, ...lane.confirm_line_px]));
    return h(
      "div",
      { class: "acts" },
      button(t("Redraw stop line"), () => lanes.redraw(place, "stop_line_px", along)),
      button(t("Redraw confirm line"), () => lanes.redraw(place, "confirm_line_px", past)),
      button(t("Snap it to the paint"), () => lanes.snapNow(place)),
      button(t("Look closer"), closer, { key: "closer" }),
      this.#arrowAct(lane, place),
      button(t("Remove the lane"), () => lanes.remove(place), { key: "remove", class: "quiet" }),
    );
  }

  /** For an arrow that was turned by hand: back to where the lines lead. */
  #arrowAct({ direction, stop_line_px: stop, confirm_line_px: confirm }, place) {
    const page = this.#page;
    const way = wayBetween(stop, confirm);
    if (sameWay(direction, way)) return null;
    return button(page.t("Let the arrow follow the lines"), () => page.write(`lanes.${place}.direction`, way), {
      key: "arrow",
    });
  }

  #proposedLane(one) {
    const page = this.#page;
    return proposedRow(page, {
      key: `proposed ${one.place}`,
      name: one.lane.id,
      place: `lanes.${one.place}.stop_line_px`,
      words: page.t("Take this lane"),
      take: () => this.#lanes.takeLane(one),
    });
  }

  /** What the stop line rests on, where it is as proposed. */
  #rests(lane) {
    const lanes = this.#page.store.proposal?.lanes ?? [];
    const place = lanes.findIndex(({ stop_line_px: line }) => same(line, lane.stop_line_px));
    return place >= 0 && restsOn(this.#page, `lanes.${place}.stop_line_px`);
  }

  /** What the program would have drawn otherwise in this lane. */
  #differences(place) {
    const page = this.#page;
    const one = this.#lanes.untaken().find(({ partner }) => partner === place);
    if (!one) return null;
    const names = {
      stop_line_px: page.t("stop line"),
      confirm_line_px: page.t("confirm line"),
      direction: page.t("way of travel"),
      contact: page.t("which end is seen"),
    };
    return one.keys.map((key) =>
      proposedRow(page, {
        key: `proposed ${key}`,
        name: names[key],
        place: `lanes.${one.place}.${key}`,
        take: () => this.#lanes.takeValue(one, key),
      }),
    );
  }
}
