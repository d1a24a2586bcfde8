/** An address may name a place, #at=xmin,ymin,xmax,ymax in image pixels: galleries link so. */
import { iou } from "./geometry.js";

const SHARE = 0.4;
const SAME = 0.5;

/** @param {string} hash @returns {import("./types.js").Box|null} */
export function askedPlace(hash) {
  const numbers = /^#at=([\d.]+),([\d.]+),([\d.]+),([\d.]+)$/.exec(hash)?.slice(1).map(Number);
  if (!numbers?.every(Number.isFinite)) return null;
  const [xmin, ymin, xmax, ymax] = numbers;
  return xmin < xmax && ymin < ymax ? { xmin, ymin, xmax, ymax } : null;
}

/** Bring the place to the middle, large enough to work on, and select the box that lies there. */
export function showPlace(editor, place) {
  const { view, store } = editor;
  const across = (SHARE * view.stage.width) / (place.xmax - place.xmin);
  const down = (SHARE * view.stage.height) / (place.ymax - place.ymin);
  view.setScale(Math.max(view.scale, Math.min(across, down)));
  const [x, y] = view.toScreen((place.xmin + place.xmax) / 2, (place.ymin + place.ymax) / 2);
  view.panBy(view.stage.width / 2 - x, view.stage.height / 2 - y);
  const best = store.touchable.reduce(
    (found, box) => (iou(box, place) > (found ? iou(found, place) : SAME) ? box : found), null,
  );
  if (best) store.select([best.id]);
  editor.viewChanged();
}
