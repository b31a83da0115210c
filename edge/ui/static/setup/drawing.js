// The drawing over the film: shapes with their handles, taken hold of by pointer or keyboard.

import { captionsOf } from "./captions.js";
import { h, show } from "./markup.js";
import { distance, distanceToSegment, isInside, minus, plus } from "./plane.js";
import { KINDS, handlesOf, outline, withHandle, withShift } from "./shapes.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STILL_PX = 3; // a pointer that moved no further on the screen only chooses
const ROOM_PX = 18; // a box with a shorter side has no handles
const FINE_FROM = 4; // zoomed in so far, the arrow keys go by a fifth of a pixel

/**
 * A shape: { place, kind, value, look, label, caption, from (of a way), live, chosen, wrong, choose(), change(value),
 * remove() }. Only live shapes can be taken hold of, only chosen ones have handles.
 */
export class Drawing {
  #page;
  #drags = 0;

  constructor(page) {
    this.#page = page;
    page.stage.grab = (point, reach, event) => this.#grab(point, reach, event);
    page.stage.hover = (point) => page.pen.hover(point);
  }

  render() {
    const { stage, pen } = this.#page;
    const shapes = this.#page.shapes();
    const captions = captionsOf(shapes, stage);
    stage.svg.classList.toggle("drawing", pen.active);
    stage.svg.classList.toggle("looking", !this.#page.isDrawing);
    show(
      stage.svg,
      defs(),
      ...this.#page.backdrop(),
      ...shapes.map((shape) => this.#shape(shape, captions.get(shape))),
      this.#penned(),
    );
  }

  #penned() {
    const { pen, stage } = this.#page;
    if (!pen.active) return null;
    const suggested = pen.started ? "" : " suggested";
    const ghost = pen.preview && { kind: pen.kind, value: pen.preview, place: "pen" };
    return h(
      "g",
      { key: "pen", class: `shape pen${suggested}` },
      ghost && strokes(ghost, stage.pixel),
      pen.started && h("circle", { class: "dot", cx: pen.started[0], cy: pen.started[1] }),
    );
  }

  #shape(shape, caption) {
    const { stage } = this.#page;
    const state = ["live", "chosen", "wrong", "ghost"].filter((name) => shape[name]).join(" ");
    const handles = shape.live && shape.chosen && hasRoom(shape, stage.pixel) ? handlesOf(shape, stage.pixel) : [];
    return h(
      "g",
      { key: shape.place, class: `shape ${shape.kind} ${shape.look} ${state}`, "data-place": shape.place },
      strokes(shape, stage.pixel),
      shape.live && shape.kind !== "way" && this.#body(shape),
      caption && h("text", { key: "caption", class: "caption", x: caption.x, y: caption.y }, shape.caption),
      ...handles.map((point, place) => this.#handle(shape, place, point)),
    );
  }

  /** What the whole shape is chosen and moved by. */
  #body(shape) {
    return h("path", {
      key: "body",
      class: "body",
      d: outline(shape, this.#page.stage.pixel),
      tabindex: 0,
      role: "button",
      "aria-label": shape.label,
      "aria-pressed": String(Boolean(shape.chosen)),
      onfocus: () => shape.choose(),
      onkeydown: (event) => this.#bodyKey(event, shape),
    });
  }

  #handle(shape, place, [x, y]) {
    const label = `${shape.label}, ${shape.handles[place]}: ${Math.round(x)}, ${Math.round(y)}`;
    return h(
      "g",
      {
        key: `handle ${place}`,
        class: "handle",
        tabindex: 0,
        role: "button",
        "aria-label": label,
        "data-handle": `${shape.place}.${place}`,
        onfocus: () => this.#page.stage.reveal([x, y]),
        onkeydown: (event) => this.#handleKey(event, shape, place),
      },
      h("circle", { class: "ring", cx: x, cy: y }),
      h("circle", { class: "dot", cx: x, cy: y }),
    );
  }

  // By pointer

