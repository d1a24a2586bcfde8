/**
 * The outbox: every edit is stored before it is sent, and sent until the server has it.
 *
 * No DOM and no network of its own: storage, transport, clock and owner's liveness are handed in.
 * Operations on one image go one after another, each with an id by which the server drops
 * repetitions. Only the last one takes further edits, and only until it is first sent.
 *
 * @typedef {import("./types.js").Annotation} Annotation
 * @typedef {import("./types.js").Change} Change
 * @typedef {import("./types.js").ImageState} ImageState
 *
 * @typedef {{before: Annotation|null, after: Annotation|null}} Entry
 * @typedef {{op_id: string, entries: Object<string, Entry>, state: ImageState|null, edits: number,
 *   restores?: number|null, frozen: boolean, base?: number}} Op
 *   `base`: the revision that it builds on where that is not what the operation before it makes;
 *   `restores`: the revision that it goes back to
 * @typedef {{base: Annotation|null, mine: Annotation|null, theirs: Annotation|null}} Conflict
 * @typedef {{id: number, project_id: number, name: string, revision: number}} ImageRef
 *
 * @typedef {Object} Outgoing  What is not yet on the server of one image; stored as it is.
 * @property {string} key
 * @property {string} owner  the page that sends it
 * @property {number} seen  when that page last said that it lives (ms)
 * @property {number} image_id
 * @property {number} project_id
 * @property {string} name
 * @property {number} revision  the image's revision that the first operation builds on
 * @property {Op[]} ops
 * @property {Object<string, Conflict>} conflicts  held back until a person has chosen
 * @property {Object<string, Entry & {message: string}>} refused  what the server will not take
 * @property {{status: number, message: string}|null} blocked
 */
import { merge, rebase, sameAnnotation } from "./rebase.js";

export const SAVE_DELAY_MS = 600;
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;

export class Outbox {
  /**
   * @param {Object} parts
   * @param {{all(): Promise<Outgoing[]>, put(r: Outgoing): Promise<void>, delete(key: string): Promise<void>}} parts.storage
   * @param {(record: Outgoing, body: Object, options: {keepalive: boolean}) => Promise<{status: number, body: any}>} parts.send
   *   rejects when the server cannot be reached
   * @param {string} parts.owner this page's id
   * @param {() => string} parts.newId
   * @param {(event: string, detail: any) => void} parts.notify
   *   "status"; "saved" {image_id, revision, state}; "rebased" {image_id, annotations, revision,
   *   state}; "replaced" {image_id, id, annotation}; "refused" {image_id}; "adopted" {image_id}
   * @param {(owner: string, seen: number) => Promise<boolean>} parts.isGone whether a page is closed
   */
  constructor({ storage, send, owner, newId, notify, isGone, clock = systemClock }) {
    Object.assign(this, { storage, send, owner, newId, notify, isGone, clock });
    /** @type {Map<number, Outgoing>} */
    this.records = new Map();
    this.inFlight = new Set();
    this.timers = new Map();
    /** Images whose last edit is to be sent as soon as that can be. */
    this.due = new Set();
    this.writes = Promise.resolve();
    this.storageFailed = false;
    /** @type {{since: number, attempts: number, nextAt: number, reason: string}|null} */
    this.offline = null;
    /** @type {{url: string}|null} set while the login has expired */
    this.login = null;
  }

  /** Take over what closed pages left, and send it. @returns {Promise<number>} how many images */
  async adopt() {
    let count = 0;
    for (const left of await this.storage.all().catch(() => [])) {
      if (left.owner === this.owner || !(await this.isGone(left.owner, left.seen))) continue;
      const mine = this.records.get(left.image_id);
      const record = mine ?? { ...left, ops: [], key: `${this.owner}:${left.image_id}`, owner: this.owner };
      for (const op of record.ops) op.frozen = true;
      // It knows nothing of what stands before it here, so that the server must be asked again.
      const ops = left.ops.map((op, i) => (i ? { ...op, frozen: true } : { base: left.revision, ...op, frozen: true }));
      record.ops = [...record.ops, ...ops];
      record.conflicts = { ...left.conflicts, ...record.conflicts };
      record.refused = { ...left.refused, ...record.refused };
      record.blocked = null;
      this.records.set(left.image_id, record);
      await this.#store(record);
      await this.storage.delete(left.key);
      this.notify("adopted", { image_id: left.image_id });
      count += 1;
    }
    if (count) this.notify("status");
    this.#pumpAll();
    return count;
  }

