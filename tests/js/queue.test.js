import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox, SAVE_DELAY_MS } from "../../static/js/annotate/queue.js";
import { rebase } from "../../static/js/annotate/rebase.js";
import { annotation, seeded } from "./random.js";

/** Time that passes only when told to. */
class Clock {
  time = 0;
  timers = [];
  random = () => 0.5;
  now = () => this.time;
  after(ms, run) {
    const timer = { at: this.time + ms, run };
    this.timers.push(timer);
    return () => (this.timers = this.timers.filter((other) => other !== timer));
  }
  async pass(ms) {
    const end = this.time + ms;
    await settle();
    for (;;) {
      const due = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.timers = this.timers.filter((timer) => timer !== due);
      this.time = Math.max(this.time, due.at);
      due.run();
      await settle();
    }
    this.time = end;
  }
}

const settle = () => new Promise((done) => setImmediate(done));

class Storage {
  records = new Map();
  all = async () => [...this.records.values()].map((record) => structuredClone(record));
  put = async (record) => void this.records.set(record.key, structuredClone(record));
  delete = async (key) => void this.records.delete(key);
}

/** The server's side of the protocol, with a network that can lose requests and answers. */
class Server {
  images = new Map();
  applied = [];
  down = false;
  loggedOut = false;
  loseAnswers = false;

  image(id) {
    if (!this.images.has(id)) this.images.set(id, { revision: 0, state: "new", annotations: new Map(), ops: new Map() });
    return this.images.get(id);
  }
  list = (id) => [...this.image(id).annotations.values()];

  edit(id, upserts, deletes = []) {
    const image = this.image(id);
    for (const one of upserts) image.annotations.set(one.id, one);
    for (const one of deletes) image.annotations.delete(one);
    image.revision += 1;
  }

  send = async (record, body) => {
    if (this.down) throw new TypeError("Failed to fetch");
    if (this.loggedOut) return { status: 401, body: { login: "/login/" } };
    const image = this.image(record.image_id);
    const answer = this.answer(record.image_id, image, structuredClone(body));
    if (this.loseAnswers) throw new TypeError("Failed to fetch");
    return answer;
  };

  answer(id, image, body) {
    if (image.ops.has(body.op_id)) return { status: 200, body: { revision: image.ops.get(body.op_id), state: image.state } };
    if (body.base_revision !== image.revision) {
      return { status: 409, body: { revision: image.revision, state: image.state, annotations: this.list(id) } };
    }
    const bad = body.upserts.filter((one) => one.xmax <= one.xmin);
    if (bad.length) return { status: 422, body: { errors: bad.map((one) => ({ annotation: one.id, message: "no width" })) } };
    this.edit(id, body.upserts, body.deletes);
    if (body.state) image.state = body.state;
    image.ops.set(body.op_id, image.revision);
    this.applied.push({ id, ...body });
    return { status: 200, body: { revision: image.revision, state: image.state } };
  }
}

let ids = 0;

/** A page: its outbox, and the boxes that it shows. */
class Page {
  constructor(server, storage, clock, closed = new Set()) {
    this.name = `page${ids++}`;
    this.shown = new Map();
    this.revisions = new Map();
    this.server = server;
    this.closed = closed;
    this.outbox = new Outbox({
      storage,
      clock,
      send: server.send,
      owner: this.name,
      newId: () => `op${ids++}`,
      isGone: async (owner) => closed.has(owner),
      notify: (event, detail) => this.hear(event, detail),
    });
  }
  hear(event, detail) {
    if (event === "rebased") this.shown.set(detail.image_id, detail.annotations);
    if (event === "saved" || event === "rebased") this.revisions.set(detail.image_id, detail.revision);
    if (event === "replaced") {
      const others = this.shown.get(detail.image_id).filter((one) => one.id !== detail.id);
      this.shown.set(detail.image_id, detail.annotation ? [...others, detail.annotation] : others);
    }
  }
  open(id) {
    this.shown.set(id, this.outbox.overlay(id, this.server.list(id)));
    this.revisions.set(id, this.server.image(id).revision);
  }
  edit(id, before, after, state = null) {
    const others = this.shown.get(id).filter((one) => one.id !== (before ?? after)?.id);
    this.shown.set(id, after ? [...others, after] : others);
    const change = before || after ? [{ id: (before ?? after).id, before, after, index: 0 }] : [];
    const image = { id, project_id: 1, name: `${id}.jpg`, revision: this.revisions.get(id) };
    this.outbox.edit(image, change, state);
  }
  kill() {
    this.closed.add(this.name);
    this.outbox.clock = { ...this.outbox.clock, after: () => () => {} };
    this.outbox.send = () => new Promise(() => {});
    this.outbox.login = { url: "" };
  }
}