  #grab(point, reach, event) {
    const page = this.#page;
    page.dismissOffer();
    if (page.pen.active) return page.pen.grab(point, event);
    const live = page.shapes().filter((shape) => shape.live && !shape.ghost);
    const drag = this.#grabHandle(live, point, reach) ?? this.#grabBody(live, point, reach);
    if (!drag) page.view.focus({ preventScroll: true });
    return drag;
  }

  #grabHandle(shapes, point, reach) {
    const { pixel, size } = this.#page.stage;
    const near = shapes
      .filter((shape) => shape.chosen && hasRoom(shape, pixel))
      .flatMap((shape) =>
        handlesOf(shape, pixel).map((handle, place) => ({ shape, place, handle, far: distance(handle, point) })),
      );
    const best = nearest(near.filter(({ shape, far }) => far <= handleReach(shape, point, reach)));
    if (!best) return null;
    const { shape, place, handle } = best;
    this.#focus(`[data-handle="${shape.place}.${place}"]`);
    return this.#dragOf(shape, point, (by) => withHandle(shape, place, plus(handle, by), size));
  }

  #grabBody(shapes, point, reach) {
    const near = shapes.filter((shape) => shape.kind !== "way").map((shape) => ({ shape, far: farFrom(shape, point) }));
    const best = nearest(near.filter(({ far }) => far <= reach));
    if (!best) return null;
    best.shape.choose();
    this.#focus(`[data-place="${best.shape.place}"] .body`);
    return this.#dragOf(best.shape, point, (by) => withShift(best.shape, by, this.#page.stage.size));
  }

  #focus(selector) {
    this.#page.stage.svg.querySelector(selector)?.focus({ preventScroll: true });
  }

  /** A drag that changes a shape's value, taken back as one; given up, the shape goes back where it was. */
  #dragOf(shape, from, valueAfter) {
    const name = `drag ${(this.#drags += 1)} ${shape.place}`;
    const least = STILL_PX * this.#page.stage.pixel;
    let moved = false;
    return {
      move: (to) => {
        moved ||= distance(from, to) > least;
        if (moved) shape.change(valueAfter(minus(to, from)), name);
      },
      end: () => {
        this.#page.history.settle();
        if (moved) shape.dropped?.();
      },
      cancel: () => this.#page.history.giveUp(name),
    };
  }

  // By keyboard

  #bodyKey(event, { place }) {
    const shape = this.#now(place);
    const by = this.#step(event);
    if (by) shape.change(withShift(shape, by, this.#page.stage.size), `nudge ${place}`);
    else if (event.key === "Delete" && shape.remove) shape.remove();
    else return;
    event.preventDefault();
  }

  #handleKey(event, { place }, number) {
    const by = this.#step(event);
    if (!by) return;
    event.preventDefault();
    const { pixel, size } = this.#page.stage;
    const shape = this.#now(place);
    const to = plus(handlesOf(shape, pixel)[number], by);
    shape.change(withHandle(shape, number, to, size), `nudge ${place}.${number}`);
  }

  /** The shape as it is by now: keys may come faster than it is drawn. */
  #now(place) {
    return this.#page.shapes().find((shape) => shape.place === place && !shape.ghost);
  }

  #step(event) {
    const arrow = ARROWS[event.key];
    if (!arrow || event.ctrlKey || event.metaKey || event.altKey) return null;
    const length = (this.#page.stage.scale >= FINE_FROM ? 0.2 : 1) * (event.shiftKey ? 10 : 1);
    return arrow.map((part) => part * length);
  }
}

/** Drawn twice, a dark line below a bright one, so that it stands out from any road. */
function strokes(shape, pixel) {
  const d = outline(shape, pixel);
  return [
    h("path", { key: "casing", class: "casing", d }),
    h("path", {
      key: "stroke",
      class: "stroke",
      d,
      ...(shape.kind === "way" ? { "marker-end": "url(#arrowhead)" } : {}),
    }),
  ];
}

/** How far a point is from a shape; inside of one that is not hollow it is nearer the smaller the shape is. */
function farFrom(shape, point) {
  const points = handlesOf(shape, 1);
  const { closed } = KINDS[shape.kind];
  if (closed && !shape.hollow && isInside(point, points)) return -1 / sideOf(points);
  const ends = closed ? [...points, points[0]] : points;
  return Math.min(...ends.slice(1).map((end, place) => distanceToSegment(point, [ends[place], end])));
}

/** How near a handle must be: within a small box not so near that the box itself could no longer be taken hold of. */
function handleReach(shape, point, reach) {
  const points = handlesOf(shape, 1);
  if (!KINDS[shape.kind].closed || !isInside(point, points)) return reach;
  return Math.min(reach, sideOf(points) / 3);
}

/** Whether handles leave anything of a shape to be seen: a lamp is looked at closely before its corners are moved. */
function hasRoom(shape, pixel) {
  return !KINDS[shape.kind].closed || sideOf(handlesOf(shape, pixel)) >= ROOM_PX * pixel;
}

const sideOf = (points) => Math.min(distance(points[0], points[1]), distance(points[1], points[2]));
const nearest = (near) => near.sort((a, b) => a.far - b.far || (b.shape.chosen ? 1 : 0) - (a.shape.chosen ? 1 : 0))[0];

function defs() {
  return h(
    "defs",
    { key: "defs" },
    h(
      "marker",
      { id: "arrowhead", viewBox: "0 0 10 10", refX: 7, refY: 5, markerWidth: 4, markerHeight: 4, orient: "auto" },
      h("path", { d: "M0 0L10 5L0 10z", class: "head" }),
    ),
    h(
      "marker",
      { id: "driven", viewBox: "0 0 10 10", refX: 7, refY: 5, markerWidth: 6, markerHeight: 6, orient: "auto" },
      h("path", { d: "M0 0L10 5L0 10z", class: "driven-head" }),
    ),
    h(
      "pattern",
      { id: "hatch", width: 8, height: 8, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      h("path", { d: "M0 0V8", class: "hatching" }),
    ),
  );
}
