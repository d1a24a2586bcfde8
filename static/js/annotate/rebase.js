/**
 * Putting one's own edits on top of somebody else's, box by box. Pure.
 * @typedef {import("./types.js").Annotation} Annotation
 * @typedef {import("./queue.js").Op} Op
 * @typedef {import("./queue.js").Conflict} Conflict
 */

const CORNERS = ["xmin", "ymin", "xmax", "ymax"];
/** What of an annotation is changed as one: two people who change different ones do not collide. */
const ASPECTS = [CORNERS, ["label_id"], ["status"], ["difficult"], ["truncated"], ["crowd"]];
const FIELDS = ASPECTS.flat();

/**
 * Whether two states of an annotation say the same. The server does not list rejected suggestions,
 * so rejected and not there are one.
 * @param {Annotation|null} a @param {Annotation|null} b
 */
export function sameAnnotation(a, b) {
  const [goneA, goneB] = [a, b].map((one) => !one || one.status === "rejected");
  if (goneA || goneB) return goneA && goneB;
  return FIELDS.every((field) => a[field] === b[field]);
}

/**
 * Both sides' changes of one annotation, where they do not concern the same: one moved it, the
 * other gave it another label. Null where they do, or where a side deleted it.
 * @param {Annotation|null} base @param {Annotation|null} mine @param {Annotation|null} theirs
 * @returns {Annotation|null}
 */
export function combine(base, mine, theirs) {
  if ([base, mine, theirs].some((one) => !one || one.status === "rejected")) return null;
  const combined = { ...theirs };
  for (const fields of ASPECTS) {
    const differs = (a, b) => fields.some((field) => a[field] !== b[field]);
    if (!differs(base, mine)) continue;
    if (differs(base, theirs) && differs(mine, theirs)) return null;
    for (const field of fields) combined[field] = mine[field];
  }
  return Object.freeze(combined);
}

/** Several operations as one: how each box stood before the first, and after the last. @param {Op[]} ops */
export function merge(ops) {
  const merged = { entries: {}, state: null, edits: 0, restores: null };
  for (const op of ops) {
    for (const [id, { before, after }] of Object.entries(op.entries)) {
      merged.entries[id] = { before: merged.entries[id] ? merged.entries[id].before : before, after };
    }
    merged.state = op.state ?? merged.state;
    merged.restores = op.restores ?? merged.restores;
    merged.edits += op.edits;
  }
  return merged;
}

/**
 * A box that only one side changed keeps that side's change. A box that both changed gets both
 * changes where they concern different things, and is a conflict where they do not.
 * @param {Op[]} ops mine, in order
 * @param {Annotation[]} theirs the server's annotations
 * @param {() => string} newId
 * @returns {{op: Op|null, conflicts: Object<string, Conflict>, annotations: Annotation[]}}
 *   the operation to send instead; `annotations` shows theirs with mine on top
 */
export function rebase(ops, theirs, newId) {
  const mine = merge(ops);
  const current = new Map(theirs.map((annotation) => [annotation.id, annotation]));
  const shown = new Map(current);
  const entries = {};
  const conflicts = {};
  for (const [id, { before, after }] of Object.entries(mine.entries)) {
    const their = current.get(id) ?? null;
    if (sameAnnotation(their, after)) continue;
    const combined = sameAnnotation(their, before) ? after : combine(before, after, their);
    if (combined || sameAnnotation(their, before)) entries[id] = { before: their, after: combined };
    else conflicts[id] = { base: before, mine: after, theirs: their };
    if (after) shown.set(id, combined ?? after);
    else shown.delete(id);
  }
  const left = Object.keys(entries).length || mine.state;
  return {
    op: left
      ? { op_id: newId(), entries, state: mine.state, edits: Math.max(1, mine.edits), restores: mine.restores, frozen: true }
      : null,
    conflicts,
    annotations: [...shown.values()],
  };
}
