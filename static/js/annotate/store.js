/**
 * The editor's state and what may be done to it. No DOM: views listen.
 *
 * Events: "document" another image; "boxes" its annotations; "selection"; "labels"; "tool";
 * "draft" a gesture's boxes; "shown" what is hidden or filtered; "state" new, in progress, done;
 * "edit" {changes, state}: to be saved.
 *
 * @typedef {import("./types.js").Annotation} Annotation
 * @typedef {import("./types.js").Label} Label
 * @typedef {import("./types.js").Box} Box
 * @typedef {import("./types.js").Command} Command
 */
import { History, applyChanges } from "./commands.js";
import { sameAnnotation } from "./rebase.js";
import { recall, remember, settings } from "./settings.js";

/** One image as the server described it, with its annotations as they are on the screen. */
export class ImageDocument {
  /** @param {any} image the answer of GET /api/images/ID */
  constructor(image) {
    this.history = new History();
    this.read(image);
  }

  read(image) {
    const { annotations, ...facts } = image;
    Object.assign(this, facts);
    /** @type {Annotation[]} */
    this.annotations = annotations.map(Object.freeze);
    this.readAt = Date.now();
  }
}

export class Store {
  #listeners = new Map();
  #shown = null;
  #touchable = null;

  /** @param {{project_id: number, can_edit: boolean, labels: Label[]}} config */
  constructor(config) {
    this.projectId = config.project_id;
    this.canEdit = config.can_edit;
    /** @type {ImageDocument|null} */
    this.document = null;
    /** @type {Set<string>} */
    this.selection = new Set();
    /** @type {"draw"|"move"} */
    this.tool = config.can_edit ? "draw" : "move";
    /** @type {{boxes: Map<string, Box>, drawn: Box|null, marquee: Box|null}|null} a gesture, not yet done */
    this.draft = null;
    this.hidden = false;
    this.hiddenLabels = new Set();
    /** Labels whose boxes are seen, but neither selected nor changed nor added to. */
    this.lockedLabels = new Set(JSON.parse(recall(`boxloop.locked.${config.project_id}`) ?? "[]"));
    /** @type {number|null} only this label's suggestions */
    this.suggestionLabel = null;
    this.setLabels(config.labels);
  }

  /** @param {string} names separated by blanks @param {(detail: any) => void} listener */
  on(names, listener) {
    for (const name of names.split(" ")) {
      this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
    }
  }

  emit(name, detail) {
    if (["document", "boxes", "shown", "labels"].includes(name)) this.#shown = this.#touchable = null;
    for (const listener of this.#listeners.get(name) ?? []) listener(detail);
  }

  // ---- Labels

  /** @param {Label[]} labels in their order */
  setLabels(labels) {
    this.labels = labels;
    this.labelsById = new Map(labels.map((label) => [label.id, label]));
    this.usable = labels.filter((label) => !label.retired);
    const kept = Number(this.activeLabelId ?? recall(`boxloop.label.${this.projectId}`));
    this.activeLabelId = (this.usable.find((label) => label.id === kept) ?? this.usable[0])?.id ?? null;
    this.emit("labels");
  }

  /** The label of the next box. @param {number} id */
  setActiveLabel(id) {
    this.activeLabelId = id;
    remember(`boxloop.label.${this.projectId}`, String(id));
    this.emit("labels");
  }

  /** @param {number} id @returns {string} */
  labelName(id) {
    const label = this.labelsById.get(id);
    return label ? label.display_name || label.name : `Label ${id}`;
  }

  // ---- The image

  /** @param {ImageDocument} document */
  open(document) {
    this.document = document;
    this.selection = new Set();
    this.draft = null;
    this.emit("document");
  }

  get annotations() {
    return this.document?.annotations ?? [];
  }

  /** @param {string} id @returns {Annotation|undefined} */
  byId(id) {
    return this.annotations.find((annotation) => annotation.id === id);
  }

  /** What is drawn and can be hit. @returns {Annotation[]} */
  get shown() {
    this.#shown ??= this.annotations.filter((annotation) => this.isShown(annotation));
    return this.#shown;
  }

  /** What can be hit and selected. @returns {Annotation[]} */
  get touchable() {
    this.#touchable ??= this.lockedLabels.size ? this.shown.filter((one) => !this.isLocked(one.label_id)) : this.shown;
    return this.#touchable;
  }

  /** @param {number} labelId */
  isLocked(labelId) {
    return this.lockedLabels.has(labelId);
  }

  /** @param {Annotation} annotation */
  isShown(annotation) {
    if (annotation.status === "rejected" || this.hiddenLabels.has(annotation.label_id)) return false;
    return annotation.status === "active" || this.isOffered(annotation);
  }

  /** A suggestion that passes the threshold and the filter. @param {Annotation} annotation */
  isOffered(annotation) {
    const label = this.suggestionLabel;
    return annotation.status === "suggested"
      && (annotation.score ?? 1) >= settings.threshold
      && (label === null || annotation.label_id === label);
  }

  /** @returns {Annotation[]} drawn or accepted boxes, hidden ones too */
  get boxes() {
    return this.annotations.filter((annotation) => annotation.status === "active");
  }

  /** @returns {Annotation[]} those that are shown, the surest first */
  get suggestions() {
    return this.annotations
      .filter((annotation) => this.isOffered(annotation) && !this.hiddenLabels.has(annotation.label_id))
      .sort((a, b) => (b.score ?? 1) - (a.score ?? 1));
  }

  // ---- Selection

  /** Boxes of a locked label are left out. @param {Iterable<string>} ids */
  select(ids) {
    let next = new Set(ids);
    if (next.size && this.lockedLabels.size) {
      next = new Set(this.annotations.filter((one) => next.has(one.id) && !this.isLocked(one.label_id)).map((one) => one.id));
    }
    if (next.size === this.selection.size && [...next].every((id) => this.selection.has(id))) return;
    this.selection = next;
    this.emit("selection");
  }

  /** @returns {Annotation[]} */
  get selected() {
    return this.selection.size ? this.annotations.filter((annotation) => this.selection.has(annotation.id)) : [];
  }

  /** The one selected annotation, if it is one. @returns {Annotation|null} */
  get single() {
    return this.selection.size === 1 ? (this.byId([...this.selection][0]) ?? null) : null;
  }

  // ---- Edits

  /** Do a command: apply, remember for undo, hand on for saving. @param {Command} command */
  execute(command) {
    if (!this.canEdit || !command.changes.length) return false;
    this.document.history.push(command, Date.now());
    this.#apply(command.changes);
    return true;
  }

  /** @returns {string|null} the name of what was undone */
  undo() {
    return this.#step(this.canEdit ? this.document?.history.undo() : null);
  }

  redo() {
    return this.#step(this.canEdit ? this.document?.history.redo() : null);
  }

  #step(step) {
    if (!step) return null;
    // A box that somebody else changed since is theirs now: undo must not take that back, too.
    const now = new Map(this.annotations.map((annotation) => [annotation.id, annotation]));
    const changes = step.changes.filter(({ id, before }) => sameAnnotation(now.get(id) ?? null, before));
    if (changes.length) this.#apply(changes);
    this.select(changes.filter((item) => item.after).map((item) => item.id));
    return step.name;
  }

