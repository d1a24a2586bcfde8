/**
 * What lies under the pointer. Pure: no DOM. Distances in image pixels, so the caller divides
 * screen pixels by the scale.
 * @typedef {import("./types.js").Annotation} Annotation
 * @typedef {import("./types.js").Box} Box
 */
import { HANDLES, area, handlePoint, overlaps } from "./geometry.js";

/** @param {Box} box */
const within = (box, x, y, slack) =>
  x >= box.xmin - slack && x <= box.xmax + slack && y >= box.ymin - slack && y <= box.ymax + slack;

/**
 * The handle at (x, y). Corners win over sides; a side of a box that is too small on the screen to
 * show its middle handle gives way to the corners.
 * @param {Box} box @param {number} tolerance
 * @returns {import("./types.js").Handle|null}
 */
export function handleAt(box, x, y, tolerance) {
  if (!within(box, x, y, tolerance)) return null;
  let best = null;
  let nearest = Infinity;
  for (const handle of HANDLES) {
    const [hx, hy] = handlePoint(box, handle);
    const distance = Math.max(Math.abs(x - hx), Math.abs(y - hy));
    const order = distance + (handle.length === 1 ? tolerance / 4 : 0);
    if (distance <= tolerance && order < nearest) [best, nearest] = [handle, order];
  }
  return best;
}

/** Whether (x, y) lies on the box's line. @param {Box} box @param {number} tolerance */
export function onStroke(box, x, y, tolerance) {
  if (!within(box, x, y, tolerance)) return false;
  const inner =
    x > box.xmin + tolerance && x < box.xmax - tolerance && y > box.ymin + tolerance && y < box.ymax - tolerance;
  return !inner;
}

/**
 * All annotations at (x, y), the smallest first; of two of one size the later one first.
 * @param {Annotation[]} annotations @returns {Annotation[]}
 */
export function annotationsAt(annotations, x, y, tolerance = 0) {
  const hits = [];
  for (let i = annotations.length - 1; i >= 0; i--) {
    if (within(annotations[i], x, y, tolerance)) hits.push(annotations[i]);
  }
  return hits.sort((a, b) => area(a) - area(b));
}

/**
 * The smallest annotation at (x, y), in one pass without a list: it runs on every pointer move.
 * @param {Annotation[]} annotations @returns {Annotation|null}
 */
export function topAt(annotations, x, y, tolerance = 0) {
  let best = null;
  let smallest = Infinity;
  for (let i = annotations.length - 1; i >= 0; i--) {
    const annotation = annotations[i];
    if (!within(annotation, x, y, tolerance)) continue;
    const size = area(annotation);
    if (size < smallest) [best, smallest] = [annotation, size];
  }
  return best;
}

/**
 * The next one of the nested annotations under the pointer.
 * @param {Annotation[]} hits from `annotationsAt` @param {string|null} currentId
 * @returns {Annotation|null}
 */
export function cycle(hits, currentId) {
  if (!hits.length) return null;
  const at = hits.findIndex((annotation) => annotation.id === currentId);
  return hits[(at + 1) % hits.length];
}

/** Annotations that a rectangle touches. @param {Annotation[]} annotations @param {Box} rectangle */
export const touchedBy = (annotations, rectangle) =>
  annotations.filter((annotation) => overlaps(annotation, rectangle));
