// Step 1: lanes, each with its stop line, its confirm line and the way of travel.

import { LaneCards } from "./lanecards.js";
import { h } from "./markup.js";
import { freeName } from "./names.js";
import { lineBeyond, middle, sameWay, wayBetween } from "./plane.js";
import { differing, partners, same } from "./proposals.js";

export class Lanes {
  #page;
  #cards;
  #drawnStop = null; // of a lane whose confirm line is still asked for

  constructor(page, place) {
    this.#page = page;
    this.#cards = new LaneCards(page, place, this);
  }

  get state() {
    const page = this.#page;
    const count = page.site.lanes.length;
    if (!count) return { level: "open", words: page.t("no lane yet") };
    return { level: "good", words: count === 1 ? page.t("1 lane") : page.t("{count} lanes", { count }) };
  }

  render() {
    this.#cards.render();
  }

  // In the picture

  shapes() {
    const page = this.#page;
    const live = page.step === "lanes" && !page.pen.active;
    const drawn = page.site.lanes.flatMap((lane, place) => this.#shapesOf(lane, place, live));
    return [...this.#ghosts(), ...drawn];
  }

  #shapesOf(lane, place, live) {
    const page = this.#page;
    const chosen = page.step === "lanes" && page.chosenOf("lanes") === place;
    const common = { live, chosen, choose: () => page.choose("lanes", place), remove: () => this.remove(place) };
    const ends = [page.t("one end"), page.t("other end")];
    const line = (key, look, label) =>
      page.shapeAt(`lanes.${place}.${key}`, {
        ...common,
        kind: "line",
        look,
        label: page.t(label, { lane: lane.id }),
        handles: ends,
        change: (value, name) => this.#moveLine(place, key, value, name),
      });
    const stop = line("stop_line_px", "stop", "Stop line of {lane}");
    return [
      {
        ...stop,
        caption: page.step === "lanes" && lane.id,
        captionAbove: lane.direction[1] > 0,
        dropped: () => this.#offerEdge(place),
      },
      line("confirm_line_px", "confirm", "Confirm line of {lane}"),
      page.shapeAt(`lanes.${place}.direction`, {
        ...common,
        kind: "way",
        look: "way",
        from: middle(lane.stop_line_px),
        label: page.t("Way of travel of {lane}", { lane: lane.id }),
        handles: [page.t("tip of the arrow")],
      }),
    ];
  }

  /** Where vehicles drove while the recording was watched, which lanes are proposed by. */
  backdrop() {
    const { step, store } = this.#page;
    if (step !== "lanes") return [];
    return (store.paths ?? []).map((path, place) =>
      h("path", {
        key: `path ${place}`,
        class: "driven",
        d: `M${path.map((point) => point.join(" ")).join("L")}`,
        "marker-end": "url(#driven)",
      }),
    );
  }

  /** What is proposed and not taken, and the stop line of a lane that is being drawn. */
  #ghosts() {
    const page = this.#page;
    if (page.step !== "lanes") return [];
    const ghost = (place, value, look) => ({ place, kind: "line", value, look, ghost: true });
    const way = (lane) => ({ kind: "way", from: middle(lane.stop_line_px), look: "way" });
    const proposed = this.untaken().flatMap(({ lane, keys, place }) =>
      keys
        .filter((key) => key !== "contact")
        .map((key) => ({
          ...ghost(`proposal.${place}.${key}`, lane[key], key.split("_")[0]),
          ...(key === "direction" && way(lane)),
        })),
    );
    return this.#drawnStop ? [...proposed, { ...ghost("drawn", this.#drawnStop, "stop"), ghost: false }] : proposed;
  }

