/** Images that were read: kept for going back and forth, and read ahead. */
import { ImageDocument } from "./store.js";

const KEPT = 40;
/** A document older than this is asked for again when it is shown. */
const FRESH_MS = 15_000;

export class Documents {
  /**
   * @param {ReturnType<import("./api.js").makeApi>} api
   * @param {import("./queue.js").Outbox} sync
   */
  constructor(api, sync) {
    this.api = api;
    this.sync = sync;
    /** @type {Map<number, Promise<ImageDocument>>} oldest use first */
    this.cache = new Map();
    /** @type {Map<number, ImageDocument>} those of the cache that have arrived */
    this.loaded = new Map();
  }

  /** @param {number} id @returns {Promise<ImageDocument>} rejects with ApiError */
  get(id) {
    let reading = this.cache.get(id);
    this.cache.delete(id);
    reading ??= this.#read(id).catch((error) => {
      this.cache.delete(id);
      throw error;
    });
    this.cache.set(id, reading);
    for (const old of this.cache.keys()) {
      if (this.cache.size <= KEPT) break;
      if (this.sync.records.has(old)) continue;
      this.cache.delete(old);
      this.loaded.delete(old);
    }
    return reading;
  }

  async #read(id) {
    const image = await this.api.image(id);
    const document = new ImageDocument({ ...image, annotations: this.sync.overlay(id, image.annotations) });
    this.loaded.set(id, document);
    return document;
  }

  /**
   * Ask the server again, unless there is something of ours that it does not have yet.
   * @param {ImageDocument} document
   * @returns {Promise<object|null>} the image where it changed, else null
   */
  async refreshed(document, always = false) {
    if (document.earlier || this.sync.records.has(document.id)) return null;
    if (!always && Date.now() - document.readAt < FRESH_MS) return null;
    const revision = document.revision;
    const image = await this.api.image(document.id).catch(() => null);
    if (!image || this.sync.records.has(document.id) || document.revision !== revision) return null;
    document.readAt = Date.now();
    const { annotations, state, revision: latest, ...facts } = image;
    Object.assign(document, facts);
    return latest === revision ? null : image;
  }

  /** Read the image anew the next time that it is shown. @param {number} id */
  forget(id) {
    this.cache.delete(id);
    this.loaded.delete(id);
  }

  /** Read ahead: JSON and pixels of the next two and the previous. @param {import("./image.js").Picture} picture */
  async readAhead(document, picture) {
    const ahead = async (id) => {
      const read = id ? await this.get(id).catch(() => null) : null;
      if (read) picture.load(read.preview_url).catch(() => {});
      return read;
    };
    const next = await ahead(document.next_id);
    await Promise.all([ahead(next?.next_id), ahead(document.previous_id)]);
  }
}
