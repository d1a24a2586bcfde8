/**
 * Mouse, pen and fingers on the stage. A gesture keeps its own state and writes a draft into the
 * store; only its end makes a command.
 *
 * Draw tool: a drag draws, over other boxes too; a click selects what it hits, or starts a box
 * that the second click ends; the selected box is resized at its handles and moved at its line.
 * Move tool (or Ctrl): a drag moves the box under the pointer, or the picture. Shift+drag selects.
 * Space, middle button: the picture. Two fingers: zoom and pan. A finger that rests on a box takes it
 * into the selection, or out of it.
 */
import { place } from "./commands.js";
import { bigEnough, boxBetween, groupShift, moveBox, resizeBox } from "./geometry.js";
import { annotationsAt, cycle, handleAt, onStroke, topAt, touchedBy } from "./hit.js";
import { settings } from "./settings.js";

/** Less movement than this, in CSS pixels, is a click. */
const CLICK = 4;
/** A finger that rests so long is no tap. */
const REST_MS = 500;
const CURSORS = { nw: "nwse-resize", se: "nwse-resize", ne: "nesw-resize", sw: "nesw-resize", n: "ns-resize", s: "ns-resize", e: "ew-resize", w: "ew-resize" };

export class Pointer {
  /** @param {import("./main.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.store = editor.store;
    this.view = editor.view;
    this.stage = editor.stage;
    /** @type {Map<number, {x: number, y: number}>} */
    this.touches = new Map();
    this.gesture = null;
    /** @type {{x: number, y: number}|null} the first corner of a box drawn by two clicks */
    this.anchor = null;
    /** The next click starts a box whatever lies under it. */
    this.armed = false;
    /** Whether the last box was drawn by two clicks: then the next click starts another. */
    this.clicking = false;
    this.space = false;
    this.penSeen = false;
    this.at = null;
    this.#listen();
  }

  #listen() {
    const on = (type, handler, options) => this.stage.addEventListener(type, handler, options);
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event));
    on("pointercancel", (event) => this.#lost(event));
    on("pointerleave", () => this.#leave());
    on("wheel", (event) => this.#wheel(event), { passive: false });
    // A quick stroke ends in no fling, which would swallow the next tap, wherever it goes.
    on("touchstart", (event) => event.target.closest("button, a, .pop, #stage-note") || event.preventDefault(), { passive: false });
    on("auxclick", (event) => event.preventDefault());
    on("dblclick", (event) => event.preventDefault());
    this.store.on("document tool", () => this.cancel());
  }

  // ---- Events

  #down(event) {
    if (event.target.closest("#zoom, #stage-note") || !this.store.document) return;
    if (document.activeElement !== this.stage) this.editor.focusStage();
    const at = this.#locate(event);
    if (event.pointerType === "pen") this.penSeen = true;
    if (event.pointerType === "touch") {
      this.touches.set(event.pointerId, at);
      if (this.touches.size === 2) return this.#startPinch();
      if (this.touches.size > 2) return;
    }
    if (event.button > 1 || this.gesture) return;
    event.preventDefault();
    this.stage.setPointerCapture(event.pointerId);
    this.gesture = this.#begin(event, at);
    this.gesture.pointerId = event.pointerId;
    clearTimeout(this.resting);
    if (event.pointerType === "touch") this.resting = setTimeout(() => this.#rested(at), REST_MS);
    this.editor.crosshair.hide(event.pointerType === "touch");
  }

  /** A finger has not moved for a while: what Shift and a click are for a mouse. */
  #rested(at) {
    const { store, gesture } = this;
    if (!gesture || gesture.moved || gesture.kind === "pinch" || store.hidden) return;
    const hit = topAt(store.touchable, at.ix, at.iy, 12 / this.view.scale);
    if (!hit) return;
    gesture.kind = "rested";
    toggle(store, hit.id);
    this.editor.say(`${store.selection.size} selected.`);
  }

  /** Which gesture starts here. */
  #begin(event, at) {
    const { store } = this;
    const touch = event.pointerType === "touch";
    const start = { x0: at.ix, y0: at.iy, sx: at.x, sy: at.y, touch, moved: false };
    if (event.button === 1 || this.space) return { ...start, kind: "pan" };
    if (this.anchor) return { ...start, kind: "draw", x0: this.anchor.x, y0: this.anchor.y, second: true };
    const tolerance = (touch ? 18 : 6) / this.view.scale;
    const { single } = store;
    if (store.canEdit && single && !store.hidden && !event.altKey && !event.shiftKey && !this.armed) {
      const handle = handleAt(single, at.ix, at.iy, tolerance);
      if (handle) return { ...start, kind: "resize", handle, box: single };
      if (onStroke(single, at.ix, at.iy, tolerance / 1.5)) return { ...start, kind: "move", boxes: [single] };
    }
    // A palm beside the pen draws nothing.
    if (touch && (this.penSeen || settings.fingerPans)) return { ...start, kind: "pan" };
    if (event.shiftKey) return { ...start, kind: "marquee" };
    if (store.tool === "draw" && !(event.ctrlKey || event.metaKey)) return { ...start, kind: "draw" };
    const hit = store.hidden ? null : topAt(store.touchable, at.ix, at.iy, tolerance / 2);
    if (!hit || !store.canEdit) return { ...start, kind: "pan" };
    const grabbed = store.selection.has(hit.id) ? store.selected : [hit];
    return { ...start, kind: "move", boxes: grabbed };
  }

  #move(event) {
    const at = this.#locate(event);
    this.at = at;
    if (this.touches.has(event.pointerId)) {
      this.touches.set(event.pointerId, at);
      if (this.gesture?.kind === "pinch") return this.#pinch();
    }
    const { gesture } = this;
    if (gesture && gesture.pointerId === event.pointerId) {
      gesture.moved ||= Math.hypot(at.x - gesture.sx, at.y - gesture.sy) >= CLICK;
      if (gesture.moved || gesture.second) this.#drag(gesture, at);
    } else if (this.anchor) this.#draw(this.anchor.x, this.anchor.y, at);
    if (event.pointerType !== "touch") {
      this.editor.crosshair.move(at, this.store.draft);
      if (!gesture) this.#hover(at);
    }
  }

  #drag(gesture, at) {
    const { width, height } = this.store.document;
    const [dx, dy] = [at.ix - gesture.x0, at.iy - gesture.y0];
    if (gesture.kind === "pan") {
      this.view.panBy(at.x - (gesture.lastX ?? gesture.sx), at.y - (gesture.lastY ?? gesture.sy));
      [gesture.lastX, gesture.lastY] = [at.x, at.y];
      this.editor.viewChanged();
    } else if (gesture.kind === "draw") this.#draw(gesture.x0, gesture.y0, at);
    else if (gesture.kind === "marquee") {
      const marquee = boxBetween(gesture.x0, gesture.y0, at.ix, at.iy, width, height);
      this.store.setDraft({ boxes: new Map(), drawn: null, marquee });
    } else if (gesture.kind === "resize") {
      const box = resizeBox(gesture.box, gesture.handle, at.ix, at.iy, width, height, Math.max(1, settings.minSize));
      this.store.setDraft({ boxes: new Map([[gesture.box.id, box]]), drawn: null, marquee: null });
    } else if (gesture.kind === "move") {
      if (!this.store.selection.has(gesture.boxes[0].id)) this.store.select([gesture.boxes[0].id]);
      const shift = groupShift(gesture.boxes, dx, dy, width, height);
      const moved = gesture.boxes.map((box) => [box.id, moveBox(box, shift.dx, shift.dy, width, height)]);
      this.store.setDraft({ boxes: new Map(moved), drawn: null, marquee: null });
    }
  }

  #draw(x0, y0, at) {
    const { width, height } = this.store.document;
    const drawn = boxBetween(x0, y0, at.ix, at.iy, width, height);
    this.store.setDraft({ boxes: new Map(), drawn, marquee: null });
  }

  #up(event) {
    this.touches.delete(event.pointerId);
    const { gesture } = this;
    if (gesture?.kind === "pinch") {
      if (!this.touches.size) this.gesture = null;
      return;
    }
    if (!gesture || gesture.pointerId !== event.pointerId) return;
    this.gesture = null;
    const at = this.#locate(event);
    clearTimeout(this.resting);
    if (gesture.kind === "rested") return;
    if (gesture.second) this.#finishSecond(gesture, at);
    else if (gesture.moved) this.#finish(gesture);
    else this.#click(event, gesture, at);
    this.#hover(at);
  }

  #finishSecond(gesture, at) {
    const { x, y } = this.anchor;
    this.anchor = null;
    this.#draw(x, y, at);
    this.#finish(gesture);
  }

  #finish(gesture) {
    const { store } = this;
    const { draft } = store;
    this.armed = false;
    store.setDraft(null);
    if (gesture.kind === "pan") this.spaceUsed = true;
    if (!draft) return;
    this.clicking = Boolean(gesture.second);
    if (draft.drawn) this.#keepDrawn(draft.drawn);
    else if (draft.marquee) this.#selectIn(draft.marquee);
    else {
      store.execute(place(store.annotations, draft.boxes, gesture.kind === "resize" ? "Resize" : "Move"));
    }
  }

  #keepDrawn(box) {
    const least = Math.max(1, settings.minSize);
    if (bigEnough(box, least)) this.editor.addBox(box);
    else this.editor.tell(`Smaller than ${least} × ${least} px: not kept.`);
  }

  #selectIn(marquee) {
    const ids = touchedBy(this.store.touchable, marquee).map((annotation) => annotation.id);
    this.store.select([...this.store.selection, ...ids]);
    this.editor.say(`${this.store.selection.size} selected.`);
  }

  /** A press and release in one place. */
  #click(event, gesture, at) {
    const { store } = this;
    store.setDraft(null);
    if (event.button === 1 || this.space) return;
    const tolerance = (gesture.touch ? 12 : 3) / this.view.scale;
    const hits = store.hidden || this.armed ? [] : annotationsAt(store.touchable, at.ix, at.iy, tolerance);
    if (hits.length) {
      const hit = event.altKey ? cycle(hits, [...store.selection].at(-1) ?? null) : hits[0];
      if (event.shiftKey) toggle(store, hit.id);
      else store.select([hit.id]);
      return;
    }
    const starts = this.armed || this.clicking || !store.selection.size;
    store.select([]);
    if (!starts) return;
    if (store.tool !== "draw" || gesture.touch || event.ctrlKey || event.metaKey) return;
    this.anchor = { x: at.ix, y: at.iy };
    this.armed = false;
    this.#draw(at.ix, at.iy, at);
    this.editor.tell("First corner. Click the opposite one; Esc gives up.");
  }

  #lost(event) {
    this.touches.delete(event.pointerId);
    this.cancel();
  }

  #leave() {
    this.at = null;
    this.editor.crosshair.hide(true);
  }

  // ---- Fingers and wheel

  #startPinch() {
    this.cancel();
    const [a, b] = [...this.touches.values()];
    this.gesture = { kind: "pinch", distance: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  }

  #pinch() {
    const { gesture } = this;
    const [a, b] = [...this.touches.values()];
    if (!b) return;
    const [x, y, distance] = [(a.x + b.x) / 2, (a.y + b.y) / 2, Math.max(1, Math.hypot(a.x - b.x, a.y - b.y))];
    this.view.panBy(x - gesture.x, y - gesture.y);
    this.view.zoomAt(x, y, distance / Math.max(1, gesture.distance));
    Object.assign(gesture, { x, y, distance });
    this.editor.viewChanged();
  }

  #wheel(event) {
    event.preventDefault();
    if (!this.store.document) return;
    const at = this.#locate(event);
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? this.view.stage.height : 1;
    if (event.shiftKey) this.view.panBy(-(event.deltaX || event.deltaY) * unit, 0);
    else {
      // A pinch on a trackpad comes as a wheel with Ctrl and small steps.
      const speed = event.ctrlKey ? 0.01 : 0.0018;
      this.view.zoomAt(at.x, at.y, Math.exp(-event.deltaY * unit * speed));
    }
    this.editor.viewChanged();
    this.editor.crosshair.move(this.#locate(event), this.store.draft);
  }

  // ---- What the pointer shows

  #hover(at) {
    const { store } = this;
    if (this.space || this.gesture?.kind === "pan") return this.#cursor("grab");
    const tolerance = 6 / this.view.scale;
    const { single } = store;
    if (single && store.canEdit && !store.hidden && !this.anchor && !this.armed) {
      const handle = handleAt(single, at.ix, at.iy, tolerance);
      if (handle) return this.#cursor(CURSORS[handle]);
      if (onStroke(single, at.ix, at.iy, tolerance / 1.5)) return this.#cursor("move");
    }
    if (store.tool === "draw") return this.#cursor("crosshair");
    this.#cursor(topAt(store.touchable, at.ix, at.iy, tolerance / 2) ? (store.canEdit ? "move" : "pointer") : "grab");
  }

  #cursor(name) {
    if (this.cursor === name) return;
    this.cursor = name;
    this.stage.style.cursor = name;
  }

  // ---- For keys

  /** Space is down: drags move the picture. @param {boolean} down @returns {boolean} whether it was used */
  holdSpace(down) {
    const used = this.spaceUsed;
    this.space = down;
    this.spaceUsed = false;
    this.#cursor(down ? "grab" : this.store.tool === "draw" ? "crosshair" : "grab");
    return Boolean(used);
  }

  /** The next click starts a box even on another box. */
  arm() {
    this.armed = true;
    this.editor.say("Click or drag to draw.");
  }

  /** Give up a gesture. @returns {boolean} whether there was one */
  cancel() {
    const had = Boolean(this.gesture || this.anchor || this.armed || this.store.draft);
    this.gesture = null;
    this.anchor = null;
    this.armed = false;
    if (this.store.draft) this.store.setDraft(null);
    return had;
  }

  #locate(event) {
    const { left, top } = this.editor.stageRect;
    const x = event.clientX - left;
    const y = event.clientY - top;
    const [ix, iy] = this.view.toImage(x, y);
    return { x, y, ix, iy };
  }
}

function toggle(store, id) {
  const next = new Set(store.selection);
  if (!next.delete(id)) next.add(id);
  store.select(next);
}