  /** The way follows the lines, unless somebody has turned it by hand. */
  #moveLine(place, key, value, name) {
    this.#page.edit((site) => {
      const lane = site.lanes[place];
      const follows = sameWay(lane.direction, wayBetween(lane.stop_line_px, lane.confirm_line_px));
      lane[key] = value;
      if (follows) lane.direction = wayBetween(lane.stop_line_px, lane.confirm_line_px);
    }, name);
  }

  // What can be done

  async add() {
    const page = this.#page;
    const words = page.t("Drag along the stop line, from one edge of the lane to the other.");
    const first = await page.draw("line", words, this.#likelyStop());
    if (!first) return;
    this.#drawnStop = await this.#snapped(first);
    const beyond = () => this.#likelyConfirm(this.#drawnStop);
    if (!first.snap) {
      page.offerEdge(this.#drawnStop, (edge) => {
        this.#drawnStop = edge;
        page.pen.suggestion = beyond();
      });
    }
    const more = page.t("Now drag the confirm line: past the stop line, where only a vehicle comes that drives on.");
    const second = await page.draw("line", more, beyond());
    const stop = this.#drawnStop;
    this.#drawnStop = null;
    if (second) this.#append(stop, second.value);
    page.refresh();
  }

  #append(stop, confirm) {
    const page = this.#page;
    const way = wayBetween(stop, confirm);
    const last = page.site.lanes.at(-1);
    page.edit((site) => {
      const group = last?.signal_group ?? this.#firstGroup(site);
      const contact = last?.contact ?? (way[1] <= 0 ? "rear" : "front");
      site.lanes.push({
        id: freeName(site.lanes, "lane"),
        signal_group: group,
        stop_line_px: stop,
        confirm_line_px: confirm,
        direction: way,
        contact,
      });
    });
    page.choose("lanes", page.site.lanes.length - 1);
  }

  /** A lane needs a signal group: the first there is, else one named as the recording's signals are. */
  #firstGroup(site) {
    if (!site.signal_groups.length) {
      const [named] = Object.keys(this.#page.store.judged?.lamps ?? {});
      site.signal_groups.push({ id: named ?? "signal-1" });
    }
    return site.signal_groups[0].id;
  }

  #snapped = async ({ value, snap }) => (snap ? ((await this.#page.edgeAt(value)) ?? value) : value);

  /** Where a stop line is likely: as proposed, else in the middle of what is seen. */
  #likelyStop() {
    const proposed = this.untaken().find(({ partner }) => partner < 0);
    if (proposed) return proposed.lane.stop_line_px;
    const [left, top, right, bottom] = this.#page.stage.seen;
    const [y, x, half] = [(top + bottom) / 2, (left + right) / 2, (right - left) / 10];
    return [
      [x - half, y],
      [x + half, y],
    ];
  }

  /** Where the confirm line of a stop line is likely: as proposed for it, else past it. */
  #likelyConfirm(stop) {
    const proposed = this.#page.store.proposal?.lanes.find((lane) => same(lane.stop_line_px, stop));
    return proposed?.confirm_line_px ?? lineBeyond(stop, this.#likelyWay(), this.#page.stage.size);
  }

  #likelyWay() {
    const lane = this.#page.site.lanes[0] ?? this.#page.store.proposal?.lanes[0];
    return lane?.direction ?? [0, -1];
  }

  async redraw(place, key, words) {
    const page = this.#page;
    const drawn = await page.draw("line", words);
    if (!drawn) return;
    const value = await this.#snapped(drawn);
    this.#moveLine(place, key, value);
    if (key === "stop_line_px" && !drawn.snap) this.#offerEdge(place);
  }

  #offerEdge(place) {
    this.#page.offerEdge(this.#page.site.lanes[place].stop_line_px, (edge) =>
      this.#moveLine(place, "stop_line_px", edge),
    );
  }

  async snapNow(place) {
    const edge = await this.#page.edgeAt(this.#page.site.lanes[place].stop_line_px);
    if (edge) this.#moveLine(place, "stop_line_px", edge);
    if (edge === null) this.#page.say(this.#page.t("No painted edge was found near this line."));
  }

  remove(place) {
    this.#page.edit((site) => site.lanes.splice(place, 1));
    this.#page.say(this.#page.t("The lane is gone: Undo brings it back."));
  }

  // What is proposed

  /** Proposed lanes that differ from what is drawn: { lane, place, partner, keys }. */
  untaken() {
    const { site, store } = this.#page;
    const { proposal } = store;
    return partners(site, proposal)
      .map((partner, place) => {
        const lane = proposal.lanes[place];
        return {
          lane,
          place,
          partner,
          keys: partner < 0 ? ["stop_line_px", "confirm_line_px", "direction"] : differing(site.lanes[partner], lane),
        };
      })
      .filter(({ keys }) => keys.length);
  }

  takeLane({ lane }) {
    this.#page.edit((site) => {
      if (!site.signal_groups.some((group) => group.id === lane.signal_group)) {
        const group = this.#page.store.proposal.signal_groups.find(({ id }) => id === lane.signal_group);
        site.signal_groups.push(structuredClone(group));
      }
      site.lanes.push({ ...structuredClone(lane), id: freeName(site.lanes, "lane", lane.id) });
    });
    this.#page.choose("lanes", this.#page.site.lanes.length - 1);
  }

  takeValue({ lane, partner }, key) {
    this.#page.edit((site) => (site.lanes[partner][key] = structuredClone(lane[key])));
  }
}
