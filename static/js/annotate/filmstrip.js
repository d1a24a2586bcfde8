/** The strip of thumbnails. Only those in view exist; pages of them are read as they are needed. */
import { element, icon } from "../shell.js";

const STEP = 92;
const PAGE = 50;
const SPARE = 4;
const SVG = "http://www.w3.org/2000/svg";

export class Filmstrip {
  /**
   * @param {{film: HTMLElement, track: HTMLElement}} parts
   * @param {import("./main.js").Editor} editor
   */
  constructor(parts, editor) {
    Object.assign(this, parts);
    this.editor = editor;
    this.store = editor.store;
    /** @type {Map<number, object>} items by their place in the project */
    this.items = new Map();
    this.pages = new Map();
    /** @type {Map<number, HTMLElement>} */
    this.frames = new Map();
    this.count = 0;
    this.film.addEventListener("scroll", () => this.refresh(), { passive: true });
    this.film.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.track.addEventListener("click", (event) => this.#clicked(event));
    new ResizeObserver(() => this.refresh()).observe(this.film);
    this.store.on("document", () => this.#follow());
    this.store.on("boxes state", () => this.#touched());
    this.store.on("labels", () => this.#redraw());
  }

  #follow() {
    const { document: image } = this.store;
    this.count = image.count;
    this.track.style.width = `${this.count * STEP}px`;
    const target = (image.position - 1) * STEP - this.film.clientWidth / 2 + STEP / 2 + 12;
    this.film.scrollLeft = Math.max(0, target);
    this.refresh();
  }

  refresh() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.#render();
    });
  }

  #render() {
    if (!this.count || !this.film.clientWidth) return;
    const first = Math.max(0, Math.floor(this.film.scrollLeft / STEP) - SPARE);
    const last = Math.min(this.count, Math.ceil((this.film.scrollLeft + this.film.clientWidth) / STEP) + SPARE);
    for (const [place, frame] of this.frames) {
      if (place >= first && place < last) continue;
      frame.remove();
      this.frames.delete(place);
    }
    for (let page = Math.floor(first / PAGE); page <= Math.floor(Math.max(first, last - 1) / PAGE); page++) this.#read(page);
    for (let place = first; place < last; place++) this.#place(place);
  }

  async #read(page) {
    if (this.pages.has(page)) return;
    this.pages.set(page, true);
    try {
      const { offset, items, count } = await this.editor.api.filmstrip(page * PAGE, PAGE);
      this.count = count;
      this.track.style.width = `${count * STEP}px`;
      items.forEach((item, i) => this.items.set(offset + i, item));
      this.refresh();
    } catch {
      // Asked for again when the strip is next moved, but not in a hot loop.
      setTimeout(() => this.pages.delete(page), 3000);
    }
  }

  #place(place) {
    const item = this.items.get(place);
    const here = this.store.document;
    const on = item ? item.id === here.id : place === here.position - 1;
    let frame = this.frames.get(place);
    if (!frame || frame.item !== item) {
      const made = this.#frame(item, place);
      frame ? frame.replaceWith(made) : this.track.append(made);
      frame = made;
      frame.item = item;
      this.frames.set(place, frame);
    }
    if (on !== frame.classList.contains("on")) {
      frame.classList.toggle("on", on);
      if (on) frame.setAttribute("aria-current", "true");
      else frame.removeAttribute("aria-current");
    }
  }

  #frame(item, place) {
    const href = item ? this.editor.urlOf(item.id) : null;
    const frame = element(item ? "a" : "span", { class: "f", href, "data-id": item?.id, title: item?.name, "aria-label": item && `${item.name}, ${stateWords(item)}`, draggable: "false" });
    frame.style.left = `${place * STEP + 12}px`;
    const photo = element("span", { class: "photo th" });
    if (item) photo.append(element("img", { src: item.thumbnail_url, alt: "", decoding: "async", draggable: "false" }), this.#boxes(item));
    frame.append(photo);
    const sign = item && (item.state === "done" ? "check" : item.suggestions ? "wand" : null);
    if (sign) frame.append(element("span", { class: "dot" }, icon(sign)));
    return frame;
  }

  #boxes(item) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${item.width} ${item.height}`);
    svg.setAttribute("preserveAspectRatio", "xMidYMid slice");
    svg.setAttribute("aria-hidden", "true");
    for (const [xmin, ymin, xmax, ymax, labelId, suggested] of item.boxes.slice(0, 100)) {
      const group = document.createElementNS(SVG, "g");
      if (suggested) group.setAttribute("class", "sug");
      group.style.setProperty("--c", this.store.labelsById.get(labelId)?.color ?? "white");
      for (const stroke of ["bh", "bc"]) {
        const rect = document.createElementNS(SVG, "rect");
        const numbers = { x: xmin, y: ymin, width: xmax - xmin, height: ymax - ymin };
        for (const [name, value] of Object.entries(numbers)) rect.setAttribute(name, value);
        rect.setAttribute("class", stroke);
        group.append(rect);
      }
      svg.append(group);
    }
    return svg;
  }

  /** The image on the stage changed: so does its frame, a little later. */
  #touched() {
    clearTimeout(this.timer);
    const { document: image } = this.store;
    this.timer = setTimeout(() => this.#update(image), 150);
  }

  #update(image) {
    const place = image.position - 1;
    const item = this.items.get(place);
    if (item?.id !== image.id) return;
    const open = image.annotations.filter((one) => one.status !== "rejected");
    this.items.set(place, {
      ...item,
      state: image.state,
      suggestions: open.filter((one) => one.status === "suggested").length,
      boxes: open.map((one) => [one.xmin, one.ymin, one.xmax, one.ymax, one.label_id, one.status === "suggested"]),
    });
    this.refresh();
  }

  #redraw() {
    for (const frame of this.frames.values()) frame.item = null;
    this.refresh();
  }

  #wheel(event) {
    if (!event.deltaY || event.deltaX) return;
    event.preventDefault();
    this.film.scrollLeft += event.deltaY;
  }

  #clicked(event) {
    const id = Number(event.target.closest("[data-id]")?.dataset.id);
    if (!id || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    this.editor.show(id);
  }
}

const stateWords = ({ state, suggestions }) =>
  ({ done: "done", in_progress: "started", new: "new" })[state] + (suggestions ? `, ${suggestions} suggestions` : "");
