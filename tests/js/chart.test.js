import assert from "node:assert/strict";
import { test } from "node:test";

import { epochTicks, escapeText, lastValue, lineChart, linePath, niceTicks } from "../../static/js/chart.js";

const spec = { id: "c", title: "Loss", description: "words", xMax: 10, yMax: 4, yTicks: [0, 2, 4], series: [{ points: [[1, 3], [2, 2]], color: "red" }] };

test("ticks divide the axis into round parts", () => {
  assert.deepEqual(niceTicks(3.2, 4), [0, 1, 2, 3]);
  assert.deepEqual(niceTicks(100), [0, 20, 40, 60, 80, 100]);
  assert.deepEqual(niceTicks(0.09, 5), [0, 0.02, 0.04, 0.06, 0.08]);
});

test("an axis without a length still has two ticks", () => {
  assert.deepEqual(niceTicks(0), [0, 1]);
  assert.deepEqual(niceTicks(NaN), [0, 1]);
});

test("epochs are whole numbers", () => {
  assert.deepEqual(epochTicks(3), [0, 1, 2, 3]);
  assert.deepEqual(epochTicks(50), [0, 10, 20, 30, 40, 50]);
});

test("epochs that were not judged are passed over by the line", () => {
  assert.equal(linePath([[0, 1], [1, NaN], [2, 3]], (x) => x, (y) => y), "M0.0 1.0 L2.0 3.0");
});

test("points lie where the axes say", () => {
  const markup = lineChart(spec, 364, 216);
  // x: 36 + 1/10 of 320; y: 190 - 3/4 of 178.
  assert.match(markup, /d="M68\.0 56\.5 L100\.0 101\.0"/);
});

test("time that has not run is a sunken field", () => {
  assert.match(lineChart({ ...spec, now: 5 }), /fill="var\(--sunken\)"/);
  assert.doesNotMatch(lineChart({ ...spec, now: 10 }), /fill="var\(--sunken\)"/);
});

test("the words of the best stand below it where another curve runs above", () => {
  const at = (best) => Number(/<text class="strong" x="[\d.]+" y="([\d.]+)"/.exec(lineChart({ ...spec, best }))[1]);
  // y: 190 - 2/4 of 178 = 101.
  assert.equal(at({ x: 2, y: 2, text: "best" }), 91);
  assert.equal(at({ x: 2, y: 2, text: "best", below: true }), 123);
});

test("the best is marked and named", () => {
  assert.match(lineChart({ ...spec, best: { x: 2, y: 2, text: "best 2.0" } }), />best 2\.0<\/text>/);
});

test("without a number the chart says so", () => {
  assert.match(lineChart({ ...spec, series: [{ points: [[1, NaN]], color: "red" }] }), /Nothing measured yet/);
});

test("a title is text, never markup", () => {
  assert.match(lineChart({ ...spec, title: "<b>&" }), /&lt;b&gt;&amp;/);
  assert.equal(escapeText(`"'`), "&quot;&#39;");
});

test("the last value is the last number", () => {
  assert.equal(lastValue([[1, 2], [2, NaN]]), 2);
  assert.equal(lastValue([]), null);
});
