/**
 * Two canvases over the picture: the static one has the boxes that rest, the active one the
 * selected boxes and what a gesture is making. Each is drawn at most once a frame, and the static
 * one only when something on it changed. Boxes are culled to the view; strokes do not scale.
 *
 * @typedef {import("./types.js").Annotation} Annotation
 * @typedef {import("./types.js").Box} Box
 */
import { CHIP_HEIGHT, placeChips } from "./chips.js";
import { HANDLES, boxOf, handlePoint, overlaps } from "./geometry.js";

const HALO = "rgb(10 13 14 / .62)";
const CHIP_EDGE = "rgb(10 13 14 / .62)";
const DARK_CHIP = "rgb(10 13 14 / .86)";
const DASH = [7, 5];
const HANDLE = 10;
const LINE = 2;
/** Resting lines may cover this share of the picture before they get thinner. */
const MOST_COVERED = 0.4;
/** With more boxes in view than this only the selected ones carry their names. */
const MOST_CHIPS = 150;

export class Renderer {
  /**
   * @param {{still: HTMLCanvasElement, active: HTMLCanvasElement}} canvases
   * @param {import("./store.js").Store} store
   * @param {import("./viewport.js").Viewport} view
   */
  constructor(canvases, store, view) {
    this.store = store;
    this.view = view;
    this.still = canvases.still.getContext("2d");
    this.active = canvases.active.getContext("2d");
    const tokens = getComputedStyle(document.documentElement);
    this.ink = tokens.getPropertyValue("--ink").trim() || "black";
    const family = tokens.getPropertyValue("--font") || "sans-serif";
    this.font = `600 12px ${family}`;
    this.lightFont = `500 12px ${family}`;
    this.widths = new Map();
    /** @type {{mine: Annotation|null, theirs: Annotation|null}|null} two versions to choose from */
    this.conflict = null;
    /** @type {Map<string, string>} what the server said of boxes that it did not take */
    this.refused = new Map();
    this.#listen();
  }

