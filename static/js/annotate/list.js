/**
 * The list of boxes: the canvas for those who do not see it or do not point. Only the rows near
 * the view exist, so that thousands of boxes cost nothing; the selected one opens its numbers.
 */
import { element } from "../shell.js";
import { actions, setBox } from "./actions.js";
import { boxFromFields, boxOf, height, width } from "./geometry.js";
import { keyWords } from "./help.js";
import { keyOfAction } from "./keyhints.js";
import { settings } from "./settings.js";

const SPARE = 8;
/** A row's height: fingers get more. */
const rowHeight = () => (matchMedia("(max-width: 640px)").matches ? 40 : 32);

export class BoxList {
  /**
   * @param {{list: HTMLElement, scroller: HTMLElement, count: HTMLElement, empty: HTMLElement}} parts
   * @param {import("./main.js").Editor} editor
   */
  constructor(parts, editor) {
    Object.assign(this, parts);
    this.editor = editor;
    this.store = editor.store;
    /** @type {Map<string, {annotation: object, number: number, total: number, node: HTMLElement}>} */
    this.rows = new Map();
    this.store.on("document boxes labels shown", () => this.refresh());
    this.store.on("selection", () => {
      this.refresh();
      this.#scrollToSelection();
    });
    this.scroller.addEventListener("scroll", () => this.refresh(), { passive: true });
    new ResizeObserver(() => this.refresh()).observe(this.scroller);
    this.list.addEventListener("click", (event) => this.#clicked(event));
    this.list.addEventListener("keydown", (event) => this.#key(event));
    this.list.addEventListener("change", (event) => this.#typed(event));
  }

  /** The boxes of labels that are not hidden. @returns {import("./types.js").Annotation[]} */
  get boxes() {
    const { boxes, hiddenLabels } = this.store;
    return hiddenLabels.size ? boxes.filter((one) => !hiddenLabels.has(one.label_id)) : boxes;
  }

  /** Rebuild what is in view, in the next frame. */
  refresh() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.#render();
    });
  }

