import assert from "node:assert/strict";
import { test } from "node:test";

import { askedPlace, showPlace } from "../../static/js/annotate/asked_place.js";
import { Viewport } from "../../static/js/annotate/viewport.js";

test("a place is four numbers with an area", () => {
  assert.deepEqual(askedPlace("#at=10,20.5,30,40"), { xmin: 10, ymin: 20.5, xmax: 30, ymax: 40 });
  for (const wrong of ["", "#at=1,2,3", "#at=1,2,1,4", "#at=1,2,3,x", "#at=1..2,2,3,4"]) assert.equal(askedPlace(wrong), null);
});

test("the place comes to the middle, and the box on it is selected", () => {
  const view = new Viewport();
  view.setStage(800, 600);
  view.setImage({ width: 1600, height: 1200 }, false);
  const boxes = [{ id: "far", xmin: 0, ymin: 0, xmax: 9, ymax: 9 }, { id: "near", xmin: 805, ymin: 600, xmax: 905, ymax: 700 }];
  let selected = null;
  const editor = { view, store: { touchable: boxes, select: (ids) => { selected = ids; } }, viewChanged() {} };
  showPlace(editor, { xmin: 800, ymin: 600, xmax: 900, ymax: 700 });
  assert.deepEqual(selected, ["near"]);
  assert.deepEqual(view.toScreen(850, 650).map(Math.round), [400, 300]);
  assert.equal(view.scale, 2.4);
});
