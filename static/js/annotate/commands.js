/**
 * What can be done to a list of annotations, each with its inverse. Pure: no DOM.
 * @typedef {import("./types.js").Annotation} Annotation
 * @typedef {import("./types.js").Change} Change
 * @typedef {import("./types.js").Command} Command
 * @typedef {import("./types.js").Box} Box
 */

/** Nudges of one selection within this time are one step of undo. */
const MERGE_MS = 1000;
const MAX_STEPS = 500;

/**
 * The list after the changes. A change finds its annotation by id, so that it still works after
 * somebody else's edits came in between.
 * @param {Annotation[]} annotations @param {Change[]} changes @returns {Annotation[]} a new list
 */
export function applyChanges(annotations, changes) {
  const list = annotations.slice();
  const places = new Map(list.map((annotation, index) => [annotation.id, index]));
  for (const { id, before, after, index } of changes) {
    const place = list[places.get(id) ?? -1]?.id === id
      ? places.get(id)
      : list.findIndex((annotation) => annotation.id === id);
    if (after && place >= 0) list[place] = after;
    else if (after) list.splice(Math.min(index, list.length), 0, after);
    else if (place >= 0) list.splice(place, 1);
  }
  return list;
}

/** @param {Change[]} changes @returns {Change[]} */
export const invert = (changes) =>
  changes.map(({ id, before, after, index }) => ({ id, before: after, after: before, index })).reverse();

/** @param {Annotation[]} annotations @param {Annotation[]} added @returns {Command} */
export function add(annotations, added, name = "Draw") {
  return {
    name,
    changes: added.map((after, i) => ({ id: after.id, before: null, after, index: annotations.length + i })),
  };
}

/** @param {Annotation[]} annotations @param {Set<string>} ids @returns {Command} */
export function remove(annotations, ids) {
  const changes = [];
  annotations.forEach((before, index) => {
    if (ids.has(before.id)) {
      changes.push({ id: before.id, before, after: null, index: index - changes.length });
    }
  });
  return { name: "Delete", changes };
}

/**
 * The same replacement for each of `ids`; annotations that it leaves as they were are not touched.
 * @param {Annotation[]} annotations @param {Set<string>} ids
 * @param {(annotation: Annotation) => Partial<Annotation>} edit
 * @returns {Command}
 */
export function change(annotations, ids, edit, name, mergeKey) {
  const changes = [];
  annotations.forEach((before, index) => {
    if (!ids.has(before.id)) return;
    const fields = edit(before);
    if (Object.keys(fields).every((key) => before[key] === fields[key])) return;
    changes.push({ id: before.id, before, after: Object.freeze({ ...before, ...fields }), index });
  });
  return { name, changes, mergeKey };
}

/** Move or resize: new boxes by id. @param {Map<string, Box>} boxes */
export const place = (annotations, boxes, name = "Move", mergeKey = undefined) =>
  change(annotations, new Set(boxes.keys()), (a) => ({ ...boxes.get(a.id), ...accepted(a) }), name, mergeKey);

/** Another label. A suggestion that is relabelled is thereby accepted. */
export const relabel = (annotations, ids, labelId) =>
  change(annotations, ids, (a) => ({ label_id: labelId, ...accepted(a) }), "Label");

/** @param {"active"|"rejected"|"suggested"} status */
export const setStatus = (annotations, ids, status) =>
  change(annotations, ids, () => ({ status }), status === "active" ? "Accept" : "Reject");

/** @param {"difficult"|"truncated"|"crowd"} flag */
export const setFlag = (annotations, ids, flag, value) =>
  change(annotations, ids, (a) => ({ [flag]: value, ...accepted(a) }), value ? `Mark ${flag}` : `Not ${flag}`);

/** A person who edits a suggestion takes it on. @param {Annotation} annotation */
const accepted = (annotation) => (annotation.status === "suggested" ? { status: "active" } : {});

/** One image's undo and redo. */
export class History {
  constructor() {
    /** @type {Command[]} */
    this.done = [];
    /** @type {Command[]} */
    this.undone = [];
  }

  /**
   * Remember a command that was just applied. Nudges with the same mergeKey become one step.
   * @param {Command} command @param {number} now milliseconds
   */
  push(command, now) {
    this.undone = [];
    const last = this.done.at(-1);
    if (command.mergeKey && last?.mergeKey === command.mergeKey && now - last.at < MERGE_MS) {
      this.done[this.done.length - 1] = { ...last, at: now, changes: mergeChanges(last.changes, command.changes) };
      return;
    }
    this.done.push({ ...command, at: now });
    if (this.done.length > MAX_STEPS) this.done.shift();
  }

  /** @returns {{name: string, changes: Change[]}|null} the changes that undo the last step */
  undo() {
    const command = this.done.pop();
    if (!command) return null;
    // A later nudge must not merge into a step that was undone and done again.
    this.undone.push({ ...command, mergeKey: undefined });
    return { name: command.name, changes: invert(command.changes) };
  }

  /** @returns {{name: string, changes: Change[]}|null} */
  redo() {
    const command = this.undone.pop();
    if (!command) return null;
    this.done.push(command);
    return { name: command.name, changes: command.changes };
  }
}

/** @param {Change[]} first @param {Change[]} second @returns {Change[]} */
function mergeChanges(first, second) {
  const merged = new Map(first.map((item) => [item.id, item]));
  for (const item of second) {
    const earlier = merged.get(item.id);
    merged.set(item.id, earlier ? { ...earlier, after: item.after } : item);
  }
  return [...merged.values()];
}