function world() {
  const [server, storage, clock] = [new Server(), new Storage(), new Clock()];
  const page = new Page(server, storage, clock);
  page.open(1);
  return { server, storage, clock, page };
}

const random = seeded(11);
const moved = (box, dx) => Object.freeze({ ...box, xmin: box.xmin + dx, xmax: box.xmax + dx });

test("edits are stored at once, sent together after the pause, and then gone from the store", async () => {
  const { server, storage, clock, page } = world();
  const [a, b] = [annotation(random), annotation(random)];
  page.edit(1, null, a);
  await settle();
  assert.equal(storage.records.size, 1);
  await clock.pass(SAVE_DELAY_MS - 100);
  page.edit(1, null, b);
  await clock.pass(SAVE_DELAY_MS - 1);
  assert.equal(server.applied.length, 0);
  await clock.pass(1);
  assert.equal(server.applied.length, 1);
  assert.equal(server.list(1).length, 2);
  assert.equal(storage.records.size, 0);
  assert.equal(page.outbox.summary().kind, "saved");
});

test("an edit that is undone before it was sent sends nothing", async () => {
  const { server, storage, clock, page } = world();
  const a = annotation(random);
  page.edit(1, null, a);
  page.edit(1, a, null);
  await clock.pass(2000);
  assert.equal(server.applied.length, 0);
  assert.equal(storage.records.size, 0);
  assert.equal(page.outbox.summary().kind, "saved");
});

test("offline: kept, counted, tried again with growing pauses, and all sent", async () => {
  const { server, clock, page } = world();
  server.down = true;
  for (let i = 0; i < 5; i++) {
    page.edit(1, null, annotation(random));
    await clock.pass(1000);
  }
  const summary = page.outbox.summary();
  assert.equal(summary.kind, "offline");
  assert.equal(summary.edits, 5);
  await clock.pass(120_000);
  assert.ok(page.outbox.offline.nextAt - clock.time <= 60_000);
  server.down = false;
  await clock.pass(61_000);
  assert.equal(server.list(1).length, 5);
  assert.equal(page.outbox.summary().kind, "saved");
});

test("a lost answer does not apply an operation twice", async () => {
  const { server, clock, page } = world();
  server.loseAnswers = true;
  page.edit(1, null, annotation(random));
  await clock.pass(700);
  assert.equal(server.applied.length, 1);
  page.edit(1, null, annotation(random));
  server.loseAnswers = false;
  await clock.pass(10_000);
  assert.equal(server.applied.length, 2);
  assert.equal(server.image(1).revision, 2);
});

test("an expired login keeps the queue and goes on after the next one", async () => {
  const { server, clock, page } = world();
  server.loggedOut = true;
  page.edit(1, null, annotation(random));
  await clock.pass(5000);
  assert.equal(page.outbox.summary().kind, "login");
  server.loggedOut = false;
  page.outbox.flush({ retry: true });
  await clock.pass(10);
  assert.equal(server.list(1).length, 1);
});

