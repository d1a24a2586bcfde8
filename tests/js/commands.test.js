import assert from "node:assert/strict";
import { test } from "node:test";
import * as c from "../../static/js/annotate/commands.js";
import { growBox, moveBox, resizeBox, HANDLES } from "../../static/js/annotate/geometry.js";
import { IMAGE, annotation, seeded } from "./random.js";

/** A random command on the list as it is. */
function randomCommand(random, list) {
  const some = new Set(list.filter(() => random.chance(0.3)).map((a) => a.id));
  const one = list.length ? random.pick(list) : null;
  switch (random.int(0, 7)) {
    case 0:
      return c.add(list, Array.from({ length: random.int(1, 3) }, () => annotation(random)));
    case 1:
      return c.remove(list, some);
    case 2:
      return c.relabel(list, some, random.int(1, 4));
    case 3:
      return c.setStatus(list, some, random.pick(["active", "rejected"]));
    case 4:
      return c.setFlag(list, some, random.pick(["difficult", "truncated"]), random.chance(0.5));
    case 5:
      return one && c.place(list, new Map([[one.id, moveBox(one, random.int(-9, 9), 3, IMAGE.width, IMAGE.height)]]), "Move", "nudge");
    case 6:
      return one && c.place(list, new Map([[one.id, growBox(one, random.int(-9, 9), 1, IMAGE.width, IMAGE.height)]]));
    default:
      return one && c.place(list, new Map([[one.id, resizeBox(one, random.pick(HANDLES), random.int(0, 800), random.int(0, 600), IMAGE.width, IMAGE.height)]]));
  }
}

test("any sequence of commands, undone, gives the start back; redone, the end", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = seeded(seed);
    const start = Array.from({ length: random.int(0, 12) }, () =>
      annotation(random, random.chance(0.3) ? { status: "suggested", score: 0.5 } : {}));
    const history = new c.History();
    let list = start;
    let now = 0;
    for (let i = 0; i < 40; i++) {
      now += random.int(1, 1500);
      const command = randomCommand(random, list);
      if (!command?.changes.length) continue;
      list = c.applyChanges(list, command.changes);
      history.push(command, now);
    }
    const end = list;
    let step;
    while ((step = history.undo())) list = c.applyChanges(list, step.changes);
    assert.deepEqual(list, start, `seed ${seed}: undone`);
    while ((step = history.redo())) list = c.applyChanges(list, step.changes);
    assert.deepEqual(list, end, `seed ${seed}: redone`);
  }
});

test("a random walk of undo and redo between commands stays consistent", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = seeded(1000 + seed);
    const start = Array.from({ length: 6 }, () => annotation(random));
    const history = new c.History();
    let list = start;
    for (let i = 0; i < 80; i++) {
      const move = random.int(0, 3);
      const step = move === 0 ? history.undo() : move === 1 ? history.redo() : randomCommand(random, list);
      if (!step?.changes.length) continue;
      list = c.applyChanges(list, step.changes);
      if (move > 1) history.push(step, i * 300);
    }
    let step;
    while ((step = history.undo())) list = c.applyChanges(list, step.changes);
    assert.deepEqual(list, start, `seed ${seed}`);
  }
});

test("nudges in quick succession are one step, later ones another", () => {
  const random = seeded(5);
  const box = annotation(random, { xmin: 10, ymin: 10, xmax: 20, ymax: 20 });
  let list = [box];
  const history = new c.History();
  for (const at of [0, 100, 200, 5000]) {
    const moved = moveBox(list[0], 1, 0, 800, 600);
    const command = c.place(list, new Map([[box.id, moved]]), "Move", "nudge:a");
    list = c.applyChanges(list, command.changes);
    history.push(command, at);
  }
  assert.equal(history.done.length, 2);
  list = c.applyChanges(list, history.undo().changes);
  assert.equal(list[0].xmin, 13);
  list = c.applyChanges(list, history.undo().changes);
  assert.equal(list[0].xmin, 10);
});

test("a command that changes nothing has no changes", () => {
  const random = seeded(6);
  const list = [annotation(random, { label_id: 2 })];
  assert.deepEqual(c.relabel(list, new Set([list[0].id]), 2).changes, []);
});

test("an edited suggestion is an accepted one, its source and score kept", () => {
  const random = seeded(7);
  const list = [annotation(random, { status: "suggested", source: "model", score: 0.9, label_id: 1 })];
  const [after] = c.applyChanges(list, c.relabel(list, new Set([list[0].id]), 3).changes);
  assert.deepEqual([after.status, after.source, after.score, after.label_id], ["active", "model", 0.9, 3]);
});

test("undo finds its box by id where others came and went", () => {
  const random = seeded(8);
  const [a, b, other] = [annotation(random), annotation(random), annotation(random)];
  const command = c.remove([a, b], new Set([b.id]));
  const theirs = [other, a];
  assert.deepEqual(c.applyChanges(theirs, c.invert(command.changes)).map((x) => x.id), [other.id, b.id, a.id]);
});
