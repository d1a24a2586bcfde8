/**
 * Boxes in image pixels. Pure: no DOM, no state.
 * @typedef {import("./types.js").Box} Box
 * @typedef {import("./types.js").Handle} Handle
 */

/** @type {Handle[]} clockwise from the top left */
export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];

/** @param {number} value @param {number} low @param {number} high */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** @param {Box} box */
export const width = (box) => box.xmax - box.xmin;
/** @param {Box} box */
export const height = (box) => box.ymax - box.ymin;
/** @param {Box} box */
export const area = (box) => width(box) * height(box);

/** @param {Box} a @param {Box} b */
export const sameBox = (a, b) =>
  a.xmin === b.xmin && a.ymin === b.ymin && a.xmax === b.xmax && a.ymax === b.ymax;

/** The box alone, without what else an annotation carries. @param {Box} box @returns {Box} */
export const boxOf = ({ xmin, ymin, xmax, ymax }) => ({ xmin, ymin, xmax, ymax });

/**
 * The box between two corners, in whole pixels and inside an image of `imageWidth` x `imageHeight`.
 * Either corner may lie outside. The result can have no area: see `bigEnough`.
 * @returns {Box}
 */
export function boxBetween(x0, y0, x1, y1, imageWidth, imageHeight) {
  const x = [x0, x1].map((v) => Math.round(clamp(v, 0, imageWidth)));
  const y = [y0, y1].map((v) => Math.round(clamp(v, 0, imageHeight)));
  return {
    xmin: Math.min(...x),
    ymin: Math.min(...y),
    xmax: Math.max(...x),
    ymax: Math.max(...y),
  };
}

/** @param {Box} box @param {number} minSize smallest width and height, in pixels */
export const bigEnough = (box, minSize) =>
  width(box) >= Math.max(minSize, Number.EPSILON) && height(box) >= Math.max(minSize, Number.EPSILON);

/**
 * Moved by (dx, dy) and kept inside the image with its size unchanged.
 * @param {Box} box @returns {Box}
 */
export function moveBox(box, dx, dy, imageWidth, imageHeight) {
  const x = clamp(Math.round(dx), -box.xmin, imageWidth - box.xmax);
  const y = clamp(Math.round(dy), -box.ymin, imageHeight - box.ymax);
  return { xmin: box.xmin + x, ymin: box.ymin + y, xmax: box.xmax + x, ymax: box.ymax + y };
}

/**
 * How far a group of boxes can be moved by (dx, dy) with every one of them inside the image.
 * @param {Box[]} boxes @returns {{dx: number, dy: number}} whole pixels where there is room
 */
export function groupShift(boxes, dx, dy, imageWidth, imageHeight) {
  let low = { x: -Infinity, y: -Infinity };
  let high = { x: Infinity, y: Infinity };
  for (const box of boxes) {
    low = { x: Math.max(low.x, -box.xmin), y: Math.max(low.y, -box.ymin) };
    high = {
      x: Math.min(high.x, imageWidth - box.xmax),
      y: Math.min(high.y, imageHeight - box.ymax),
    };
  }
  return {
    dx: clamp(Math.round(dx), low.x, high.x),
    dy: clamp(Math.round(dy), low.y, high.y),
  };
}

/**
 * One side of a box dragged to `value`; past the other side it turns over. Never thinner than
 * `minSize` (or than the image), never outside [0, limit].
 * @returns {[number, number]} the new low and high edge
 */
function dragEdge(fixed, value, limit, minSize) {
  const least = Math.min(minSize, limit);
  const moved = Math.round(clamp(value, 0, limit));
  if (Math.abs(moved - fixed) >= least) return [Math.min(fixed, moved), Math.max(fixed, moved)];
  const grown = moved < fixed ? fixed - least : fixed + least;
  if (grown < 0) return [fixed, fixed + least];
  if (grown > limit) return [fixed - least, fixed];
  return [Math.min(fixed, grown), Math.max(fixed, grown)];
}

/**
 * The box with one of its handles dragged to (x, y).
 * @param {Box} box @param {Handle} handle @returns {Box}
 */
export function resizeBox(box, handle, x, y, imageWidth, imageHeight, minSize = 1) {
  const result = boxOf(box);
  if (handle.includes("w")) [result.xmin, result.xmax] = dragEdge(box.xmax, x, imageWidth, minSize);
  if (handle.includes("e")) [result.xmin, result.xmax] = dragEdge(box.xmin, x, imageWidth, minSize);
  if (handle.includes("n")) [result.ymin, result.ymax] = dragEdge(box.ymax, y, imageHeight, minSize);
  if (handle.includes("s")) [result.ymin, result.ymax] = dragEdge(box.ymin, y, imageHeight, minSize);
  return result;
}

/**
 * The box with its right and lower edge moved by keys.
 * @param {Box} box @returns {Box}
 */
export function growBox(box, dx, dy, imageWidth, imageHeight, minSize = 1) {
  const least = Math.max(minSize, 1);
  return {
    ...boxOf(box),
    xmax: dx ? clamp(box.xmax + dx, Math.min(box.xmin + least, imageWidth), imageWidth) : box.xmax,
    ymax: dy ? clamp(box.ymax + dy, Math.min(box.ymin + least, imageHeight), imageHeight) : box.ymax,
  };
}

/**
 * The box with its left and upper edge moved by keys.
 * @param {Box} box @returns {Box}
 */
export function growBoxStart(box, dx, dy, minSize = 1) {
  const least = Math.max(minSize, 1);
  return {
    ...boxOf(box),
    xmin: dx ? clamp(box.xmin + dx, 0, Math.max(0, box.xmax - least)) : box.xmin,
    ymin: dy ? clamp(box.ymin + dy, 0, Math.max(0, box.ymax - least)) : box.ymin,
  };
}

/**
 * From the x, y, w, h that a person typed; kept inside the image.
 * @returns {Box}
 */
export function boxFromFields(x, y, w, h, imageWidth, imageHeight, minSize = 1) {
  const least = Math.max(minSize, 1);
  const xmin = clamp(x, 0, Math.max(0, imageWidth - least));
  const ymin = clamp(y, 0, Math.max(0, imageHeight - least));
  return {
    xmin,
    ymin,
    xmax: clamp(xmin + Math.max(w, least), xmin, imageWidth),
    ymax: clamp(ymin + Math.max(h, least), ymin, imageHeight),
  };
}

/** Where a handle sits. @param {Box} box @param {Handle} handle @returns {[number, number]} */
export function handlePoint(box, handle) {
  const x = handle.includes("w") ? box.xmin : handle.includes("e") ? box.xmax : (box.xmin + box.xmax) / 2;
  const y = handle.includes("n") ? box.ymin : handle.includes("s") ? box.ymax : (box.ymin + box.ymax) / 2;
  return [x, y];
}

/** @param {Box} a @param {Box} b */
export const overlaps = (a, b) =>
  a.xmin < b.xmax && b.xmin < a.xmax && a.ymin < b.ymax && b.ymin < a.ymax;

/** Intersection over union. @param {Box} a @param {Box} b */
export function iou(a, b) {
  const w = Math.min(a.xmax, b.xmax) - Math.max(a.xmin, b.xmin);
  const h = Math.min(a.ymax, b.ymax) - Math.max(a.ymin, b.ymin);
  if (w <= 0 || h <= 0) return 0;
  return (w * h) / (area(a) + area(b) - w * h);
}