test("a page killed before it could send leaves its edits to the next", async () => {
  const { server, storage, clock, page } = world();
  server.down = true;
  page.edit(1, null, annotation(random));
  page.edit(1, null, null, "done");
  await clock.pass(3000);
  page.kill();
  server.down = false;
  const next = new Page(server, storage, clock, page.closed);
  assert.equal(await next.outbox.adopt(), 1);
  next.open(1);
  assert.equal(next.shown.get(1).length, 1);
  await clock.pass(1000);
  assert.equal(server.list(1).length, 1);
  assert.equal(server.image(1).state, "done");
  assert.equal(storage.records.size, 0);
});

test("a living page's edits are left to it", async () => {
  const { server, storage, clock, page } = world();
  server.down = true;
  page.edit(1, null, annotation(random));
  await clock.pass(1000);
  assert.equal(await new Page(server, storage, clock).outbox.adopt(), 0);
});

test("two people on different boxes: both edits stay", async () => {
  const { server, clock, page } = world();
  const [a, b] = [annotation(random), annotation(random)];
  server.edit(1, [a, b]);
  page.open(1);
  server.edit(1, [moved(b, 5)]);
  page.edit(1, a, moved(a, 3));
  await clock.pass(1000);
  assert.deepEqual(new Set(server.list(1).map((one) => one.xmin)), new Set([a.xmin + 3, b.xmin + 5]));
  assert.equal(page.outbox.summary().kind, "saved");
  assert.deepEqual(new Set(page.shown.get(1)), new Set(server.list(1)));
});

for (const side of ["mine", "theirs"]) {
  test(`two people on one box: a person is asked, and ${side} is kept`, async () => {
    const { server, clock, page } = world();
    const a = annotation(random);
    server.edit(1, [a]);
    page.open(1);
    server.edit(1, [moved(a, 5)]);
    page.edit(1, a, moved(a, 3));
    await clock.pass(1000);
    assert.equal(page.outbox.summary().kind, "conflict");
    assert.equal(server.list(1)[0].xmin, a.xmin + 5);
    page.outbox.resolve(1, a.id, side);
    await clock.pass(1000);
    assert.equal(server.list(1)[0].xmin, a.xmin + (side === "mine" ? 3 : 5));
    assert.equal(page.outbox.summary().kind, "saved");
    assert.deepEqual(page.shown.get(1), server.list(1));
  });
}

test("one moves a box, another relabels it: both are kept, nobody is asked", async () => {
  const { server, clock, page } = world();
  const a = annotation(random, { label_id: 1 });
  server.edit(1, [a]);
  page.open(1);
  server.edit(1, [{ ...a, label_id: 2 }]);
  page.edit(1, a, moved(a, 3));
  await clock.pass(1000);
  assert.equal(page.outbox.summary().kind, "saved");
  assert.deepEqual(server.list(1), [{ ...moved(a, 3), label_id: 2 }]);
  assert.deepEqual(page.shown.get(1), server.list(1));
});

test("one deletes a box that another moved: a person is asked", () => {
  const a = annotation(random);
  const op = { op_id: "x", entries: { [a.id]: { before: a, after: null } }, state: null, edits: 1, frozen: true };
  const result = rebase([op], [moved(a, 1)], () => "y");
  assert.deepEqual(Object.keys(result.conflicts), [a.id]);
});

test("two closed tabs changed one box offline: the second is asked, not put over the first", async () => {
  const { server, storage, clock, page } = world();
  const a = annotation(random);
  server.edit(1, [a]);
  const other = new Page(server, storage, clock, page.closed);
  for (const [tab, by] of [[page, 3], [other, 5]]) {
    tab.open(1);
    server.down = true;
    tab.edit(1, a, moved(a, by));
    tab.edit(1, null, annotation(random));
    await clock.pass(1000);
    tab.kill();
  }
  server.down = false;
  const heir = new Page(server, storage, clock, page.closed);
  assert.equal(await heir.outbox.adopt(), 2);
  heir.open(1);
  await clock.pass(100_000);
  assert.equal(heir.outbox.summary().kind, "conflict");
  assert.equal(server.list(1)[0].xmin, a.xmin + 3);
  assert.equal(server.list(1).length, 3, "the new boxes of both are there");
  heir.outbox.resolve(1, a.id, "mine");
  await clock.pass(1000);
  assert.equal(server.list(1)[0].xmin, a.xmin + 5);
  assert.equal(storage.records.size, 0);
});

