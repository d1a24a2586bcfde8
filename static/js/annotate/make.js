/** Making annotations. */
import { add } from "./commands.js";
import { newUuid } from "./uuid.js";

/** A new box of the sticky label. @param {import("./store.js").Store} store @returns {import("./types.js").Annotation} */
export function newAnnotation(store, box, fields = {}) {
  return Object.freeze({
    id: newUuid(),
    label_id: store.activeLabelId,
    ...box,
    status: "active",
    source: "human",
    score: null,
    difficult: false,
    truncated: false,
    crowd: false,
    ...fields,
  });
}

/** Add boxes and select them. */
export function addAnnotations(store, annotations, name) {
  if (store.execute(add(store.annotations, annotations, name))) store.select(annotations.map((one) => one.id));
}
