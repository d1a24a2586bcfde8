/**
 * The one transform between image pixels and the screen's CSS pixels. Pure.
 * screen = image * scale + (x, y)
 */
import { clamp } from "./geometry.js";

const MARGIN = 24;
const MAX_SCALE = 64;
/** At least this much of the picture stays on the stage. */
const KEEP = 48;

export class Viewport {
  constructor() {
    this.stage = { width: 1, height: 1 };
    this.image = { width: 1, height: 1 };
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    /** Whether the whole picture is kept in view when the stage changes its size. */
    this.fitted = true;
  }

  /** @returns {number} the scale at which the whole picture shows */
  get fitScale() {
    const margin = Math.min(MARGIN, this.stage.width / 16);
    return Math.max(
      1e-3,
      Math.min((this.stage.width - 2 * margin) / this.image.width, (this.stage.height - 2 * margin) / this.image.height),
    );
  }

  /** @param {number} x @param {number} y @returns {[number, number]} */
  toScreen(x, y) {
    return [x * this.scale + this.x, y * this.scale + this.y];
  }

  /** @param {number} x @param {number} y @returns {[number, number]} */
  toImage(x, y) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  /** What of the image the stage shows, in image pixels. @returns {import("./types.js").Box} */
  get visible() {
    const [xmin, ymin] = this.toImage(0, 0);
    const [xmax, ymax] = this.toImage(this.stage.width, this.stage.height);
    return { xmin, ymin, xmax, ymax };
  }

  /** @param {{width: number, height: number}} image @param {boolean} keep keep zoom and place */
  setImage(image, keep) {
    const [cx, cy] = this.toImage(this.stage.width / 2, this.stage.height / 2);
    const at = [cx / this.image.width, cy / this.image.height];
    this.image = { width: image.width, height: image.height };
    if (!keep || this.fitted) return this.fit();
    this.x = this.stage.width / 2 - at[0] * image.width * this.scale;
    this.y = this.stage.height / 2 - at[1] * image.height * this.scale;
    this.#hold();
  }

  /** @param {number} width @param {number} height */
  setStage(width, height) {
    if (!this.fitted) {
      this.x += (width - this.stage.width) / 2;
      this.y += (height - this.stage.height) / 2;
    }
    this.stage = { width: Math.max(1, width), height: Math.max(1, height) };
    if (this.fitted) this.fit();
    else this.#hold();
  }

  fit() {
    this.scale = this.fitScale;
    this.x = (this.stage.width - this.image.width * this.scale) / 2;
    this.y = (this.stage.height - this.image.height * this.scale) / 2;
    this.fitted = true;
  }

  /** Zoom by `factor` with the image point under (x, y) of the stage kept where it is. */
  zoomAt(x, y, factor) {
    this.setScale(this.scale * factor, x, y);
  }

  /** @param {number} scale CSS pixels an image pixel @param {number} x @param {number} y */
  setScale(scale, x = this.stage.width / 2, y = this.stage.height / 2) {
    const next = clamp(scale, Math.min(this.fitScale / 4, 0.05), MAX_SCALE);
    const [ix, iy] = this.toImage(x, y);
    this.scale = next;
    this.x = x - ix * next;
    this.y = y - iy * next;
    this.fitted = false;
    this.#hold();
  }

  panBy(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.#hold();
  }

  /** Bring a box into view, moving no more than is needed. @param {import("./types.js").Box} box */
  reveal(box) {
    const visible = this.visible;
    const inside =
      box.xmin >= visible.xmin && box.xmax <= visible.xmax && box.ymin >= visible.ymin && box.ymax <= visible.ymax;
    if (inside) return;
    const [x, y] = this.toScreen((box.xmin + box.xmax) / 2, (box.ymin + box.ymax) / 2);
    this.panBy(this.stage.width / 2 - x, this.stage.height / 2 - y);
  }

  #hold() {
    const w = this.image.width * this.scale;
    const h = this.image.height * this.scale;
    this.x = clamp(this.x, KEEP - w, this.stage.width - KEEP);
    this.y = clamp(this.y, KEEP - h, this.stage.height - KEEP);
  }
}