test("going back to a revision is said to the server, also after a rebase", async () => {
  const { server, clock, page } = world();
  const a = annotation(random);
  server.edit(1, [a]);
  page.open(1);
  server.edit(1, [annotation(random)]);
  page.edit(1, a, null);
  page.outbox.markRestore(1, 7);
  await clock.pass(1000);
  assert.equal(server.applied.at(-1).restores, 7);
});

test("the same edit by two people is no conflict", () => {
  const a = annotation(random);
  const op = { op_id: "x", entries: { [a.id]: { before: a, after: moved(a, 1) } }, state: null, edits: 1, frozen: true };
  const result = rebase([op], [moved(a, 1)], () => "y");
  assert.deepEqual(result.conflicts, {});
  assert.equal(result.op, null);
});

test("a refused box is set aside with the server's words, the others are saved", async () => {
  const { server, clock, page } = world();
  const good = annotation(random);
  const bad = annotation(random, { xmin: 5, xmax: 5 });
  page.edit(1, null, good);
  page.edit(1, null, bad);
  await clock.pass(1000);
  assert.deepEqual(server.list(1), [good]);
  assert.equal(page.outbox.records.get(1).refused[bad.id].message, "no width");
  assert.equal(page.outbox.summary().kind, "refused");
  page.edit(1, bad, { ...bad, xmax: 9 });
  await clock.pass(1000);
  assert.equal(server.list(1).length, 2);
  assert.equal(page.outbox.summary().kind, "saved");
});

test("random sessions with outages, lost answers, kills and another person: nothing is lost", async () => {
  for (let seed = 0; seed < 60; seed++) {
    const dice = seeded(seed);
    const [server, storage, clock] = [new Server(), new Storage(), new Clock()];
    const closed = new Set();
    let page = new Page(server, storage, clock, closed);
    const mine = new Map();
    const images = [1, 2, 3];
    images.forEach((id) => page.open(id));
    for (let i = 0; i < 60; i++) {
      const id = dice.pick(images);
      const own = page.shown.get(id).filter((one) => mine.has(one.id));
      switch (dice.int(0, 9)) {
        case 0:
          server.down = !server.down;
          break;
        case 1:
          server.loseAnswers = !server.loseAnswers;
          break;
        case 2:
          server.edit(id, [annotation(dice, { id: `other${ids++}` })]);
          break;
        case 3:
          page.kill();
          page = new Page(server, storage, clock, closed);
          await page.outbox.adopt();
          images.forEach((image) => page.open(image));
          break;
        case 4:
        case 5:
          if (own.length) {
            const before = dice.pick(own);
            const after = dice.chance(0.2) ? null : moved(before, dice.int(-3, 3));
            page.edit(id, before, after);
            mine.set(before.id, after);
          }
          break;
        default: {
          const box = annotation(dice);
          page.edit(id, null, box);
          mine.set(box.id, box);
        }
      }
      await clock.pass(dice.int(0, 1500));
    }
    server.down = server.loseAnswers = false;
    page.outbox.flush({ retry: true });
    await clock.pass(300_000);
    assert.equal(page.outbox.summary().kind, "saved", `seed ${seed}`);
    const all = new Map(images.flatMap((id) => server.list(id)).map((one) => [one.id, one]));
    for (const [id, box] of mine) {
      if (box) assert.equal(all.get(id)?.xmin, box.xmin, `seed ${seed}: ${id}`);
      else assert.ok(!all.has(id), `seed ${seed}: ${id} was deleted`);
    }
    const operations = server.applied.map((op) => op.op_id);
    assert.equal(new Set(operations).size, operations.length, `seed ${seed}: applied once`);
  }
});
