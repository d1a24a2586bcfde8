/**
 * The picture's pixels: an <img> moved by a CSS transform. The preview comes first; the original
 * only when the view is zoomed beyond the preview's pixels. Neighbours are decoded ahead.
 */

/** From here on single pixels are judged, so they are shown as squares. */
const SHARP_SCALE = 4;
const KEPT = 6;

export class Picture {
  /**
   * @param {HTMLElement} holder
   * @param {import("./viewport.js").Viewport} view
   * @param {(problem: string|null) => void} report words for the stage, null when all is well
   */
  constructor(holder, view, report) {
    this.holder = holder;
    this.view = view;
    this.report = report;
    /** @type {Map<string, Promise<HTMLImageElement>>} decoded previews by address, oldest first */
    this.decoded = new Map();
    this.document = null;
    this.element = null;
  }

  /** Decode an image ahead. @param {string} url @returns {Promise<HTMLImageElement>} */
  load(url) {
    let loading = this.decoded.get(url);
    if (loading) this.decoded.delete(url);
    else {
      const element = new Image();
      element.decoding = "async";
      element.alt = "";
      element.draggable = false;
      element.src = url;
      loading = element.decode().then(
        () => element,
        (error) => {
          this.decoded.delete(url);
          throw error;
        },
      );
    }
    this.decoded.set(url, loading);
    for (const old of this.decoded.keys()) {
      if (this.decoded.size <= KEPT) break;
      this.decoded.delete(old);
    }
    return loading;
  }

  /** @param {import("./store.js").ImageDocument} document */
  async show(document) {
    this.document = document;
    this.isOriginal = false;
    this.report(null);
    const loading = this.load(document.preview_url);
    try {
      // Undefined where the pixels are not here yet: a promise that is fulfilled wins the race.
      const element = await Promise.race([loading, Promise.resolve()]);
      if (!element) this.#showThumbnail(document);
      const pixels = element ?? (await loading);
      if (this.document !== document) return;
      this.isThumbnail = false;
      this.#put(pixels);
    } catch {
      if (this.document !== document) return;
      this.element?.remove();
      this.element = null;
      this.report(`The pixels of ${document.name} could not be loaded.`);
    }
  }

  /** Another image's pixels never stand under this one's boxes: small ones do until all are here. */
  #showThumbnail(document) {
    this.isThumbnail = true;
    const element = new Image();
    element.alt = "";
    element.draggable = false;
    element.src = document.thumbnail_url;
    this.#put(element);
  }

  #put(element) {
    if (this.element !== element) {
      this.holder.replaceChildren(element);
      this.element = element;
    }
    this.place();
  }

  /** Follow the view. */
  place() {
    const { element, document, view } = this;
    if (!element || !document) return;
    element.style.width = `${document.width}px`;
    element.style.height = `${document.height}px`;
    element.style.transform = `translate(${view.x}px,${view.y}px) scale(${view.scale})`;
    const sharp = view.scale * devicePixelRatio >= SHARP_SCALE;
    element.style.imageRendering = sharp ? "pixelated" : "auto";
    const shownPixels = document.width * view.scale * devicePixelRatio;
    if (!this.isOriginal && !this.isThumbnail && element.naturalWidth < document.width && shownPixels > element.naturalWidth * 1.1) {
      this.#showOriginal(document);
    }
  }

  async #showOriginal(document) {
    this.isOriginal = true;
    const element = new Image();
    element.alt = "";
    element.draggable = false;
    element.src = document.original_url;
    try {
      await element.decode();
    } catch {
      // A format that this browser does not show: the preview stays.
      return;
    }
    if (this.document === document) this.#put(element);
  }
}
