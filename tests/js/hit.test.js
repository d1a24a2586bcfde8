import assert from "node:assert/strict";
import { test } from "node:test";
import { annotationsAt, cycle, handleAt, onStroke, topAt, touchedBy } from "../../static/js/annotate/hit.js";
import { IMAGE, annotation, seeded } from "./random.js";

const box = (id, xmin, ymin, xmax, ymax) => ({ id, xmin, ymin, xmax, ymax });

test("handles: corners, sides, nothing in the middle", () => {
  const b = box("a", 100, 100, 200, 300);
  assert.equal(handleAt(b, 101, 99, 5), "nw");
  assert.equal(handleAt(b, 200, 300, 5), "se");
  assert.equal(handleAt(b, 150, 103, 5), "n");
  assert.equal(handleAt(b, 203, 200, 5), "e");
  assert.equal(handleAt(b, 150, 200, 5), null);
  assert.equal(handleAt(b, 100, 150, 5), null);
});

test("on a tiny box the corners win over the sides", () => {
  assert.equal(handleAt(box("a", 100, 100, 106, 106), 106, 106, 6), "se");
});

test("a stroke is the rim, not the inside", () => {
  const b = box("a", 100, 100, 200, 200);
  assert.equal(onStroke(b, 100, 150, 3), true);
  assert.equal(onStroke(b, 197.5, 150, 3), true);
  assert.equal(onStroke(b, 150, 150, 3), false);
  assert.equal(onStroke(b, 90, 150, 3), false);
});

test("the smallest box under the pointer is on top, of equal ones the later", () => {
  const boxes = [box("big", 0, 0, 400, 400), box("small", 50, 50, 90, 90), box("twin", 50, 50, 90, 90)];
  assert.equal(topAt(boxes, 60, 60).id, "twin");
  assert.equal(topAt(boxes, 300, 300).id, "big");
  assert.equal(topAt(boxes, 500, 500), null);
});

test("cycling goes through all nested boxes and round", () => {
  const hits = annotationsAt([box("a", 0, 0, 100, 100), box("b", 10, 10, 50, 50), box("c", 20, 20, 30, 30)], 25, 25);
  assert.deepEqual(hits.map((h) => h.id), ["c", "b", "a"]);
  assert.equal(cycle(hits, null).id, "c");
  assert.equal(cycle(hits, "c").id, "b");
  assert.equal(cycle(hits, "a").id, "c");
  assert.equal(cycle([], "a"), null);
});

test("topAt is the first of annotationsAt, everywhere", () => {
  const random = seeded(3);
  const boxes = Array.from({ length: 200 }, () => annotation(random));
  for (let i = 0; i < 2000; i++) {
    const [x, y] = [random.int(-5, IMAGE.width + 5), random.int(-5, IMAGE.height + 5)];
    assert.equal(topAt(boxes, x, y, 1), annotationsAt(boxes, x, y, 1)[0] ?? null);
  }
});

test("a rectangle takes what it touches", () => {
  const boxes = [box("a", 0, 0, 10, 10), box("b", 20, 20, 30, 30)];
  assert.deepEqual(touchedBy(boxes, { xmin: 9, ymin: 9, xmax: 15, ymax: 15 }).map((h) => h.id), ["a"]);
});