  #render() {
    const boxes = this.boxes;
    const total = this.store.boxes.length;
    this.count.textContent = boxes.length === total ? total : `${boxes.length} of ${total}`;
    this.#showEmpty(boxes.length, total);
    const { single } = this.store;
    const open = this.store.canEdit && single ? boxes.findIndex((one) => one.id === single.id) : -1;
    const [first, last] = this.#window(boxes.length);
    const wanted = new Map();
    for (let i = first; i < last; i++) wanted.set(boxes[i].id, i);
    // A row that holds the focus stays, wherever the list was scrolled to.
    for (const [id, row] of this.rows) {
      if (!wanted.has(id) && !row.node.contains(document.activeElement)) {
        row.node.remove();
        this.rows.delete(id);
      }
    }
    let before = null;
    for (let i = last - 1; i >= first; i--) {
      const node = this.#row(boxes[i], i + 1, boxes.length, i === open);
      if (node.nextSibling !== before || node.parentNode !== this.list) this.list.insertBefore(node, before);
      before = node;
    }
    const row = rowHeight();
    this.list.style.paddingTop = `${first * row}px`;
    this.list.style.paddingBottom = `${(boxes.length - last) * row}px`;
    this.#rove(boxes, first);
  }

  #window(total) {
    if (total <= 40) return [0, total];
    const row = rowHeight();
    const top = this.scroller.getBoundingClientRect().top - this.list.getBoundingClientRect().top;
    const first = Math.max(0, Math.min(total, Math.floor(top / row)) - SPARE);
    return [first, Math.min(total, first + Math.ceil(this.scroller.clientHeight / row) + 2 * SPARE)];
  }

  /** One row takes part in the Tab order. */
  #rove(boxes, first) {
    const chosen = boxes.find((one) => this.store.selection.has(one.id) && this.rows.has(one.id)) ?? boxes[first];
    for (const [id, row] of this.rows) row.node.firstChild.tabIndex = id === chosen?.id ? 0 : -1;
  }

  #row(annotation, number, total, isOpen) {
    let row = this.rows.get(annotation.id);
    const selected = this.store.selection.has(annotation.id);
    const color = this.store.labelsById.get(annotation.label_id)?.color ?? "";
    const name = this.store.labelName(annotation.label_id);
    if (!row) {
      row = { node: makeRow(annotation.id) };
      this.rows.set(annotation.id, row);
    }
    const locked = this.store.isLocked(annotation.label_id);
    const key = [number, total, selected, isOpen, color, name, locked].join();
    if (row.annotation === annotation && row.key === key) return row.node;
    Object.assign(row, { annotation, key });
    const [button] = row.node.children;
    const [place, of, swatch, label, , size, where] = button.children;
    place.textContent = number;
    swatch.style.setProperty("--c", color);
    label.textContent = name + (annotation.difficult ? " · difficult" : "") + (annotation.truncated ? " · truncated" : "") + (annotation.crowd ? " · crowd" : "") + (locked ? " · locked" : "");
    const [w, h] = [width(annotation), height(annotation)].map(shortNumber);
    size.textContent = `${w} × ${h}`;
    button.setAttribute("aria-pressed", selected);
    of.textContent = ` of ${total}, `;
    where.textContent = ` at ${shortNumber(annotation.xmin)}, ${shortNumber(annotation.ymin)}`;
    row.node.classList.toggle("on", selected);
    row.node.classList.toggle("open", isOpen);
    this.#fields(row, annotation, isOpen);
    return row.node;
  }

  #fields(row, annotation, isOpen) {
    if (!isOpen) return row.node.querySelector(".numbers")?.remove();
    const numbers = row.node.querySelector(".numbers") ?? row.node.appendChild(makeNumbers());
    const { map } = this.editor.keys;
    const values = { x: annotation.xmin, y: annotation.ymin, w: width(annotation), h: height(annotation) };
    for (const input of numbers.querySelectorAll("input[name]")) {
      if (input !== document.activeElement || !input.dataset.touched) input.value = shortNumber(values[input.name]);
    }
    for (const button of numbers.querySelectorAll("[data-flag]")) {
      button.setAttribute("aria-pressed", Boolean(annotation[button.dataset.flag]));
      button.classList.toggle("on", Boolean(annotation[button.dataset.flag]));
      button.title = withKey(button.textContent, keyOfAction(map, button.dataset.flag));
    }
    numbers.querySelector("[data-act]").title = withKey("Delete", keyOfAction(map, "remove"));
  }

  #showEmpty(count, total) {
    const { canEdit, document: image, usable } = this.store;
    this.empty.hidden = count > 0 || !image;
    if (total) return (this.empty.textContent = "Those that are here are of hidden labels.");
    if (!usable.length) this.empty.textContent = "Boxes need a label first.";
    else if (image?.state === "done") this.empty.textContent = "None: this image is an example of nothing to find.";
    else if (canEdit) this.empty.textContent = "Drag on the picture to draw one. Nothing to find here? Press Done: that counts too.";
    else this.empty.textContent = "Nobody has drawn a box here yet.";
  }

  #scrollToSelection() {
    const { boxes } = this;
    const at = boxes.findIndex((one) => this.store.selection.has(one.id));
    if (at < 0 || boxes.length <= 40) return;
    const list = this.list.getBoundingClientRect();
    const view = this.scroller.getBoundingClientRect();
    const top = list.top - view.top + at * rowHeight();
    if (top < 0 || top > view.height - 4 * rowHeight()) this.scroller.scrollTop += top - view.height / 3;
  }

  // ---- Events

  #clicked(event) {
    const item = event.target.closest("li");
    if (!item) return;
    const button = event.target.closest("button");
    // After a click Space means the image again, not the row.
    if (button && event.detail) this.editor.focusStage();
    const { flag, act } = button?.dataset ?? {};
    if (flag) return actions[flag](this.editor);
    if (act) return actions.remove(this.editor);
    if (!event.target.closest(".name")) return;
    const labelId = this.store.byId(item.dataset.id)?.label_id;
    if (this.store.isLocked(labelId)) return this.editor.tellLocked(labelId);
    const ids = event.shiftKey || event.ctrlKey || event.metaKey ? [...this.store.selection, item.dataset.id] : [item.dataset.id];
    this.store.select(ids);
    this.editor.revealSelection();
  }

  #key(event) {
    const direction = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!direction || !event.target.matches(".name") || event.altKey || event.shiftKey) return;
    event.preventDefault();
    const { boxes } = this;
    const at = boxes.findIndex((one) => one.id === event.target.parentNode.dataset.id) + direction;
    if (at < 0 || at >= boxes.length) return;
    this.store.select([boxes[at].id]);
    this.editor.revealSelection();
    requestAnimationFrame(() => requestAnimationFrame(() => this.rows.get(boxes[at].id)?.node.firstChild.focus()));
  }

  #typed(event) {
    const item = event.target.closest("li");
    const annotation = item && this.store.byId(item.dataset.id);
    const { name, value } = event.target;
    if (!annotation || !name) return;
    delete event.target.dataset.touched;
    const number = Number(value);
    if (value === "" || !Number.isFinite(number)) return this.refreshRow(annotation.id);
    const fields = { x: annotation.xmin, y: annotation.ymin, w: width(annotation), h: height(annotation), [name]: number };
    const { width: imageWidth, height: imageHeight } = this.store.document;
    const box = boxFromFields(fields.x, fields.y, fields.w, fields.h, imageWidth, imageHeight, settings.minSize);
    // A typed corner moves the box; it does not cut it.
    if (name === "x") Object.assign(box, slide(annotation.xmin, annotation.xmax, number, imageWidth, "x"));
    if (name === "y") Object.assign(box, slide(annotation.ymin, annotation.ymax, number, imageHeight, "y"));
    if (!setBox(this.store, annotation.id, boxOf(box))) this.refreshRow(annotation.id);
  }

  /** Show the numbers as they are again. @param {string} id */
  refreshRow(id) {
    const row = this.rows.get(id);
    if (row) row.key = "";
    this.refresh();
  }
}

