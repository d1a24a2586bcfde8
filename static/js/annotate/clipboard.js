/** Copy, paste, duplicate, and the boxes of the previous image. */
import { boxOf, clamp, height, sameBox, width } from "./geometry.js";
import { addAnnotations, newAnnotation } from "./make.js";

const STEP = 10;
const KEY = "boxloop.clipboard";

/** @param {import("./store.js").Store} store @returns {number} how many */
export function copy(store) {
  const boxes = store.selected.map(portable);
  if (boxes.length) sessionStorage.setItem(KEY, JSON.stringify(boxes));
  return boxes.length;
}

/** @param {import("./store.js").Store} store @returns {number} how many */
export function paste(store) {
  const boxes = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
  return addCopies(store, boxes, "Paste");
}

/** @param {import("./store.js").Store} store @returns {number} how many */
export const duplicate = (store) => addCopies(store, store.selected.map(portable), "Duplicate");

/**
 * The boxes of another image that are not here yet, in the same places.
 * @param {import("./store.js").Store} store
 * @param {import("./store.js").ImageDocument} source
 * @returns {number} how many
 */
export function copyFrom(store, source) {
  const { width: w, height: h } = store.document;
  const copies = source.annotations
    .filter((one) => one.status === "active" && takes(store, one.label_id))
    .map((one) => ({ ...portable(one), box: fitInto(one, w, h) }))
    .filter(({ label_id, box }) => !store.boxes.some((here) => here.label_id === label_id && sameBox(here, box)))
    .map(({ box, ...fields }) => newAnnotation(store, box, { ...fields, source: "copied" }));
  if (copies.length) addAnnotations(store, copies, "Copy from previous");
  return copies.length;
}

/** Copies stand a little beside what is already there, so that they are seen. */
function addCopies(store, boxes, name) {
  const { width: w, height: h } = store.document;
  const copies = boxes.filter((one) => takes(store, one.label_id)).map(({ box, ...fields }) => {
    let place = fitInto(box, w, h);
    while (store.annotations.some((here) => sameBox(here, place))) {
      const next = fitInto(shifted(place, STEP), w, h);
      if (sameBox(next, place)) break;
      place = next;
    }
    return newAnnotation(store, place, { ...fields, source: "copied" });
  });
  if (copies.length) addAnnotations(store, copies, name);
  return copies.length;
}

/** A label that has gone, is retired or is locked takes no boxes. */
const takes = (store, labelId) => store.labelsById.get(labelId)?.retired === false && !store.isLocked(labelId);

const portable = (annotation) => ({
  box: boxOf(annotation),
  label_id: annotation.label_id,
  difficult: annotation.difficult,
  truncated: annotation.truncated,
  crowd: annotation.crowd,
});

const shifted = (box, step) => ({ xmin: box.xmin + step, ymin: box.ymin + step, xmax: box.xmax + step, ymax: box.ymax + step });

/** The same size where there is room, moved inside. */
function fitInto(box, imageWidth, imageHeight) {
  const w = Math.min(width(box), imageWidth);
  const h = Math.min(height(box), imageHeight);
  const xmin = clamp(box.xmin, 0, imageWidth - w);
  const ymin = clamp(box.ymin, 0, imageHeight - h);
  return { xmin, ymin, xmax: xmin + w, ymax: ymin + h };
}
