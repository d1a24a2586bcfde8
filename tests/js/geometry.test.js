import assert from "node:assert/strict";
import { test } from "node:test";
import * as g from "../../static/js/annotate/geometry.js";
import { Viewport } from "../../static/js/annotate/viewport.js";
import { IMAGE, annotation, seeded } from "./random.js";

const box = (xmin, ymin, xmax, ymax) => ({ xmin, ymin, xmax, ymax });
const inside = (b) =>
  b.xmin >= 0 && b.ymin >= 0 && b.xmax <= IMAGE.width && b.ymax <= IMAGE.height && b.xmin < b.xmax && b.ymin < b.ymax;

test("a box between two corners has whole pixels and stays in the image", () => {
  assert.deepEqual(g.boxBetween(10.4, 20.6, 5.2, 40, 800, 600), box(5, 21, 10, 40));
  assert.deepEqual(g.boxBetween(-50, -1, 900, 700, 800, 600), box(0, 0, 800, 600));
});

test("a corner outside the image and one inside", () => {
  assert.deepEqual(g.boxBetween(-30, 50, 40, 90, 800, 600), box(0, 50, 40, 90));
});

test("minimum size", () => {
  assert.equal(g.bigEnough(box(0, 0, 3, 3), 3), true);
  assert.equal(g.bigEnough(box(0, 0, 2, 30), 3), false);
  assert.equal(g.bigEnough(box(5, 5, 5, 9), 0), false);
});

test("moving stops at the border and keeps the size", () => {
  assert.deepEqual(g.moveBox(box(10, 10, 30, 40), -50, 1000, 800, 600), box(0, 570, 20, 600));
});

test("a group moves as far as its outermost box can", () => {
  const shift = g.groupShift([box(10, 10, 20, 20), box(700, 500, 790, 590)], 50, -30, 800, 600);
  assert.deepEqual(shift, { dx: 10, dy: -10 });
});

test("each handle moves its sides alone", () => {
  const b = box(100, 100, 200, 200);
  assert.deepEqual(g.resizeBox(b, "se", 250, 260, 800, 600), box(100, 100, 250, 260));
  assert.deepEqual(g.resizeBox(b, "nw", 50, 60, 800, 600), box(50, 60, 200, 200));
  assert.deepEqual(g.resizeBox(b, "n", 999, 60, 800, 600), box(100, 60, 200, 200));
  assert.deepEqual(g.resizeBox(b, "w", 60, 999, 800, 600), box(60, 100, 200, 200));
});

test("a handle past the other side turns the box over", () => {
  assert.deepEqual(g.resizeBox(box(100, 100, 200, 200), "e", 40, 0, 800, 600), box(40, 100, 100, 200));
});

test("resizing keeps the minimum size, at the image's border too", () => {
  assert.deepEqual(g.resizeBox(box(100, 100, 200, 200), "e", 101, 0, 800, 600, 5), box(100, 100, 105, 200));
  assert.deepEqual(g.resizeBox(box(795, 0, 800, 10), "w", 800, 0, 800, 600, 5), box(795, 0, 800, 10));
});

test("typed fields are kept inside the image", () => {
  assert.deepEqual(g.boxFromFields(790, -4, 50, 0, 800, 600), box(790, 0, 800, 1));
});

test("intersection over union, worked by hand", () => {
  assert.equal(g.iou(box(0, 0, 10, 10), box(5, 0, 15, 10)), 50 / 150);
  assert.equal(g.iou(box(0, 0, 10, 10), box(10, 0, 20, 10)), 0);
});

test("whatever is done to it, a box is valid", () => {
  const random = seeded(1);
  for (let i = 0; i < 5000; i++) {
    const start = annotation(random);
    const x = random.int(-400, 1200);
    const y = random.int(-400, 1000);
    const { width: w, height: h } = IMAGE;
    const handle = random.pick(g.HANDLES);
    for (const result of [
      g.moveBox(start, x, y, w, h),
      g.resizeBox(start, handle, x, y, w, h, random.int(1, 9)),
      g.growBox(start, random.int(-900, 900), random.int(-900, 900), w, h),
      g.boxFromFields(x, y, random.int(-5, 900), random.int(-5, 900), w, h),
    ]) {
      assert.ok(inside(result), `${JSON.stringify(start)} ${handle} ${x} ${y} -> ${JSON.stringify(result)}`);
    }
    const drawn = g.boxBetween(x, y, random.int(-400, 1200), random.int(-400, 1000), w, h);
    assert.ok(!g.bigEnough(drawn, 1) || inside(drawn));
  }
});

test("zooming keeps the point under the pointer, and back is back", () => {
  const random = seeded(2);
  const view = new Viewport();
  view.setStage(1000, 700);
  view.setImage(IMAGE, false);
  for (let i = 0; i < 300; i++) {
    view.fit();
    const [sx, sy] = [random.int(100, 900), random.int(100, 600)];
    const before = view.toImage(sx, sy);
    view.zoomAt(sx, sy, 1 + random.next() * 3);
    const after = view.toImage(sx, sy);
    assert.ok(Math.hypot(before[0] - after[0], before[1] - after[1]) < 1e-6);
    const there = view.toScreen(...view.toImage(33, 44));
    assert.ok(Math.hypot(there[0] - 33, there[1] - 44) < 1e-9);
  }
});

test("the picture never leaves the stage", () => {
  const view = new Viewport();
  view.setStage(1000, 700);
  view.setImage(IMAGE, false);
  view.panBy(1e6, -1e6);
  const visible = view.visible;
  assert.ok(g.overlaps(visible, box(0, 0, IMAGE.width, IMAGE.height)));
});
