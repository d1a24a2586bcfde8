import assert from "node:assert/strict";
import { test } from "node:test";

import { batches, countByLabel, doneUpTo, leastScore, percent, placeChips, summary, thresholdAsked, visible } from "../../static/js/detections.js";

const photos = [
  { id: 3, done: true, detections: [[1, 0.9, 0, 0, 10, 10], [2, 0.5, 0, 0, 10, 10]] },
  { id: 5, done: true, detections: [[1, 0.4, 0, 0, 10, 10]] },
  { id: 6, done: false, detections: [] },
];
const at = (one) => ({ one, own: new Map([[2, 0.6]]), recommended: 0.45 });
const stage = { width: 400, height: 300 };

test("the threshold is the lowest score that shows, and labels can be off", () => {
  assert.equal(visible(photos[0], at(0.5), new Set()).length, 2);
  assert.equal(visible(photos[0], at(0.51), new Set()).length, 1);
  assert.equal(visible(photos[0], at(0.5), new Set([1])).length, 1);
});

test("each label has its own threshold unless one holds for all", () => {
  assert.equal(leastScore(at(null), 2), 0.6);
  assert.equal(leastScore(at(null), 1), 0.45);
  assert.equal(leastScore(at(0), 2), 0);
  assert.deepEqual(visible(photos[0], at(null), new Set()).map(([classId]) => classId), [1]);
  assert.deepEqual([...countByLabel(photos, at(null))], [[1, 1]]);
});

test("an address remembers one threshold, or none", () => {
  assert.equal(thresholdAsked("?photo=3&threshold=0.4"), 0.4);
  for (const search of ["", "?threshold=", "?threshold=abc", "?threshold=7", "?threshold=-1"]) assert.equal(thresholdAsked(search), null);
});

test("counts are over all photos", () => {
  assert.deepEqual([...countByLabel(photos, at(0.4))], [[1, 2], [2, 1]]);
  assert.deepEqual([...countByLabel(photos, at(0.95))], []);
});

test("only certainty reads 100 %", () => {
  assert.equal(percent(0.984), "98 %");
  assert.equal(percent(0.999), "99 %");
  assert.equal(percent(1), "100 %");
});

test("a summary in words", () => {
  assert.equal(summary(photos, at(0.4), new Set(), 0.42), "3 photos, 3 found · 0.4 s");
  assert.equal(summary(photos.slice(0, 1), at(0.95), new Set(), null), "1 photo, 0 found");
});

test("what is done need not be asked for again", () => {
  assert.equal(doneUpTo(photos), 5);
  assert.equal(doneUpTo([photos[2], photos[0]]), 0);
  assert.equal(doneUpTo([]), 0);
});

test("a chip stands above its box, aligned with the stroke", () => {
  assert.deepEqual(placeChips([{ left: 50, top: 60, right: 120, bottom: 120, width: 80 }], stage), [{ left: 48, top: 36, inside: false }]);
});

test("without room above it goes inside", () => {
  assert.deepEqual(placeChips([{ left: 50, top: 20, right: 120, bottom: 120, width: 80 }], stage), [{ left: 54, top: 24, inside: true }]);
});

test("at the right edge it is right-aligned", () => {
  const [place] = placeChips([{ left: 360, top: 100, right: 390, bottom: 150, width: 90 }], stage);
  assert.equal(place.left + 90, 392);
});

test("of two that would overlap the surer stays and the other goes inside", () => {
  const box = { left: 50, top: 100, right: 200, bottom: 200, width: 80 };
  const [first, second] = placeChips([box, { ...box, left: 60 }], stage);
  assert.equal(first.inside, false);
  assert.equal(second.inside, true);
});

test("files go in parts by number and size, a large one alone", () => {
  const files = [1, 1, 1, 90, 1].map((size) => ({ size }));
  assert.deepEqual(batches(files, 2, 50).map((part) => part.length), [2, 1, 1, 1]);
  assert.deepEqual(batches([], 2, 50), []);
});