function slide(low, high, to, limit, axis) {
  const start = Math.min(Math.max(to, 0), limit - (high - low));
  return { [`${axis}min`]: start, [`${axis}max`]: start + (high - low) };
}

/** @param {string} words @param {string|undefined} key */
const withKey = (words, key) => (key ? `${words} (${keyWords(key)})` : words);

/** Words of a row that only a screen reader says. */
const unseen = (words = "") => element("span", { class: "sr" }, words);

/** At most one decimal. @param {number} value */
const shortNumber = (value) => String(Math.round(value * 10) / 10);

function makeRow(id) {
  return element("li", { class: "li box", "data-id": id },
    element("button", { type: "button", class: "name", tabindex: -1 },
      element("span", { class: "t3 s12 place" }), unseen(), element("span", { class: "swt" }), element("span", { class: "el" }), unseen(", "), element("span", { class: "n" }), unseen()));
}

function makeNumbers() {
  const field = (name, words) => {
    const input = element("input", { name, type: "text", inputmode: "decimal", "aria-label": words, autocomplete: "off" });
    input.addEventListener("input", () => (input.dataset.touched = "1"));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") input.dispatchEvent(new Event("change", { bubbles: true }));
      if (event.key === "Escape") input.blur();
    });
    return element("label", { class: "in num" }, element("span", { class: "t3 s12" }, name), input);
  };
  const flag = (name, words) => element("button", { type: "button", class: "btn tiny", "data-flag": name }, words);
  return element("div", { class: "numbers" },
    element("div", { class: "xywh" }, field("x", "Left edge, px"), field("y", "Upper edge, px"), field("w", "Width, px"), field("h", "Height, px")),
    element("div", { class: "row g1" }, flag("difficult", "Difficult"), flag("truncated", "Truncated"), flag("crowd", "Crowd"),
      element("button", { type: "button", class: "btn tiny ghost r", "data-act": "remove" }, "Delete")));
}
