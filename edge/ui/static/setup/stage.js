// The picture as it is looked at: zoomed, panned, and pointed at. Film, overlay and drawing lie in one layer that is
// moved as a whole; whoever draws is asked first whether a pointer takes hold of something.

const LARGEST = 24;
const FINGER_PX = 22; // how near a finger comes to what it means
const MOUSE_PX = 11;

export class Stage {
  #view;
  #layers;
  #scale = 1;
  #shift = [0, 0]; // of the layer's corner, in screen pixels
  #pointers = new Map(); // where each pointer is on the screen
  #drag = null; // { move, end, cancel } of what is being dragged
  #changed;

  /** `grab(point, reach, event)` gives a drag, or null where there is nothing to take hold of. */
  grab = () => null;
  /** Told where the pointer is while it holds nothing. */
  hover = () => {};

  constructor(view, layers, svg, size, changed) {
    this.#view = view;
    this.#layers = layers;
    this.svg = svg;
    this.size = size;
    this.#changed = changed;
    svg.setAttribute("viewBox", `0 0 ${size[0]} ${size[1]}`);
    view.style.aspectRatio = `${size[0]} / ${size[1]}`;
    view.style.setProperty("--aspect", size[0] / size[1]);
    this.#listen();
    new ResizeObserver(() => this.#move(this.#scale, this.#shift)).observe(view);
  }

  get scale() {
    return this.#scale;
  }

  /** How wide the picture is shown, in CSS pixels. */
  get width() {
    return this.#view.clientWidth;
  }

  /** How many of the picture's pixels one of the screen's shows. */
  get pixel() {
    return this.size[0] / (this.#view.clientWidth * this.#scale || 1);
  }

  /** Where in the picture something on the screen lies. */
  toPicture({ clientX, clientY }) {
    const place = this.#layers.getBoundingClientRect();
    const factor = this.size[0] / place.width;
    return [(clientX - place.left) * factor, (clientY - place.top) * factor];
  }

  /** The part of the picture that is seen, [left, top, right, bottom]. */
  get seen() {
    const { width, height } = this.#view.getBoundingClientRect();
    const [left, top] = this.#shift.map((part) => -part * this.pixel);
    return [left, top, left + width * this.pixel, top + height * this.pixel];
  }

  zoomBy(factor, about = null) {
    const { left, top, width, height } = this.#view.getBoundingClientRect();
    const [x, y] = about ? [about.clientX - left, about.clientY - top] : [width / 2, height / 2];
    const scale = Math.min(Math.max(this.#scale * factor, 1), LARGEST);
    const ratio = scale / this.#scale;
    this.#move(scale, [x - (x - this.#shift[0]) * ratio, y - (y - this.#shift[1]) * ratio]);
  }

  whole() {
    this.#move(1, [0, 0]);
  }

  /** Zoom in until a part of the picture fills a share of the view, of its width or its height. */
  closeUp([left, top, right, bottom], share = 1 / 3) {
    const { width, height } = this.#view.getBoundingClientRect();
    const perPixel = width / this.size[0];
    const wanted = (share * Math.min(width / (right - left), height / (bottom - top))) / perPixel;
    const scale = Math.min(Math.max(wanted, 1), LARGEST);
    const centre = [(left + right) / 2, (top + bottom) / 2].map((part) => part * perPixel * scale);
    this.#move(scale, [width / 2 - centre[0], height / 2 - centre[1]]);
  }

  /** Bring a point into sight, should it be outside. */
  reveal(point) {
    const [left, top, right, bottom] = this.seen;
    if (point[0] >= left && point[0] <= right && point[1] >= top && point[1] <= bottom) return;
    const { width, height } = this.#view.getBoundingClientRect();
    this.#move(this.#scale, [width / 2 - point[0] / this.pixel, height / 2 - point[1] / this.pixel]);
  }

  #move(scale, [x, y]) {
    const { width, height } = this.#view.getBoundingClientRect();
    const within = (value, length) => Math.min(Math.max(value, length * (1 - scale)), 0);
    this.#scale = scale;
    this.#shift = [within(x, width), within(y, height)];
    this.#layers.style.transform = `translate(${this.#shift[0]}px, ${this.#shift[1]}px) scale(${scale})`;
    this.svg.style.setProperty("--px", this.pixel);
    this.#changed();
  }

  #listen() {
    const view = this.#view;
    view.addEventListener("pointerdown", (event) => this.#down(event));
    view.addEventListener("pointermove", (event) => this.#moved(event));
    for (const name of ["pointerup", "pointercancel"]) view.addEventListener(name, (event) => this.#up(event));
    view.addEventListener("mousedown", (event) => event.preventDefault()); // who grabs says what gets the focus
    view.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  #wheel(event) {
    if (this.#scale === 1 && event.deltaY > 0) return; // it cannot become smaller: the page goes on
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    this.zoomBy(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), event);
  }

  #down(event) {
    if (event.target.closest("button, input")) return;
    this.#view.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, event);
    if (this.#pointers.size === 2) {
      this.#drag?.cancel?.();
      this.#drag = null;
    }
    if (this.#pointers.size > 1) return;
    const reach = (event.pointerType === "mouse" ? MOUSE_PX : FINGER_PX) * this.pixel;
    const taken = event.button === 0 ? this.grab(this.toPicture(event), reach, event) : null;
    this.#drag = taken ?? this.#pan(event);
  }

  #pan(from) {
    const [x, y] = this.#shift;
    return {
      move: (_, event) => this.#move(this.#scale, [x + event.clientX - from.clientX, y + event.clientY - from.clientY]),
    };
  }

  #moved(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) {
      this.hover(this.toPicture(event), event);
      return;
    }
    if (this.#pointers.size === 2) this.#pinch(before, event);
    this.#pointers.set(event.pointerId, event);
    if (this.#pointers.size === 1) this.#drag?.move(this.toPicture(event), event);
  }

  /** Two fingers zoom by how they part and pan by how they go together. */
  #pinch(before, now) {
    const other = [...this.#pointers.values()].find((pointer) => pointer.pointerId !== now.pointerId);
    const span = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1;
    const between = { clientX: (now.clientX + other.clientX) / 2, clientY: (now.clientY + other.clientY) / 2 };
    this.zoomBy(span(now, other) / span(before, other), between);
    const [x, y] = this.#shift;
    this.#move(this.#scale, [x + (now.clientX - before.clientX) / 2, y + (now.clientY - before.clientY) / 2]);
  }

  #up(event) {
    if (!this.#pointers.delete(event.pointerId)) return;
    const drag = this.#drag;
    this.#drag = null;
    if (event.type === "pointercancel") drag?.cancel?.();
    else drag?.end?.(this.toPicture(event), event);
  }
}
