// What is drawn over the film at each of its pictures: the vehicles seen in it, where they came from, what the lamps
// show, and the verdict on each vehicle that has just crossed.

import { GROUND, Labels } from "./labels.js";
import { nearest } from "./player.js";
import { bandAt, kindOf, phaseWords, shapeOf, verdictWords } from "./verdicts.js";

const TAIL_S = 1.2;
const MARK_S = 3;
const MAX_RATIO = 2; // more pixels than this cost time and show nothing more
const MAX_WIDTH = 1920;
const NAMED_PX = 20; // a box less wide goes without its name
const BELOW = 26; // how far below its crossing a verdict is written, clear of the lines there, in CSS pixels
const INK = "#f4f6f8";
const SEEN = "#8fc0ff";

const COLOURS = { violation: "#ff6257", green: "#4fd690", amber: "#ffc94a", spared: "#8fc0ff", open: "#d3d8de" };
const LAMPS = { green: ["#35c77b"], amber: ["#ffc233"], red: ["#f4483c"], red_amber: ["#f4483c", "#ffc233"] };

export class Overlay {
  #canvas;
  #context;
  #store;
  #ratio = 1; // device pixels in a CSS pixel
  #scale = 1; // CSS pixels in a pixel of the site's grid
  #shapes = new Map();
  #labels;
  #corners = new Map(); // of each track's box, the one at which its name stood last
  #trails = new Trails();
  #passages = { of: null, all: [], byTrack: new Map() };

  shown = true; // whether anything is drawn at all
  named = true; // whether vehicles have their names

