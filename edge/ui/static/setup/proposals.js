// What the program proposes beside what is drawn: which belong together, what differs, and on what a value rests.

import { freeName } from "./names.js";
import { distance, middle } from "./plane.js";

const SHAKY = 0.15; // of a lamp's size
const LANE_KEYS = ["stop_line_px", "confirm_line_px", "direction", "contact"];

/** For each proposed lane the drawn one that it means, by its place, or -1: the nearest whose stop lines meet. */
export function partners(site, proposal) {
  const taken = new Set();
  return (proposal?.lanes ?? []).map((proposed) => {
    const near = site.lanes
      .map((lane, place) => ({ place, far: apart(lane, proposed) }))
      .filter(({ place, far }) => !taken.has(place) && far < 0.6)
      .sort((a, b) => a.far - b.far)[0];
    if (near) taken.add(near.place);
    return near ? near.place : -1;
  });
}

/** How far two lanes' stop lines are apart, in lengths of the longer. */
function apart(one, other) {
  const longer = Math.max(distance(...one.stop_line_px), distance(...other.stop_line_px));
  return distance(middle(one.stop_line_px), middle(other.stop_line_px)) / longer;
}

/** The keys of a lane whose proposed values are not the drawn ones. */
export const differing = (lane, proposed) =>
  LANE_KEYS.filter((key) => key in proposed && !same(lane[key], proposed[key]));

/** Whether a signal head is drawn where it is proposed, but for how a hand shakes. */
export const sameHead = (view, proposed) =>
  same(Object.keys(view).sort(), Object.keys(proposed).sort()) &&
  Object.entries(proposed).every(([lamp, box]) => nearlySame(view[lamp], box));

function nearlySame(drawn, box) {
  const shaky = SHAKY * Math.min(box[2] - box[0], box[3] - box[1]);
  return drawn.every((edge, side) => Math.abs(edge - box[side]) <= shaky);
}

export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/**
 * What a value rests on: the note at its place, at one in it, or at the nearest table around it; "" where there is
 * none.
 */
export function noteAt(notes, place) {
  const within = Object.keys(notes).find((one) => `${one}.`.startsWith(`${place}.`));
  const keys = place.split(".");
  const around = keys.map((_, last) => keys.slice(0, last + 1).join(".")).findLast((one) => notes[one]);
  return notes[within ?? around] ?? "";
}

/**
 * The draft with everything proposed in it: the lines of lanes that are drawn already, lanes and groups that are not,
 * lamps in the picture. All else that a person said is kept, lanes of which nothing was seen too.
 */
export function takeAll(site, proposal) {
  const meant = partners(site, proposal);
  const { calibration, detector, masks } = proposal;
  return {
    ...site,
    signal_groups: groupsWith(site, proposal, meant),
    lanes: lanesWith(site, proposal, meant),
    ...(calibration && !site.calibration ? { calibration } : {}),
    ...(detector && !site.detector ? { detector } : {}),
    ...(masks?.length && !site.masks?.length ? { masks } : {}),
  };
}

function lanesWith(site, proposal, meant) {
  const lanes = [...site.lanes];
  for (const [place, proposed] of proposal.lanes.entries()) {
    const lines = Object.fromEntries(LANE_KEYS.filter((key) => key in proposed).map((key) => [key, proposed[key]]));
    if (meant[place] >= 0) lanes[meant[place]] = { ...lanes[meant[place]], ...lines };
    else {
      const group = groupOf(site, proposal, meant, proposed.signal_group);
      lanes.push({ ...proposed, id: freeName(lanes, "lane", proposed.id), signal_group: group });
    }
  }
  return lanes;
}

function groupsWith(site, proposal, meant) {
  const groups = [...site.signal_groups];
  for (const proposed of proposal.signal_groups) {
    const id = groupOf(site, proposal, meant, proposed.id);
    const place = groups.findIndex((group) => group.id === id);
    if (place < 0) groups.push(proposed);
    else if (proposed.view) groups[place] = { ...groups[place], view: proposed.view };
  }
  return groups;
}

/** The drawn group that a proposed one means: of its name, else the one that its lanes obey which are drawn already. */
function groupOf(site, proposal, meant, id) {
  if (site.signal_groups.some((group) => group.id === id)) return id;
  const place = proposal.lanes.findIndex((lane, place) => lane.signal_group === id && meant[place] >= 0);
  return place < 0 ? id : site.lanes[meant[place]].signal_group;
}

/** Whether nothing is proposed that is not in the draft already. */
export const isTaken = (site, proposal) => alike(site, takeAll(site, proposal));

/** The same, in whatever order the keys of its tables stand. */
export const alike = (a, b) => same(sorted(a), sorted(b));

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}