  #apply(changes) {
    this.document.annotations = applyChanges(this.document.annotations, changes);
    this.#dropLostSelection();
    this.emit("boxes");
    this.emit("edit", { changes, state: null });
    if (this.document.state === "new") {
      // The server does the same with the first edit of a new image.
      this.document.state = "in_progress";
      this.emit("state", { from: "new" });
    }
  }

  /** Annotations that came from outside; they are not a step of undo. @param {Annotation[]} annotations */
  replace(document, annotations) {
    document.annotations = annotations.map(Object.freeze);
    if (document !== this.document) return;
    this.draft = null;
    this.#dropLostSelection();
    this.emit("boxes");
  }

  #dropLostSelection() {
    if (!this.selection.size) return;
    const ids = new Set(this.document.annotations.filter((a) => a.status !== "rejected").map((a) => a.id));
    this.select([...this.selection].filter((id) => ids.has(id)));
  }

  /** @param {import("./types.js").ImageState} state */
  setState(state) {
    if (!this.canEdit || this.document.state === state) return;
    const from = this.document.state;
    this.document.state = state;
    this.emit("edit", { changes: [], state });
    this.emit("state", { from });
  }

  // ---- View

  /** @param {"draw"|"move"} tool */
  setTool(tool) {
    if (tool === "draw" && !this.canEdit) return;
    this.tool = tool;
    this.emit("tool");
  }

  setDraft(draft) {
    this.draft = draft;
    this.emit("draft");
  }

  /** @param {boolean} hidden */
  setHidden(hidden) {
    if (this.hidden === hidden) return;
    this.hidden = hidden;
    this.emit("shown");
  }

  toggleLabelHidden(id) {
    if (!this.hiddenLabels.delete(id)) this.hiddenLabels.add(id);
    this.#filtered();
  }

  /** Hide every other label; where that is so already, show all. @param {number} id */
  toggleOnlyLabel(id) {
    const others = this.labels.filter((label) => label.id !== id).map((label) => label.id);
    const isOnly = !this.hiddenLabels.has(id) && others.every((other) => this.hiddenLabels.has(other));
    this.hiddenLabels = new Set(isOnly ? [] : others);
    this.#filtered();
  }

  showAllLabels() {
    this.hiddenLabels.clear();
    this.#filtered();
  }

  #filtered() {
    this.emit("shown");
    // What is not seen cannot be changed by accident.
    this.select(this.selected.filter((one) => this.isShown(one)).map((one) => one.id));
    this.emit("labels");
  }

  /** @param {number} id */
  toggleLabelLocked(id) {
    if (!this.lockedLabels.delete(id)) this.lockedLabels.add(id);
    remember(`boxloop.locked.${this.projectId}`, JSON.stringify([...this.lockedLabels]));
    this.emit("shown");
    this.select(this.selection);
    this.emit("labels");
  }
}
