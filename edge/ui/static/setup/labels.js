// Words over the film, each on a dark ground of its own, for the picture below may be anything. Words are drawn once
// and kept, for drawing text is what takes time; and no label lies over another.

import { FACES, widthOf } from "./letters.js";

const MAX_WORDS = 300; // pieces of text that are kept
const SMALL_PX = 500; // a picture less wide, as on a telephone, is written into in smaller letters
const APART_PX = 2;

export const GROUND = "rgba(13, 16, 20, 0.86)";

export class Labels {
  #canvas;
  #ratio = 1;
  #known = new Map();
  #taken = []; // rectangles of this picture's labels: [left, top, right, bottom]

  height = 20; // of a label, in CSS pixels

  constructor(canvas) {
    this.#canvas = canvas;
  }

  /** The canvas has another size: `ratio` device pixels in each of CSS. */
  fit(ratio) {
    this.height = this.#canvas.clientWidth < SMALL_PX ? 16 : 20;
    this.#ratio = ratio;
    this.#known.clear();
  }

  /** A new picture: all of it is free. */
  begin() {
    this.#taken = [];
  }

  /** { image, width } of words in a colour. `sign` draws what stands before them. */
  of(words, colour, sign = null) {
    const key = `${colour}${words}`;
    const known = this.#known.get(key);
    if (known) return known;
    if (this.#known.size >= MAX_WORDS) this.#known.clear();
    const label = this.#written(words, colour, sign);
    this.#known.set(key, label);
    return label;
  }

  /** Whether a label finds room with its corner here; if so it is put there. */
  fits(label, [x, y]) {
    const place = this.#within(label, x, y);
    if (this.#taken.some((one) => overlap(one, place))) return false;
    this.#put(label, place);
    return true;
  }

  /** Put a label here, or below those that lie here already. */
  putBelow(label, [x, y]) {
    let top = y;
    while (!this.fits(label, [x, top])) top += this.height + APART_PX;
  }

  /** Inside the picture at its sides and its upper edge; below there is always room, be it out of sight. */
  #within({ width }, x, y) {
    const left = Math.max(0, Math.min(x, this.#canvas.clientWidth - width));
    return [left, Math.max(0, y), left + width, Math.max(0, y) + this.height];
  }

  #put({ image, width }, place) {
    this.#taken.push(place);
    this.#canvas.getContext("2d").drawImage(image, place[0], place[1], width, this.height);
  }

  #written(words, colour, sign) {
    const { height } = this;
    const room = sign ? 18 : 0;
    const width = Math.ceil(widthOf(words, height * 0.6, 600)) + 14 + room;
    const image = document.createElement("canvas");
    const context = image.getContext("2d");
    image.width = Math.ceil(width * this.#ratio);
    image.height = Math.ceil(height * this.#ratio);
    context.scale(image.width / width, image.height / height);
    context.fillStyle = GROUND;
    context.beginPath();
    context.roundRect(0, 0, width, height, 4);
    context.fill();
    sign?.(context);
    context.font = `600 ${height * 0.6}px ${FACES}`;
    context.textBaseline = "middle";
    context.fillStyle = colour;
    context.fillText(words, 7 + room, height / 2 + 0.5);
    return { image, width };
  }
}

const overlap = (a, b) =>
  a[0] < b[2] + APART_PX && b[0] < a[2] + APART_PX && a[1] < b[3] + APART_PX && b[1] < a[3] + APART_PX;
