import assert from "node:assert/strict";
import { test } from "node:test";
import { Store, ImageDocument } from "../../static/js/annotate/store.js";
import { actions, setBox } from "../../static/js/annotate/actions.js";
import { copyFrom } from "../../static/js/annotate/clipboard.js";
import { IMAGE, annotation, seeded } from "./random.js";

const LABELS = [1, 2, 3, 4].map((id) => ({ id, class_id: id, name: `label ${id}`, display_name: null, color: "#62C7FC", hotkey: null, box_count: 0, retired: false }));

function makeStore(annotations) {
  const store = new Store({ project_id: 1, can_edit: true, labels: LABELS });
  store.open(new ImageDocument({ id: 1, name: "a.jpg", ...IMAGE, state: "new", revision: 0, annotations }));
  return store;
}

/** As much of an editor as actions need. */
const editorOf = (store) => ({ store, say() {}, tell() {}, tellLocked() {}, revealSelection() {} });

test("boxes of a locked label are seen, not selected", () => {
  const random = seeded(1);
  const store = makeStore([annotation(random, { label_id: 1 }), annotation(random, { label_id: 2 })]);
  const [one, two] = store.annotations;
  store.select([one.id, two.id]);
  store.toggleLabelLocked(1);
  assert.deepEqual([...store.selection], [two.id]);
  assert.deepEqual(store.shown, [one, two]);
  assert.deepEqual(store.touchable, [two]);
  store.select([one.id]);
  assert.deepEqual([...store.selection], []);
  store.toggleLabelLocked(1);
  assert.deepEqual(store.touchable, [one, two]);
});

test("only one label, then all again; what is hidden is not selected", () => {
  const random = seeded(2);
  const store = makeStore([annotation(random, { label_id: 1 }), annotation(random, { label_id: 3 })]);
  store.select(store.annotations.map((a) => a.id));
  store.toggleOnlyLabel(3);
  assert.deepEqual(store.shown.map((a) => a.label_id), [3]);
  assert.equal(store.single.label_id, 3);
  store.toggleOnlyLabel(3);
  assert.equal(store.hiddenLabels.size, 0);
});

test("whatever is done by keys, boxes of locked labels stay as they are, and undo gives the start back", () => {
  const names = ["selectAll", "nextBox", "previousBox", "remove", "difficult", "truncated", "accept", "acceptAll", "rejectAll", "nudge", "grow", "growStart", "label", "duplicate", "copy", "paste", "copyFrom", "setBox", "undo", "redo"];
  const kept = new Map();
  globalThis.sessionStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  const more = {
    copyFrom: ({ store }, random) => copyFrom(store, { annotations: Array.from({ length: 3 }, () => annotation(random)) }),
    setBox: ({ store }) => store.single && setBox(store, store.single.id, { xmin: 3, ymin: 4, xmax: 50, ymax: 60 }),
  };
  for (let seed = 0; seed < 150; seed++) {
    const random = seeded(3000 + seed);
    const start = Array.from({ length: 12 }, () => annotation(random, random.chance(0.4) ? { status: "suggested", source: "model", score: random.next() } : {}));
    const store = makeStore(start);
    const editor = editorOf(store);
    store.toggleLabelLocked(random.int(1, 4));
    const locked = () => store.annotations.filter((one) => store.isLocked(one.label_id));
    const before = locked();
    for (let i = 0; i < 30; i++) {
      const name = random.pick(names);
      if (random.chance(0.3)) store.select(start.filter(() => random.chance(0.3)).map((one) => one.id));
      if (more[name]) more[name](editor, random);
      else actions[name](editor, name === "label" ? random.int(1, 4) : [random.int(-9, 9), random.int(-9, 9)]);
    }
    assert.deepEqual(locked(), before, `seed ${seed}`);
    while (store.undo());
    assert.deepEqual(store.annotations.map((one) => one.id).sort(), start.map((one) => one.id).sort());
    for (const one of start) assert.deepEqual(store.byId(one.id), one, `seed ${seed}`);
  }
});

test("an answer to a suggestion goes on to the next, the surest first; its source stays", () => {
  const random = seeded(4);
  const store = makeStore([0.6, 0.9, 0.7].map((score) => annotation(random, { status: "suggested", source: "model", score })));
  const [low, high, middle] = store.annotations;
  store.select([high.id]);
  actions.accept(editorOf(store));
  assert.equal(store.single.id, middle.id);
  actions.remove(editorOf(store));
  assert.equal(store.single.id, low.id);
  assert.deepEqual([store.byId(high.id).status, store.byId(high.id).source, store.byId(middle.id).status], ["active", "model", "rejected"]);
  actions.accept(editorOf(store));
  assert.equal(store.selection.size, 0);
});

test("suggestions of a hidden label are not answered unseen", () => {
  const random = seeded(5);
  const store = makeStore([1, 2].map((label_id) => annotation(random, { status: "suggested", source: "model", score: 0.9, label_id })));
  store.toggleLabelHidden(1);
  actions.acceptAll(editorOf(store));
  assert.deepEqual(store.annotations.map((one) => one.status), ["suggested", "active"]);
});

test("nothing is pasted into a retired label, and that is said", () => {
  const random = seeded(6);
  const store = makeStore([annotation(random, { label_id: 1 })]);
  store.select([store.annotations[0].id]);
  actions.copy(editorOf(store));
  store.setLabels(LABELS.map((label) => ({ ...label, retired: label.id === 1 })));
  const told = [];
  actions.paste({ ...editorOf(store), tell: (words) => told.push(words) });
  assert.equal(store.annotations.length, 1);
  assert.match(told[0], /Nothing to paste/);
});

test("boxes that are hidden are not selected, by no key", () => {
  const random = seeded(7);
  const store = makeStore([annotation(random), annotation(random)]);
  actions.selectAll(editorOf(store));
  actions.toggleHidden(editorOf(store));
  assert.equal(store.selection.size, 0);
  actions.selectAll(editorOf(store));
  actions.nextBox(editorOf(store));
  actions.remove(editorOf(store));
  assert.equal(store.annotations.length, 2);
});
