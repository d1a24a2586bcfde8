import assert from "node:assert/strict";
import { test } from "node:test";

import { about, forecast } from "../../static/js/forecast.js";

const facts = { images_per_second: 24, judging: 0, most_evaluations: 40, pace_size: 300, auto_size: 300, memory: 1.5e9, start_seconds: 10, automatic_epochs: 40, epochs_by_size: { 300: 40, 600: 20 }, epochs_by_images: { 50: { 300: 60 } } };
const chosen = { images: 120, val: 30, length: "auto", epochs: 5, minutes: 5, inputSize: 300, batchSize: 8 };

test("automatic: the engine's epochs at the machine's pace", () => {
  const { seconds, epochs } = forecast(facts, chosen);
  assert.equal(epochs, 40);
  assert.equal(seconds, 10 + (40 * 120) / 24);
});

test("an earlier revision has epochs of its own", () => {
  assert.equal(forecast(facts, { ...chosen, images: 50 }).epochs, 60);
});

test("larger pictures are shown less often", () => {
  assert.equal(forecast(facts, { ...chosen, inputSize: 600 }).epochs, 20);
});

test("a larger image costs by its area, in time and memory", () => {
  const small = forecast(facts, { ...chosen, length: "epochs" });
  const large = forecast(facts, { ...chosen, length: "epochs", inputSize: 600 });
  assert.equal(large.pace, small.pace / 4);
  assert.ok(large.memory > small.memory);
});

test("minutes are minutes, starting and exporting included", () => {
  const { seconds, epochs } = forecast(facts, { ...chosen, length: "minutes" });
  assert.equal(seconds, 300);
  assert.equal(epochs, 58);
});

test("judging counts, of many epochs forty times", () => {
  const judged = { ...facts, judging: 0.1 }; // 3 s for 30 images; an epoch is 5 s of learning
  assert.equal(forecast(judged, { ...chosen, length: "epochs", epochs: 10 }).seconds, 10 + 10 * 8);
  assert.equal(forecast(judged, { ...chosen, length: "epochs", epochs: 100 }).seconds, 10 + 500 + 40 * 3);
  const large = { ...chosen, length: "epochs", epochs: 10, inputSize: 600 };
  assert.equal(forecast(judged, large).seconds, 10 + 4 * 10 * 8);
  assert.equal(forecast(judged, { ...chosen, length: "minutes", minutes: 1.5 }).epochs, 10);
  assert.equal(forecast(judged, { ...chosen, length: "minutes", minutes: 10.5 }).epochs, 100);
});

test("pruned runs are quicker than the whole one that was measured, and the other way round", () => {
  const whole = { ...facts, changes: ["prune"], pruned: false, pruned_share: 0.8 };
  assert.equal(forecast(whole, { ...chosen, prune: true }).pace, 30);
  assert.equal(forecast(whole, { ...chosen, prune: false }).pace, 24);
  assert.equal(forecast({ ...whole, pruned: true }, { ...chosen, prune: false }).pace, 24 * 0.8);
  assert.equal(forecast({ ...whole, changes: ["flip"] }, { ...chosen, prune: true }).pace, 24);
});

test("a size that is left to the boxes is the one that they need", () => {
  const { pace } = forecast({ ...facts, auto_size: 600 }, { ...chosen, inputSize: NaN });
  assert.equal(pace, 6);
});

test("nothing sensible entered gives no forecast", () => {
  assert.equal(about(forecast(facts, { ...chosen, length: "epochs", epochs: 0 }).seconds), "–");
});

test("spans in words", () => {
  assert.equal(about(33), "about 35 s");
  assert.equal(about(210), "about 4 min");
  assert.equal(about(7200), "about 2.0 h");
});
