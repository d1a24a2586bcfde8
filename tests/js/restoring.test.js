import assert from "node:assert/strict";
import { test } from "node:test";
import { applyChanges } from "../../static/js/annotate/commands.js";
import { ago } from "../../static/js/annotate/moments.js";
import { changesBackTo } from "../../static/js/annotate/restoring.js";
import { annotation, seeded } from "./random.js";

const byId = (list) => [...list].sort((a, b) => (a.id < b.id ? -1 : 1));

test("random edits are gone after going back", () => {
  for (let seed = 0; seed < 40; seed++) {
    const dice = seeded(seed);
    const earlier = Array.from({ length: dice.int(0, 8) }, () => annotation(dice));
    const today = earlier.filter(() => dice.chance(0.7)).map((one) => (dice.chance(0.5) ? { ...one, xmin: one.xmin + 1 } : one));
    for (let i = dice.int(0, 4); i > 0; i--) today.splice(dice.int(0, today.length), 0, annotation(dice));
    const { changes, leftOut } = changesBackTo(today, earlier, () => true);
    assert.equal(leftOut, 0);
    assert.deepEqual(byId(applyChanges(today, changes)), byId(earlier), `seed ${seed}`);
  }
});

test("boxes of a retired label stay out; those that are there keep the label of today", () => {
  const dice = seeded(1);
  const [kept, lost] = [annotation(dice, { label_id: 1 }), annotation(dice, { label_id: 1 })];
  const { changes, leftOut } = changesBackTo([{ ...kept, label_id: 2, xmin: kept.xmin + 1 }], [kept, lost], (id) => id === 2);
  assert.equal(leftOut, 1);
  assert.deepEqual(changes.map((item) => item.after), [{ ...kept, label_id: 2 }]);
});

test("moments in words", () => {
  const now = Date.UTC(2026, 5, 15, 12);
  const words = [10, 120, 7200, 86_400, 3 * 86_400].map((seconds) => ago(new Date(now - seconds * 1000), now));
  assert.deepEqual(words, ["just now", "2 min. ago", "2 hr. ago", "yesterday", "3 days ago"]);
});