  /**
   * Put an edit into the outbox; it is sent SAVE_DELAY_MS after the last one.
   * @param {ImageRef} image @param {Change[]} changes @param {ImageState|null} state
   */
  edit(image, changes, state = null) {
    const record = this.#recordOf(image);
    const op = openOp(record, this.newId);
    for (const { id, before, after } of changes) {
      if (record.conflicts[id]) {
        record.conflicts[id].mine = after;
        continue;
      }
      const known = record.refused[id] ? record.refused[id].before : before;
      delete record.refused[id];
      const entry = (op.entries[id] ??= { before: known, after });
      entry.after = after;
      if (sameAnnotation(entry.before, entry.after)) delete op.entries[id];
    }
    if (state) op.state = state;
    op.edits += 1;
    if (isEmpty(op)) record.ops.pop();
    this.#store(record);
    this.#schedule(record);
    this.notify("status");
  }

  /**
   * Send now what waits, of one image or of all.
   * @param {{imageId?: number, keepalive?: boolean, retry?: boolean}} options
   *   `retry`: do not wait for the next attempt's time, and try again after a new login
   */
  flush({ imageId, keepalive = false, retry = false } = {}) {
    if (retry) {
      this.login = null;
      if (this.offline) this.offline.nextAt = 0;
      for (const record of this.records.values()) record.blocked = null;
    }
    for (const record of this.records.values()) {
      if (imageId !== undefined && record.image_id !== imageId) continue;
      this.#unschedule(record);
      this.due.add(record.image_id);
      this.#pump(record, keepalive);
    }
  }

  /** Say of the last edit that it went back to a revision; no other joins it. @param {number} imageId */
  markRestore(imageId, revision) {
    const op = this.records.get(imageId)?.ops.at(-1);
    if (!op || op.frozen) return;
    Object.assign(op, { restores: revision, frozen: true });
    this.flush({ imageId });
  }

  /** A person chose in a conflict. @param {number} imageId @param {string} id @param {"mine"|"theirs"} side */
  resolve(imageId, id, side) {
    const record = this.records.get(imageId);
    const conflict = record?.conflicts[id];
    if (!conflict) return;
    delete record.conflicts[id];
    if (side === "mine") {
      const op = openOp(record, this.newId);
      op.entries[id] = { before: conflict.theirs, after: conflict.mine };
      op.edits += 1;
    } else {
      this.notify("replaced", { image_id: imageId, id, annotation: conflict.theirs });
    }
    this.#store(record);
    this.flush({ imageId });
    this.notify("status");
  }

  /** Give up what the server will not take of one image. @param {number} imageId */
  discard(imageId) {
    const record = this.records.get(imageId);
    if (!record) return;
    Object.assign(record, { ops: [], conflicts: {}, refused: {}, blocked: null });
    this.#store(record);
    this.notify("status");
  }

  /** The server's annotations with what is still in the outbox laid over them. */
  overlay(imageId, annotations) {
    const record = this.records.get(imageId);
    if (!record) return annotations;
    const entries = { ...record.refused, ...merge(record.ops).entries };
    for (const [id, { theirs, mine }] of Object.entries(record.conflicts)) {
      entries[id] = { before: theirs, after: mine };
    }
    return rebase([{ op_id: "", entries, state: null, edits: 0, frozen: true }], annotations, this.newId).annotations;
  }

