// What is drawn over the film at each of its pictures: the vehicles seen in it, where they came from, what the lamps show,
// and the verdict on each vehicle that has just crossed. Colours and words stand on dark grounds of their own, for the
// picture below may be anything; words are drawn once and kept, for drawing text is what takes time.

import { nearest } from "./player.js";
import { bandAt, kindOf, phaseWords, shapeOf, verdictWords } from "./verdicts.js";

const TAIL_S = 1.2;
const MARK_S = 3;
const MAX_RATIO = 2; // more pixels than this cost time and show nothing more
const MAX_WIDTH = 1920;
const MAX_WORDS = 300; // pieces of text that are kept
const SMALL_PX = 500; // a picture less wide, as on a telephone, is written into in smaller letters
const FACES = 'system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif';
const NAMED_PX = 20; // a box less wide goes without its name
const BELOW = 26; // how far below its crossing a verdict is written, clear of the lines there, in CSS pixels
const GROUND = "rgba(13, 16, 20, 0.86)";
const INK = "#f4f6f8";
const SEEN = "#8fc0ff";

const COLOURS = { violation: "#ff6257", green: "#4fd690", amber: "#ffc94a", spared: "#8fc0ff", open: "#d3d8de" };
const LAMPS = { green: ["#35c77b"], amber: ["#ffc233"], red: ["#f4483c"], red_amber: ["#f4483c", "#ffc233"] };

export class Overlay {
  #canvas;
  #context;
  #store;
  #ratio = 1; // device pixels in a CSS pixel
  #height = 20; // of a piece of text, in CSS pixels
  #scale = 1; // CSS pixels in a pixel of the site's grid
  #shapes = new Map();
  #words = new Map();
  #trails = new Trails();
  #passages = { of: null, all: [], byTrack: new Map() };

  shown = true; // whether anything is drawn at all

  constructor(canvas, store) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#store = store;
  }

  /** Take the size at which the canvas is shown. */
  fit() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!width) return;
    this.#height = width < SMALL_PX ? 16 : 20;
    this.#ratio = Math.min(devicePixelRatio || 1, MAX_RATIO, MAX_WIDTH / width);
    this.#scale = width / this.#store.site.camera.size_px[0]; // boxes and lines are in the site's own grid
    this.#canvas.width = Math.round(width * this.#ratio);
    this.#canvas.height = Math.round(height * this.#ratio);
    this.#words.clear();
  }

  /** Draw what belongs to the picture of this instant. */
  draw(t_s) {
    const context = this.#context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    if (!this.shown) return;
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    this.#know();
    this.#drawVehicles(t_s);
    this.#drawPhases(t_s);
    this.#drawVerdicts(t_s);
  }

  /** Sort what is new since the last picture. */
  #know() {
    const { frames, judged } = this.#store;
    this.#trails.follow(frames);
    if (!judged || this.#passages.of === judged) return;
    const all = [...judged.passages].sort((a, b) => a.t_s - b.t_s);
    this.#passages = { of: judged, all, byTrack: byTrack(all) };
  }

  #drawVehicles(t_s) {
    const { frames, video } = this.#store;
    const frame = frames[nearest(frames, t_s)];
    if (!frame || Math.abs(frame.t - t_s) > 0.6 / video.fps) return;
    for (const [track, name, ...box] of frame.boxes) {
      const passed = this.#passages.byTrack.get(track)?.findLast((one) => one.t_s <= t_s);
      const colour = passed ? COLOURS[kindOf(passed.verdict)] : SEEN;
      this.#drawTrail(track, t_s, colour);
      this.#drawBox(box, colour, `${this.#store.t(name)} ${track}`);
    }
  }

  #drawTrail(track, t_s, colour) {
    const path = new Path2D();
    for (const [x, y] of this.#trails.of(track, t_s - TAIL_S, t_s)) path.lineTo(x * this.#scale, y * this.#scale);
    this.#stroke(path, colour, 2);
  }

  #drawBox(box, colour, words) {
    const [x1, y1, x2, y2] = box.map((value) => value * this.#scale);
    const path = new Path2D();
    path.rect(x1, y1, x2 - x1, y2 - y1);
    this.#stroke(path, colour, 2);
    if (x2 - x1 < NAMED_PX) return;
    const label = this.#label(words, colour);
    this.#put(label, x1 - 1, y1 >= this.#height ? y1 - this.#height : y2);
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
    let top = 8;
    for (const [group, { source, bands }] of Object.entries(this.#store.judged?.lamps ?? {})) {
      const band = bandAt(bands, t_s);
      if (!band && source !== "none") continue; // not watched that far
      const [, , phase, fault] = band ?? [0, 0, "unknown", null];
      const said = source === "none" ? this.#store.t("no lamps known") : phaseWords(this.#store, phase, fault);
      const label = this.#label(`${group}: ${said}`, INK, (context) => drawLamp(context, phase, this.#height / 2));
      this.#put(label, 8, top);
      top += this.#height + 4;
    }
  }

  /** For a few seconds after each crossing: where it was, and what is said of it. Newer ones give way downwards. */
  #drawVerdicts(t_s) {
    const taken = [];
    for (const passage of this.#passages.all) {
      if (passage.t_s > t_s || t_s >= passage.t_s + MARK_S) continue;
      const [x, y] = passage.at_px.map((value) => value * this.#scale);
      const colour = COLOURS[kindOf(passage.verdict)];
      this.#drawShape(passage.verdict, x, y, colour);
      const label = this.#label(verdictWords(this.#store, passage), colour);
      this.#put(label, ...this.#free(taken, x - label.width_px / 2, y + BELOW, label.width_px));
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

  /** Where a label finds room: inside the picture, and below those that stand there already. */
  #free(taken, x, y, width) {
    const { clientWidth, clientHeight } = this.#canvas;
    const left = Math.max(4, Math.min(x, clientWidth - width - 4));
    let top = Math.min(y, clientHeight - this.#height - 4);
    const step = this.#height + 3;
    const covers = (one) => Math.abs(one.top - top) < step && one.left < left + width && left < one.left + one.width;
    while (taken.some(covers)) top += step;
    taken.push({ left, top, width });
    return [left, top];
  }

  #put(label, x, y) {
    this.#context.drawImage(label.image, Math.max(x, 0), y, label.width_px, this.#height);
  }

  /** Words on a dark ground, drawn at their first use. `sign` draws what stands before them. */
  #label(words, colour, sign = null) {
    const key = `${colour}${words}`;
    const known = this.#words.get(key);
    if (known) return known;
    if (this.#words.size >= MAX_WORDS) this.#words.clear();
    const label = this.#written(words, colour, sign);
    this.#words.set(key, label);
    return label;
  }

  #written(words, colour, sign) {
    const image = document.createElement("canvas");
    const context = image.getContext("2d");
    const height = this.#height;
    const font = `600 ${height * 0.6}px ${FACES}`;
    context.font = font;
    const room = sign ? 18 : 0;
    const width_px = Math.ceil(context.measureText(words).width) + 14 + room;
    image.width = Math.ceil(width_px * this.#ratio);
    image.height = Math.ceil(height * this.#ratio);
    context.scale(image.width / width_px, image.height / height);
    context.fillStyle = GROUND;
    context.beginPath();
    context.roundRect(0, 0, width_px, height, 4);
    context.fill();
    sign?.(context);
    context.font = font;
    context.textBaseline = "middle";
    context.fillStyle = colour;
    context.fillText(words, 7 + room, height / 2 + 0.5);
    return { image, width_px };
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
