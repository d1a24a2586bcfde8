// What is shown of detections, without the page: tests/js/detections.test.js runs this in node.
// A detection is [class_id, score, xmin, ymin, xmax, ymax], in pixels of the upright photo.

/** The least score of a label: `one` value for all, or (where it is null) each label's own. */
export function leastScore({ one, own, recommended }, classId) {
  return one ?? own.get(classId) ?? recommended;
}

/** A threshold in an address, such as "0.40"; null where it holds none. */
export function thresholdAsked(search) {
  const text = new URLSearchParams(search).get("threshold");
  const value = text ? Number(text) : NaN;
  return value >= 0 && value <= 1 ? value : null;
}

/** Those of a photo's detections that are shown, in their order (the surest first). */
export function visible(photo, limits, hidden) {
  return photo.detections.filter(([classId, score]) => score >= leastScore(limits, classId) && !hidden.has(classId));
}

/** How many of each label are at or above their threshold in all photos: a Map by class id. */
export function countByLabel(photos, limits) {
  const counts = new Map();
  for (const photo of photos) {
    for (const [classId, score] of photo.detections) {
      if (score >= leastScore(limits, classId)) counts.set(classId, (counts.get(classId) ?? 0) + 1);
    }
  }
  return counts;
}

/** 0.9834 -> "98 %". Only a certain 1 reads 100. */
export function percent(score) {
  return `${Math.min(Math.round(score * 100), score < 1 ? 99 : 100)} %`;
}

/** "6 photos, 12 found · 0.4 s" */
export function summary(photos, limits, hidden, seconds) {
  const found = photos.reduce((sum, photo) => sum + visible(photo, limits, hidden).length, 0);
  const time = seconds === null || seconds === undefined ? "" : ` · ${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  return `${photos.length} photo${photos.length === 1 ? "" : "s"}, ${found} found${time}`;
}

/** The last id before which every photo is done: what the page need not ask for again. */
export function doneUpTo(photos) {
  let last = 0;
  for (const photo of photos) {
    if (!photo.done) break;
    last = photo.id;
  }
  return last;
}

const HEIGHT = 20;
const GAP = 4;
const ROOM = 26;

/**
 * Where each chip goes, by rule 17 of the design: above the box's top left corner; inside it
 * where there is no room above or a surer chip is there; right-aligned at the right edge.
 *
 * boxes: [{ left, top, right, bottom, width (of the chip) }] in screen pixels, the surest first;
 * stage: { width, height }. Returns [{ left, top, inside }] of each chip's top left corner.
 */
export function placeChips(boxes, stage) {
  const taken = [];
  return boxes.map((box) => {
    const above = { left: alignX(box, box.left - 2, stage), top: box.top - GAP - HEIGHT, inside: false };
    const inside = { left: alignX(box, box.left + 4, stage), top: Math.max(box.top, 0) + 4, inside: true };
    const choices = box.top < ROOM ? [inside] : [above, inside];
    // Inside the box there may be room below the chips that are there already.
    for (let step = 1; step <= 4; step += 1) choices.push({ ...inside, top: inside.top + step * (HEIGHT + 2) });
    const free = choices.find((place) => fits(place, box.width, stage) && !taken.some((other) => overlap(place, box.width, other)));
    const place = free ?? choices[0];
    taken.push({ ...place, width: box.width });
    return place;
  });
}

function alignX(box, left, stage) {
  if (left + box.width <= stage.width) return Math.max(left, 0);
  return Math.max(0, Math.min(box.right + 2, stage.width) - box.width);
}

function fits(place, width, stage) {
  return place.top >= 0 && place.top + HEIGHT <= stage.height && place.left + width <= stage.width + 0.5;
}

function overlap(place, width, other) {
  return place.left < other.left + other.width && other.left < place.left + width && place.top < other.top + HEIGHT && other.top < place.top + HEIGHT;
}

/** Files in parts of at most `count` files and `bytes` bytes, in their order. */
export function batches(files, count = 8, bytes = 48 * 1024 * 1024) {
  const parts = [];
  let size = Infinity;
  for (const file of files) {
    if (size + file.size > bytes || parts.at(-1)?.length >= count) {
      parts.push([]);
      size = 0;
    }
    parts.at(-1).push(file);
    size += file.size;
  }
  return parts;
}