  /**
   * For the badge, the worst first.
   * @returns {{kind: "login"|"refused"|"conflict"|"offline"|"saving"|"saved", edits: number,
   *   images: number, since?: number, nextAt?: number, reason?: string, url?: string}}
   */
  summary() {
    let edits = 0;
    const images = this.records.size;
    let kind = "saved";
    for (const record of this.records.values()) {
      edits += record.ops.reduce((sum, op) => sum + op.edits, 0) + Object.keys(record.refused).length;
      edits += Object.keys(record.conflicts).length;
      if (record.blocked || Object.keys(record.refused).length) kind = "refused";
      else if (Object.keys(record.conflicts).length && kind !== "refused") kind = "conflict";
      else if (kind === "saved") kind = "saving";
    }
    if (images && this.login) return { kind: "login", edits, images, url: this.login.url };
    if (images && this.offline && kind === "saving") return { kind: "offline", edits, images, ...this.offline };
    return { kind, edits, images };
  }

  /** Say in the storage that this page lives. */
  heartbeat() {
    for (const record of this.records.values()) this.#store(record);
  }

  /** @param {ImageRef} image @returns {Outgoing} */
  #recordOf(image) {
    let record = this.records.get(image.id);
    if (!record) {
      record = {
        key: `${this.owner}:${image.id}`,
        owner: this.owner,
        seen: this.clock.now(),
        image_id: image.id,
        project_id: image.project_id,
        name: image.name,
        revision: image.revision,
        ops: [],
        conflicts: {},
        refused: {},
        blocked: null,
      };
      this.records.set(image.id, record);
    }
    return record;
  }

  /** Store the record as it is now, or remove it when nothing is left of it. @returns {Promise<void>} */
  #store(record) {
    if (isSettled(record) && !this.inFlight.has(record.image_id)) {
      if (this.records.get(record.image_id) === record) this.records.delete(record.image_id);
      this.#unschedule(record);
      this.writes = this.writes.then(() => this.storage.delete(record.key));
    } else {
      record.seen = this.clock.now();
      const copy = structuredClone(record);
      this.writes = this.writes.then(() => this.storage.put(copy));
    }
    this.writes = this.writes.then(
      () => (this.storageFailed = false),
      () => (this.storageFailed = true),
    );
    return this.writes;
  }

  #schedule(record) {
    this.#unschedule(record);
    if (!record.ops.length) return;
    this.timers.set(record.image_id, this.clock.after(SAVE_DELAY_MS, () => this.flush({ imageId: record.image_id })));
  }

  #unschedule(record) {
    this.timers.get(record.image_id)?.();
    this.timers.delete(record.image_id);
  }

  #pumpAll() {
    for (const record of [...this.records.values()]) this.#pump(record);
  }

  /** Send the record's first operation unless one is on its way or something holds it back. */
  async #pump(record, keepalive = false) {
    const op = record.ops[0];
    if (!op || this.inFlight.has(record.image_id) || this.login || record.blocked) return;
    if (!op.frozen && !this.due.has(record.image_id)) return;
    // While the server is away one image at a time asks for it.
    if (this.offline && (this.offline.nextAt > this.clock.now() || this.inFlight.size)) return;
    this.inFlight.add(record.image_id);
    op.frozen = true;
    if (record.ops.length === 1) this.due.delete(record.image_id);
    const stored = this.#store(record);
    // A page that is being left has no time to wait for its storage.
    if (!keepalive) await stored;
    let answer;
    try {
      answer = await this.send(record, requestBody(record, op), { keepalive });
    } catch (error) {
      answer = { status: 0, body: { message: String(error?.message ?? error) } };
    }
    this.inFlight.delete(record.image_id);
    this.#answered(record, op, answer);
    await this.#store(record);
    this.notify("status");
    if (this.offline || this.login) return;
    this.#pumpAll();
  }

  /** @param {Outgoing} record @param {Op} op */
  #answered(record, op, { status, body }) {
    if (status === 0 || status === 429 || status >= 500) {
      this.#wait(status ? `The server answered ${status}.` : "The server did not answer.");
      return;
    }
    this.offline = null;
    if (status === 401) this.login = { url: body?.login ?? "/login/" };
    else if (status === 409) this.#rebase(record, body);
    else if (status === 422) this.#refuse(record, op, body?.errors ?? []);
    else if (status >= 400) record.blocked = { status, message: body?.message ?? body?.detail ?? "" };
    else {
      record.ops = record.ops.filter((other) => other !== op);
      record.revision = body.revision;
      const state = record.ops.some((other) => other.state) ? null : body.state;
      this.notify("saved", { image_id: record.image_id, revision: body.revision, state });
    }
  }

  /** Somebody else changed the image: put this page's edits on top of theirs. */
  #rebase(record, body) {
    // Operations that build on something else come after, each against the server's boxes of then.
    const others = record.ops.findIndex((op, i) => i > 0 && op.base !== undefined);
    const rest = others < 0 ? [] : record.ops.slice(others);
    const result = rebase(others < 0 ? record.ops : record.ops.slice(0, others), body.annotations, this.newId);
    record.revision = body.revision;
    record.ops = result.op ? [result.op, ...rest] : rest;
    Object.assign(record.conflicts, result.conflicts);
    this.notify("rebased", {
      image_id: record.image_id,
      annotations: this.overlay(record.image_id, body.annotations),
      revision: body.revision,
      state: merge(record.ops).state ?? body.state,
    });
  }

  /** The server will not take some boxes: set them aside with its words, send the others. */
  #refuse(record, op, errors) {
    const named = errors.filter((error) => op.entries[error.annotation]);
    const message = errors[0]?.message ?? "The server did not take this edit.";
    const bad = named.length
      ? named
      : Object.keys(op.entries).map((annotation) => ({ annotation, message }));
    for (const error of bad) {
      record.refused[error.annotation] = { ...op.entries[error.annotation], message: error.message };
      delete op.entries[error.annotation];
    }
    if (!bad.length) op.state = null;
    op.op_id = this.newId();
    if (isEmpty(op)) record.ops = record.ops.filter((other) => other !== op);
    this.notify("refused", { image_id: record.image_id });
  }

  #wait(reason) {
    const attempts = (this.offline?.attempts ?? 0) + 1;
    const longest = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempts - 1));
    const pause = longest * (0.5 + this.clock.random() / 2);
    this.offline = {
      since: this.offline?.since ?? this.clock.now(),
      attempts,
      nextAt: this.clock.now() + pause,
      reason,
    };
    this.retryTimer?.();
    this.retryTimer = this.clock.after(pause, () => this.#pumpAll());
  }
}

/** The last operation, where it may still take edits; else a new one. @returns {Op} */
function openOp(record, newId) {
  const last = record.ops.at(-1);
  if (last && !last.frozen) return last;
  const op = { op_id: newId(), entries: {}, state: null, edits: 0, frozen: false };
  record.ops.push(op);
  return op;
}

/** @param {Op} op */
const isEmpty = (op) => !op.state && !Object.keys(op.entries).length;

/** @param {Outgoing} record */
const isSettled = (record) =>
  !record.ops.length && !Object.keys(record.conflicts).length && !Object.keys(record.refused).length;

/** What PATCH /api/images/ID/annotations takes. @param {Outgoing} record @param {Op} op */
function requestBody(record, op) {
  const entries = Object.entries(op.entries);
  const body = {
    base_revision: op.base ?? record.revision,
    op_id: op.op_id,
    upserts: entries.filter(([, { after }]) => after).map(([, { after }]) => after),
    deletes: entries.filter(([, { after }]) => !after).map(([id]) => id),
  };
  if (op.state) body.state = op.state;
  if (op.restores != null) body.restores = op.restores;
  return body;
}

const systemClock = {
  now: () => Date.now(),
  random: () => Math.random(),
  /** @returns {() => void} cancels */
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
