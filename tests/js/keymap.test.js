import assert from "node:assert/strict";
import { test } from "node:test";
import { KEY_GROUPS, Keymap, KeymapError, capsOf, isSingle, keyOf, readKeymap, whyNot } from "../../static/js/annotate/keymap.js";
import { seeded } from "./random.js";

const rows = KEY_GROUPS.flatMap(([, group]) => group).filter(([action]) => action);
const all = rows.map(([action]) => action);

test("no usual key means two things, and every one could be chosen again", () => {
  const keys = rows.flatMap(([, , keys]) => keys);
  assert.equal(new Set(keys).size, keys.length);
  for (const key of keys.filter((one) => one !== "escape")) assert.equal(whyNot(key), null, key);
});

test("a key's name: Shift is named unless it is in the sign; other scripts count by place", () => {
  assert.equal(keyOf({ key: " " }), "space");
  assert.equal(keyOf({ key: "Z", ctrlKey: true, shiftKey: true }), "ctrl+shift+z");
  assert.equal(keyOf({ key: "z", metaKey: true }), "ctrl+z");
  assert.equal(keyOf({ key: "?", shiftKey: true }), "?");
  assert.equal(keyOf({ key: "Delete", shiftKey: true }), "shift+delete");
  assert.equal(keyOf({ key: "т", code: "KeyN" }), "n");
  assert.equal(keyOf({ key: "å", code: "KeyA", altKey: true }), "alt+a");
  assert.deepEqual(capsOf("ctrl++"), ["ctrl", "+"]);
  assert.deepEqual(capsOf("+"), ["+"]);
  assert.equal(isSingle("shift+n"), true);
  assert.equal(isSingle("ctrl+d"), false);
});

test("digits, arrows, Escape and the browser's own keys cannot be chosen", () => {
  for (const key of ["1", "arrowleft", "shift+arrowup", "escape", "tab", "ctrl+w", "f5", "process"]) assert.ok(whyNot(key), key);
});

test("a key that is given away is taken from who had it, and comes back with the usual ones", () => {
  const map = new Keymap();
  assert.equal(map.clash("d", "previous"), "next");
  map.set("previous", ["d"]);
  assert.equal(map.actionOf("d"), "previous");
  assert.deepEqual(map.keysOf("next"), []);
  assert.deepEqual(Object.keys(map.changes).sort(), ["next", "previous"]);
  map.reset("next");
  assert.equal(map.actionOf("d"), "next");
  assert.deepEqual(map.keysOf("previous"), []);
  map.reset();
  assert.deepEqual(map.changes, {});
  assert.equal(map.actionOf("a"), "previous");
});

test("after any changes each key means one thing, and a file gives the same map back", () => {
  const keys = [..."abcdefghijklmnopqrstuvwxyz"].flatMap((one) => [one, `shift+${one}`, `alt+${one}`]);
  for (let seed = 0; seed < 200; seed++) {
    const random = seeded(seed);
    const map = new Keymap();
    for (let i = 0; i < 30; i++) {
      const action = random.pick(all.filter((one) => one !== "cancel"));
      if (random.chance(0.2)) map.reset(action);
      else map.set(action, [random.pick(keys), random.pick(keys)]);
    }
    const given = all.flatMap((action) => map.keysOf(action));
    assert.equal(new Set(given).size, given.length, `seed ${seed}`);
    for (const action of all) for (const key of map.keysOf(action)) assert.equal(map.actionOf(key), action, `seed ${seed}`);
    assert.deepEqual(readKeymap(map.toText()).changes, map.changes, `seed ${seed}`);
  }
});

test("a file that is no key map is refused in words", () => {
  const refuse = (text, words) => assert.throws(() => readKeymap(text), (error) => error instanceof KeymapError && words.test(error.message));
  const file = (keys) => JSON.stringify({ boxloop_keys: 1, keys });
  refuse("{", /no JSON/);
  refuse("{}", /no key map/);
  refuse(file({ fly: ["f"] }), /“fly” is nothing/);
  refuse(file({ draw: "n" }), /needs a list/);
  refuse(file({ draw: ["1"] }), /cannot have "1".*Digits/);
  refuse(file({ draw: ["q"], move: ["q"] }), /q is given to “draw” and to “move”/);
});
