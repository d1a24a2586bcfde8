/**
 * The way from the boxes of today to those of an earlier revision. Pure.
 * @typedef {import("./types.js").Annotation} Annotation
 * @typedef {import("./types.js").Change} Change
 */
import { sameAnnotation } from "./rebase.js";

/**
 * @param {Annotation[]} today @param {Annotation[]} earlier
 * @param {(labelId: number) => boolean} isUsable whether boxes may get the label today
 * @returns {{changes: Change[], leftOut: number}} `leftOut`: boxes of labels that are retired
 */
export function changesBackTo(today, earlier, isUsable) {
  const wanted = new Map(earlier.map((one) => [one.id, one]));
  const known = new Set(today.map((one) => one.id));
  const changes = [];
  let removed = 0;
  let leftOut = 0;
  today.forEach((before, index) => {
    const then = wanted.get(before.id);
    if (!then) {
      changes.push({ id: before.id, before, after: null, index: index - removed });
      removed += 1;
      return;
    }
    // A box whose label was merged away keeps the label that it has now.
    const after = isUsable(then.label_id) ? then : { ...then, label_id: before.label_id };
    if (!sameAnnotation(before, after)) changes.push({ id: before.id, before, after: Object.freeze(after), index });
  });
  let index = today.length - removed;
  for (const after of earlier) {
    if (known.has(after.id)) continue;
    if (isUsable(after.label_id)) changes.push({ id: after.id, before: null, after: Object.freeze(after), index: index++ });
    else leftOut += 1;
  }
  return { changes, leftOut };
}
