/** Two lines through the pointer, and its place in the image. */
import { height, width } from "./geometry.js";
import { settings } from "./settings.js";

export class Crosshair {
  /** @param {{h: HTMLElement, v: HTMLElement, read: HTMLElement}} parts @param {import("./viewport.js").Viewport} view */
  constructor(parts, view) {
    Object.assign(this, parts);
    this.view = view;
    this.shown = false;
  }

  /** @param {{x: number, y: number, ix: number, iy: number}} at @param {{drawn?: object|null, boxes?: Map<string, object>}|null} draft */
  move(at, draft) {
    this.at = at;
    this.draft = draft;
    this.frame ??= requestAnimationFrame(() => this.#draw());
  }

  /** @param {boolean} hidden */
  hide(hidden) {
    if (!hidden) return;
    if (this.frame) cancelAnimationFrame(this.frame);
    this.frame = null;
    if (!this.shown) return;
    this.shown = false;
    this.h.hidden = this.v.hidden = this.read.hidden = true;
  }

  #draw() {
    this.frame = null;
    const { at, view } = this;
    const { image } = view;
    const inside = at.ix >= 0 && at.iy >= 0 && at.ix <= image.width && at.iy <= image.height;
    this.shown = true;
    this.h.hidden = this.v.hidden = !settings.crosshair;
    this.read.hidden = !settings.crosshair || !(inside || this.draft);
    const [x, y] = [Math.round(at.x), Math.round(at.y)];
    this.h.style.transform = `translateY(${y}px)`;
    this.v.style.transform = `translateX(${x}px)`;
    const box = this.draft?.drawn ?? (this.draft?.boxes?.size === 1 ? [...this.draft.boxes.values()][0] : null);
    this.read.textContent = box
      ? `${Math.round(width(box))} × ${Math.round(height(box))}`
      : `${Math.floor(at.ix)}, ${Math.floor(at.iy)}`;
    const left = x + 10 + 84 > view.stage.width ? x - 84 : x + 10;
    const top = y + 10 + 24 > view.stage.height ? y - 30 : y + 10;
    this.read.style.transform = `translate(${left}px,${top}px)`;
  }
}