  #listen() {
    this.store.on("document boxes selection labels shown", () => this.invalidate());
    this.store.on("draft", () => this.invalidateActive());
  }

  /** @param {number} width @param {number} height of the stage, in CSS pixels */
  resize(width, height) {
    this.ratio = window.devicePixelRatio || 1;
    for (const { canvas } of [this.still, this.active]) {
      canvas.width = Math.round(width * this.ratio);
      canvas.height = Math.round(height * this.ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    this.invalidate();
  }

  /** Draw both canvases in the next frame. */
  invalidate() {
    this.stale = true;
    this.invalidateActive();
  }

  invalidateActive() {
    this.frame ??= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.frame = null;
    const chips = this.#chips();
    if (this.stale) this.#drawStill(chips);
    this.stale = false;
    this.#drawActive(chips);
  }

  #clear(context) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
  }

  // ---- Resting boxes

  #drawStill(chips) {
    const context = this.still;
    this.#clear(context);
    if (this.store.hidden) return;
    const visible = this.view.visible;
    const { selection } = this.store;
    /** @type {Map<string, Float64Array[]>} screen rectangles by colour, then by dash */
    const solid = new Map();
    const dashed = new Map();
    const all = [];
    for (const annotation of this.store.shown) {
      if (selection.has(annotation.id) || !overlaps(annotation, visible)) continue;
      const rectangle = this.#rectangle(annotation);
      const groups = annotation.status === "suggested" ? dashed : solid;
      const color = this.#color(annotation);
      if (!groups.has(color)) groups.set(color, []);
      groups.get(color).push(rectangle);
      all.push(rectangle);
    }
    const line = this.#lineWidth(all);
    strokeAll(context, all, HALO, 2 * line, []);
    for (const [color, rectangles] of solid) strokeAll(context, rectangles, color, line, []);
    for (const [color, rectangles] of dashed) strokeAll(context, rectangles, color, line, DASH);
    for (const chip of chips) if (!selection.has(chip.id)) this.#drawChip(context, chip);
  }

  /** Lines are 2 px wide; where so many small boxes are in view that they cover the picture, 1 px. */
  #lineWidth(rectangles) {
    let covered = 0;
    for (const [, , w, h] of rectangles) covered += 2 * LINE * 2 * (w + h);
    const { width, height } = this.view.image;
    return covered > MOST_COVERED * width * height * this.view.scale ** 2 ? LINE / 2 : LINE;
  }

  // ---- The selection and gestures

  #drawActive(chips) {
    const context = this.active;
    const { store } = this;
    this.#clear(context);
    const { draft } = store;
    if (!store.hidden) {
      const selected = store.selected;
      for (const annotation of selected) {
        const box = draft?.boxes.get(annotation.id) ?? annotation;
        if (overlaps(box, this.view.visible)) this.#drawSelected(context, box, annotation);
      }
      for (const chip of chips) if (store.selection.has(chip.id)) this.#drawChip(context, chip);
      if (selected.length === 1 && store.canEdit && !draft?.drawn) {
        this.#drawHandles(context, draft?.boxes.get(selected[0].id) ?? selected[0]);
      }
    }
    if (draft?.drawn) this.#drawDrawn(context, draft.drawn);
    if (draft?.marquee) strokeAll(context, [this.#rectangle(draft.marquee)], "white", 1.5, [4, 4], HALO);
    if (this.conflict) this.#drawConflict(context, this.conflict);
  }

  #drawSelected(context, box, annotation) {
    const rectangle = [this.#rectangle(box)];
    strokeAll(context, rectangle, "white", 6, []);
    strokeAll(context, rectangle, HALO, 4, []);
    strokeAll(context, rectangle, this.#color(annotation), 2, annotation.status === "suggested" ? DASH : []);
  }

  #drawDrawn(context, box) {
    const rectangle = [this.#rectangle(box)];
    const color = this.store.labelsById.get(this.store.activeLabelId)?.color ?? "white";
    strokeAll(context, rectangle, HALO, 4, []);
    strokeAll(context, rectangle, color, 2, []);
  }

  #drawHandles(context, box) {
    context.lineWidth = 1.5;
    context.strokeStyle = this.ink;
    context.fillStyle = "white";
    const [, , w, h] = this.#rectangle(box);
    for (const handle of HANDLES) {
      if ((handle === "n" || handle === "s") && w < 3 * HANDLE) continue;
      if ((handle === "w" || handle === "e") && h < 3 * HANDLE) continue;
      const [x, y] = this.view.toScreen(...handlePoint(box, handle));
      context.beginPath();
      context.roundRect(x - HANDLE / 2, y - HANDLE / 2, HANDLE, HANDLE, 2);
      context.fill();
      context.stroke();
    }
  }

  #drawConflict(context, { mine, theirs }) {
    const versions = [[theirs, "Theirs", DASH], [mine, "Mine", []]].filter(([version]) => version);
    for (const [version, , dash] of versions) {
      const rectangle = [this.#rectangle(version)];
      strokeAll(context, rectangle, "white", 6, []);
      strokeAll(context, rectangle, HALO, 4, []);
      strokeAll(context, rectangle, this.#color(version), 2, dash);
    }
    for (const [version, name] of versions) {
      const text = `${name}: ${this.store.labelName(version.label_id)}`;
      const width = this.#textWidth(text) + 26;
      const [x, y, w, h] = this.#rectangle(version);
      const place = version === mine ? [x - 2, Math.max(2, y - 24)] : [x + w + 2 - width, Math.min(y + h + 4, this.view.stage.height - 24)];
      this.#drawChip(context, { text, width, x: place[0], y: place[1], color: this.#color(version), dark: true });
    }
  }

  // ---- Chips

  /** Names of the boxes in view and where they go. */
  #chips() {
    const { store, view } = this;
    if (store.hidden || !store.document) return [];
    const visible = view.visible;
    let named = store.shown.filter((annotation) => overlaps(annotation, visible));
    if (named.length > MOST_CHIPS) named = named.filter((one) => store.selection.has(one.id) || this.refused.has(one.id));
    if (named.length > MOST_CHIPS) return [];
    const wanted = named.map((annotation) => this.#wantedChip(annotation));
    wanted.sort((a, b) => b.order - a.order);
    return placeChips(wanted, view.stage)
      .map((place, i) => place && { ...wanted[i], x: place.x, y: place.y })
      .filter(Boolean);
  }

  #wantedChip(annotation) {
    const suggested = annotation.status === "suggested";
    const label = this.store.labelsById.get(annotation.label_id);
    const number = label && label.class_id > 12 ? `${label.class_id} ` : "";
    let text = number + this.store.labelName(annotation.label_id);
    if (suggested && annotation.score !== null) text += ` ${Math.round(annotation.score * 100)} %`;
    if (annotation.difficult) text += " · difficult";
    if (annotation.truncated) text += " · truncated";
    if (annotation.crowd) text += " · crowd";
    if (this.refused.has(annotation.id)) text = `Not saved: ${this.refused.get(annotation.id)}`;
    const box = boxOf(this.store.draft?.boxes.get(annotation.id) ?? annotation);
    const [x, y, w, h] = this.#rectangle(box);
    const selected = this.store.selection.has(annotation.id);
    return {
      id: annotation.id,
      text,
      color: this.#color(annotation),
      dark: suggested || this.refused.has(annotation.id),
      order: (selected ? 4 : 0) + (suggested ? (annotation.score ?? 0) : 2),
      must: selected,
      width: this.#textWidth(text) + 12 + (suggested ? 13 : 0),
      ...{ xmin: x, ymin: y, xmax: x + w, ymax: y + h },
    };
  }

  #drawChip(context, { x, y, width, text, color, dark }) {
    context.beginPath();
    context.roundRect(x, y, width, CHIP_HEIGHT, 4);
    context.fillStyle = dark ? DARK_CHIP : color;
    context.fill();
    if (!dark) {
      context.strokeStyle = CHIP_EDGE;
      context.lineWidth = 1;
      context.stroke();
    }
    let left = x + 6;
    if (dark) {
      context.beginPath();
      context.roundRect(left, y + 6, 8, 8, 2);
      context.fillStyle = color;
      context.fill();
      left += 13;
    }
    context.font = dark ? this.lightFont : this.font;
    context.textBaseline = "middle";
    context.fillStyle = dark ? "white" : this.#textOn(color);
    context.fillText(text, left, y + CHIP_HEIGHT / 2 + 0.5);
  }

  #textWidth(text) {
    let width = this.widths.get(text);
    if (width === undefined) {
      this.active.font = this.font;
      width = Math.ceil(this.active.measureText(text).width);
      this.widths.set(text, width);
    }
    return width;
  }

  /** @param {string} color "#RRGGBB" */
  #textOn(color) {
    const [r, g, b] = [1, 3, 5].map((at) => {
      const value = parseInt(color.slice(at, at + 2), 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    return (luminance + 0.05) / 0.055 >= 4.5 ? this.ink : "white";
  }

  // ---- Geometry on the screen

  #color(annotation) {
    return this.store.labelsById.get(annotation.label_id)?.color ?? "white";
  }

  /** The box on the screen, on whole device pixels so that its lines are crisp. @param {Box} box */
  #rectangle(box) {
    const { ratio } = this;
    const snap = (value) => Math.round(value * ratio) / ratio;
    const [x0, y0] = this.view.toScreen(box.xmin, box.ymin);
    const [x1, y1] = this.view.toScreen(box.xmax, box.ymax);
    return [snap(x0), snap(y0), snap(x1) - snap(x0), snap(y1) - snap(y0)];
  }
}

/** One strokeRect a box: measured faster than one path with all of them. */
function strokeAll(context, rectangles, color, lineWidth, dash, under = null) {
  if (!rectangles.length) return;
  // Mitred corners keep the rasterizer on its quick way for rectangles; round ones cost it a path each.
  context.lineJoin = "miter";
  if (under) {
    context.setLineDash([]);
    context.strokeStyle = under;
    context.lineWidth = lineWidth + 2;
    for (const [x, y, w, h] of rectangles) context.strokeRect(x, y, w, h);
  }
  context.strokeStyle = color;
  context.lineWidth = lineWidth;
  context.setLineDash(dash);
  for (const [x, y, w, h] of rectangles) context.strokeRect(x, y, w, h);
  context.setLineDash([]);
}
