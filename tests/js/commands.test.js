import assert from "node:assert/strict";
import { test } from "node:test";
import * as c from "../../static/js/annotate/commands.js";
import { growBox, growBoxStart, moveBox, resizeBox, HANDLES } from "../../static/js/annotate/geometry.js";
import { changesBackTo } from "../../static/js/annotate/restoring.js";
import { IMAGE, annotation, seeded } from "./random.js";

const { width: W, height: H } = IMAGE;

/** One way to make each command, and each of the ways that the editor joins or merges them. */
const WAYS = {
  add: (random, list) => c.add(list, Array.from({ length: random.int(1, 3) }, () => annotation(random))),
  remove: (random, list, some) => c.remove(list, some),
  relabel: (random, list, some) => c.relabel(list, some, random.int(1, 4)),
  setStatus: (random, list, some) => c.setStatus(list, some, random.pick(["active", "rejected", "suggested"])),
  setFlag: (random, list, some) => c.setFlag(list, some, random.pick(["difficult", "truncated"]), random.chance(0.5)),
  place: (random, list, some) => c.place(list, moved(list, some, (one) => resizeBox(one, random.pick(HANDLES), random.int(-50, 850), random.int(-50, 650), W, H))),
  change: (random, list, some) => c.change(list, some, () => ({ xmin: 1, ymin: 2, xmax: random.int(3, W), ymax: random.int(4, H) }), "Resize"),
  "nudge, merged": (random, list) => nudge(random, list, "nudge", (one) => moveBox(one, random.int(-9, 9), random.int(-9, 9), W, H)),
  "grow, merged": (random, list) => nudge(random, list, "grow", (one) => growBox(one, random.int(-9, 9), random.int(-9, 9), W, H)),
  "grow at the start, merged": (random, list) => nudge(random, list, "start", (one) => growBoxStart(one, random.int(-9, 9), random.int(-9, 9))),
  "delete drawn, reject suggested": (random, list, some) => {
    const suggested = new Set(list.filter((one) => some.has(one.id) && one.status === "suggested").map((one) => one.id));
    const drawn = new Set([...some].filter((id) => !suggested.has(id)));
    return { name: "Delete", changes: [...c.remove(list, drawn).changes, ...c.setStatus(list, suggested, "rejected").changes] };
  },
  "an earlier revision": (random, list) => {
    const earlier = [...list.filter(() => random.chance(0.7)).map((one) => (random.chance(0.5) ? Object.freeze({ ...one, label_id: random.int(1, 4) }) : one)), annotation(random)];
    return { name: "Go back", ...changesBackTo(list, earlier, () => true) };
  },
};
const NO_COMMANDS = ["History", "applyChanges", "invert"];

const moved = (list, some, edit) => new Map(list.filter((one) => some.has(one.id)).map((one) => [one.id, edit(one)]));

/** The same boxes again and again, so that steps merge. */
function nudge(random, list, key, edit) {
  const group = new Set(list.slice(0, random.int(1, 2)).map((one) => one.id));
  return c.place(list, moved(list, group, edit), "Move", `${key}:${[...group]}`);
}

const done = new Map(Object.keys(WAYS).map((way) => [way, 0]));

/** A random command on the list as it is. */
function randomCommand(random, list) {
  const way = random.pick(Object.keys(WAYS));
  const some = new Set(list.filter(() => random.chance(0.3)).map((one) => one.id));
  const command = WAYS[way](random, list, some);
  if (command.changes.length) done.set(way, done.get(way) + 1);
  return command;
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

test("the random sequences held every command, hundreds of times", () => {
  const makers = Object.keys(c).filter((name) => !NO_COMMANDS.includes(name));
  assert.deepEqual(makers.filter((name) => !(name in WAYS)), [], "a new command has its way here, too");
  for (const [way, times] of done) assert.ok(times > 200, `${way}: ${times}`);
});

test("of more than 500 steps the last 500 are undone", () => {
  const random = seeded(9);
  const history = new c.History();
  let list = [];
  const lists = [list];
  for (let i = 0; i < 620; i++) {
    const command = c.add(list, [annotation(random)]);
    list = c.applyChanges(list, command.changes);
    history.push(command, i);
    lists.push(list);
  }
  let step;
  while ((step = history.undo())) list = c.applyChanges(list, step.changes);
  assert.deepEqual(list, lists[120]);
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