  constructor(canvas, store) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#labels = new Labels(canvas);
    this.#store = store;
  }

  /** Take the size at which the canvas is shown. */
  fit() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!width) return;
    this.#ratio = Math.min(devicePixelRatio || 1, MAX_RATIO, MAX_WIDTH / width);
    this.#scale = width / this.#store.site.camera.size_px[0]; // boxes and lines are in the site's own grid
    this.#canvas.width = Math.round(width * this.#ratio);
    this.#canvas.height = Math.round(height * this.#ratio);
    this.#labels.fit(this.#ratio);
  }

  /** Draw what belongs to the picture of this instant. */
  draw(t_s) {
    const context = this.#context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    if (!this.shown) return;
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    this.#know();
    this.#labels.begin();
    const vehicles = this.#vehiclesAt(t_s);
    for (const vehicle of vehicles) this.#drawVehicle(vehicle, t_s);
    this.#drawPhases(t_s);
    this.#drawVerdicts(t_s);
    if (this.named) for (const vehicle of vehicles) this.#nameVehicle(vehicle);
  }

  /** Sort what is new since the last picture. */
  #know() {
    const { frames, judged } = this.#store;
    this.#trails.follow(frames);
    if (!judged || this.#passages.of === judged) return;
    const all = [...judged.passages].sort((a, b) => a.t_s - b.t_s);
    this.#passages = { of: judged, all, byTrack: byTrack(all) };
  }

  /** Those that were seen in the picture of this instant, [{ track, words, box, colour }, …], boxes in CSS pixels. */
  #vehiclesAt(t_s) {
    const { frames, video, t } = this.#store;
    const frame = frames[nearest(frames, t_s)];
    if (!frame || Math.abs(frame.t - t_s) > 0.6 / video.fps) return [];
    return frame.boxes.map(([track, name, ...box]) => {
      const passed = this.#passages.byTrack.get(track)?.findLast((one) => one.t_s <= t_s);
      return {
        track,
        words: `${t(name)} ${track}`,
        box: box.map((value) => value * this.#scale),
        colour: passed ? COLOURS[kindOf(passed.verdict)] : SEEN,
      };
    });
  }

  /** Its box, and where it came from. */
  #drawVehicle({ track, box: [x1, y1, x2, y2], colour }, t_s) {
    const trail = new Path2D();
    for (const [x, y] of this.#trails.of(track, t_s - TAIL_S, t_s)) trail.lineTo(x * this.#scale, y * this.#scale);
    this.#stroke(trail, colour, 2);
    const box = new Path2D();
    box.rect(x1, y1, x2 - x1, y2 - y1);
    this.#stroke(box, colour, 2);
  }

  /** At the corner of its box at which it stood last, else at the first one that is free; nowhere where none is. */
  #nameVehicle({ track, words, box: [x1, y1, x2, y2], colour }) {
    if (x2 - x1 < NAMED_PX) return;
    const label = this.#labels.of(words, colour);
    const { height } = this.#labels;
    const [above, below, right] = [y1 - height, y2, x2 + 1 - label.width];
    const corners = [
      [x1 - 1, above],
      [x1 - 1, below],
      [right, above],
      [right, below],
    ];
    const isInside = ([, y]) => y >= 0 && y + height <= this.#canvas.clientHeight;
    const inOrder = [this.#corners.get(track) ?? 0, ...corners.keys()];
    const found = inOrder.find((place) => isInside(corners[place]) && this.#labels.fits(label, corners[place]));
    if (found !== undefined) this.#corners.set(track, found);
  }

  /** A line that stands out from dark and bright ground alike. */
  #stroke(path, colour, width) {
    const context = this.#context;
    context.lineJoin = "round";
    context.strokeStyle = "rgba(13, 16, 20, 0.55)";
    context.lineWidth = width + 2;
    context.stroke(path);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke(path);
  }

  #drawPhases(t_s) {
    const { judged, t } = this.#store;
    for (const [group, { source, bands }] of Object.entries(judged?.lamps ?? {})) {
      const band = bandAt(bands, t_s);
      if (!band && source !== "none") continue; // not watched that far
      const [, , phase, fault] = band ?? [0, 0, "unknown", null];
      const said = source === "none" ? t("no lamps known") : phaseWords(this.#store, phase, fault);
      const lamp = (context) => drawLamp(context, phase, this.#labels.height / 2);
      this.#labels.putBelow(this.#labels.of(`${group}: ${said}`, INK, lamp), [8, 8]);
    }
  }

  /** For a few seconds after each crossing: where it was, and what is said of it. Newer ones give way downwards. */
  #drawVerdicts(t_s) {
    for (const passage of this.#passages.all) {
      if (passage.t_s > t_s || t_s >= passage.t_s + MARK_S) continue;
      const [x, y] = passage.at_px.map((value) => value * this.#scale);
      const colour = COLOURS[kindOf(passage.verdict)];
      this.#drawShape(passage.verdict, x, y, colour);
      const label = this.#labels.of(verdictWords(this.#store, passage), colour);
      const top = Math.min(y + BELOW, this.#canvas.clientHeight - this.#labels.height - 4);
      this.#labels.putBelow(label, [x - label.width / 2, top]);
    }
  }

  #drawShape(verdict, x, y, colour) {
    if (!this.#shapes.has(verdict)) this.#shapes.set(verdict, new Path2D(shapeOf(verdict)));
    const context = this.#context;
    context.save();
    context.translate(x, y);
    context.scale(1.3, 1.3);
    context.lineWidth = 4;
    context.strokeStyle = GROUND;
    context.stroke(this.#shapes.get(verdict));
    context.fillStyle = colour;
    context.fill(this.#shapes.get(verdict), "evenodd");
    context.restore();
  }
}

/** One lamp, or two; a ring with a stroke through it where nobody can tell. `y` is the middle of the line. */
function drawLamp(context, phase, y) {
  const colours = LAMPS[phase] ?? [];
  colours.forEach((colour, number) => {
    context.fillStyle = colour;
    context.beginPath();
    context.arc(13, y + (colours.length - 1) * (number * 7 - 3.5), colours.length > 1 ? 3.2 : 5, 0, 7);
    context.fill();
  });
  if (colours.length) return;
  context.strokeStyle = COLOURS.open;
  context.lineWidth = 1.6;
  context.beginPath();
  context.arc(13, y, 4.5, 0, 7);
  context.moveTo(9.5, y + 3.5);
  context.lineTo(16.5, y - 3.5);
  context.stroke();
}

/** Where each track's box stood on the ground, frame by frame. */
class Trails {
  #frames = null;
  #followed = 0;
  #points = new Map();

  /** Take in the frames that are new. */
  follow(frames) {
    if (this.#frames !== frames) {
      this.#frames = frames;
      this.#followed = 0;
      this.#points.clear();
    }
    for (; this.#followed < frames.length; this.#followed += 1) this.#take(frames[this.#followed]);
  }

  #take({ t, boxes }) {
    for (const [track, , x1, , x2, y2] of boxes) {
      if (!this.#points.has(track)) this.#points.set(track, []);
      this.#points.get(track).push({ t, at_px: [(x1 + x2) / 2, y2] });
    }
  }

  /** The points of one track between two instants. */
  of(track, from_s, to_s) {
    const points = this.#points.get(track) ?? [];
    const end = nearest(points, to_s);
    let begin = end;
    while (begin > 0 && points[begin - 1].t >= from_s) begin -= 1;
    return points.slice(begin, end + 1).map((one) => one.at_px);
  }
}

/** The passages of each track. */
function byTrack(passages) {
  const found = new Map();
  for (const one of passages) found.set(one.track, [...(found.get(one.track) ?? []), one]);
  return found;
}
