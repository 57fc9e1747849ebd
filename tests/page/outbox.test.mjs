// The outbox: one place in the log for each message, whatever happens to attempts.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Outbox, WINDOW } from "../../cluster/page/js/outbox.js";

const ROOM = "room";
const ok = (seq, epoch = "e1") => ({ ok: true, room: ROOM, epoch, seq, duplicate: false });
const no = (code, more = {}) => ({ ok: false, error: { code, message: code, definite: true, ...more } });
const post = (outbox, ...texts) => texts.map((text) => outbox.post(ROOM, text, { at: 0 }));
const texts = (outbox) => outbox.shown(ROOM).map(({ text, state }) => `${text} ${state}`);
const refuse = (outbox, item, code, more) => outbox.answered(item, no(code, more), 0, () => 0);

/** Send what is due; returns it. */
function send(outbox, now = 0) {
  const sent = [];
  for (const item of outbox.due(ROOM, now)) {
    outbox.begin(item, now);
    sent.push(item);
  }
  return sent;
}

test("sends – answered – committed until they come from the log", () => {
  const outbox = new Outbox("p");
  post(outbox, "a", "b");
  const [a, b] = send(outbox);
  assert.deepEqual([a.n, b.n], [1, 2]);
  assert.equal(a.producer, b.producer);
  assert.deepEqual(send(outbox), []);
  outbox.answered(a, ok(7), 0);
  assert.deepEqual([a.state, a.seq], ["committed", 7]);
  assert.equal(outbox.delivered({ room: ROOM, producer: a.producer, n: 1, seq: 7 }), true);
  assert.deepEqual(texts(outbox), ["b pending"]);
  assert.equal(outbox.delivered({ room: ROOM, producer: "another", n: 2, seq: 8 }), false);
  assert.equal(outbox.delivered({ room: ROOM, producer: null, n: null, seq: 9 }), false);
});

test("a send – comes from the log before its answer – is done, and the answer changes nothing", () => {
  const outbox = new Outbox("p");
  const [a] = post(outbox, "a");
  send(outbox);
  outbox.delivered({ room: ROOM, producer: a.producer, n: 1, seq: 1 });
  assert.equal(outbox.answered(a, ok(1), 0), null);
  assert.deepEqual(texts(outbox), []);
  assert.deepEqual(send(outbox, 1e9), []);
});

test("sends – the connection is lost – the same keys again, in order", () => {
  const outbox = new Outbox("p");
  post(outbox, "a", "b", "c");
  const first = send(outbox).map(({ producer, n }) => [producer, n]);
  outbox.cutOff();
  assert.deepEqual(send(outbox).map(({ producer, n }) => [producer, n]), first);
});

test("a send – not answered for five seconds – the same key again on this connection", () => {
  const outbox = new Outbox("p");
  post(outbox, "a");
  send(outbox, 1_000);
  assert.deepEqual(send(outbox, 5_999), []);
  assert.equal(outbox.nextDue(ROOM), 6_000);
  assert.deepEqual(send(outbox, 6_000).map(({ n }) => n), [1]);
});

test("sends – more than the window – the rest waits", () => {
  const outbox = new Outbox("p");
  post(outbox, ...Array.from({ length: WINDOW + 5 }, (_, i) => `${i}`));
  const sent = send(outbox);
  assert.equal(sent.length, WINDOW);
  outbox.answered(sent[0], ok(1), 0);
  assert.deepEqual(send(outbox).map(({ n }) => n), [WINDOW + 1]);
});

for (const code of ["store_unavailable", "draining", "rate_limited", "not_joined"]) {
  test(`a send – ${code} – the same key again after the pause, and what is behind it waits`, () => {
    const outbox = new Outbox("p");
    post(outbox, "a", "b");
    const [a] = send(outbox);
    refuse(outbox, a, code, { retry_after_ms: 700 });
    post(outbox, "c"); // While b is in flight.
    assert.deepEqual(send(outbox, 699), []);
    assert.deepEqual(send(outbox, 700).map(({ n, state }) => [n, state]), [[1, "pending"], [3, "pending"]]);
  });
}

test("sends – the first was refused and leaves a gap – all go again in order under their keys", () => {
  const outbox = new Outbox("p");
  post(outbox, "a", "b", "c");
  const [a, b, c] = send(outbox);
  refuse(outbox, a, "rate_limited", { retry_after_ms: 100 });
  refuse(outbox, b, "out_of_order", { expected: 1 });
  refuse(outbox, c, "out_of_order", { expected: 1 });
  assert.deepEqual(send(outbox, 100).map(({ n }) => n), [1, 2, 3]);
});

for (const code of ["bad_request", "room_invalid", "unauthorized", "text_too_long"]) {
  test(`a send – ${code} – failed for sure; what is behind it goes on under a new producer`, () => {
    const outbox = new Outbox("p");
    post(outbox, "a", "b");
    const [a, b] = send(outbox);
    const before = b.producer;
    refuse(outbox, a, code);
    refuse(outbox, b, "out_of_order", { expected: 1 });
    assert.deepEqual([a.state, a.error.code, a.error.definite], ["failed", code, true]);
    const [again] = send(outbox);
    assert.deepEqual([again, again.n, again.producer !== before], [b, 1, true]);
    outbox.discard(ROOM, a.key);
    assert.deepEqual(texts(outbox), ["b pending"]);
  });
}

test("a gap that stays – more is written while the rest is in flight – a new producer takes all, in order", () => {
  const outbox = new Outbox("p");
  post(outbox, "a", "b", "c");
  const [a, b, c] = send(outbox);
  refuse(outbox, a, "bad_request");
  refuse(outbox, b, "out_of_order", { expected: 1 });
  post(outbox, "d");
  assert.deepEqual(send(outbox), []);
  assert.equal(outbox.nextDue(ROOM), 5_000); // c may be repeated then.
  refuse(outbox, c, "out_of_order", { expected: 1 });
  assert.deepEqual(send(outbox).map(({ text, n }) => [text, n]), [["b", 1], ["c", 2], ["d", 3]]);
});

test("a gap that stays – more than the window waits – a new producer takes all, in order", () => {
  const outbox = new Outbox("p");
  const [first] = post(outbox, "first");
  send(outbox);
  outbox.answered(first, ok(1), 0);
  post(outbox, ...Array.from({ length: 70 }, (_, i) => `${i + 1}`));
  const sent = [];
  const before = send(outbox);
  for (const item of before) {
    refuse(outbox, item, "out_of_order", { expected: 1 }); // The cluster has forgotten the producer.
    sent.push(...send(outbox));
  }
  for (let i = 0; i < sent.length; i += 1) {
    outbox.answered(sent[i], ok(i + 2), 0);
    sent.push(...send(outbox));
  }
  assert.deepEqual(sent.map(({ text }) => Number(text)), Array.from({ length: 70 }, (_, i) => i + 1));
});

test("a gap that stays – the last in flight comes from the log instead of an answer – what is left goes on", () => {
  const outbox = new Outbox("p");
  post(outbox, "a", "b", "c");
  const [a, b, c] = send(outbox);
  refuse(outbox, a, "bad_request");
  refuse(outbox, b, "out_of_order", { expected: 1 });
  outbox.delivered({ room: ROOM, producer: c.producer, n: c.n, seq: 1 });
  assert.deepEqual(send(outbox).map(({ text }) => text), ["b"]);
});

test("a gap that stays – the connection is lost before all are answered – the same keys once more, then moved", () => {
  const outbox = new Outbox("p");
  post(outbox, "a", "b", "c", "d");
  const [a, b, c, d] = send(outbox);
  refuse(outbox, a, "bad_request");
  refuse(outbox, b, "out_of_order", { expected: 1 });
  refuse(outbox, c, "out_of_order", { expected: 1 });
  outbox.cutOff(); // Nobody knows of d.
  assert.deepEqual(send(outbox).map(({ text, n }) => [text, n]), [["b", 2], ["c", 3], ["d", 4]]);
  for (const item of [b, c, d]) refuse(outbox, item, "out_of_order", { expected: 1 });
  assert.deepEqual([d.state, d.error.definite], ["failed", false]);
  assert.deepEqual(send(outbox).map(({ text, n }) => [text, n]), [["b", 1], ["c", 2]]);
});

test("what was left – a gap before it – goes under a new producer before what was written later", () => {
  const old = new Outbox("old");
  const [zero] = post(old, "zero", "one", "two");
  old.begin(zero, 0);
  old.answered(zero, ok(1), 0);
  const outbox = new Outbox("new");
  outbox.adopt(JSON.parse(JSON.stringify(old.written())), { over: true });
  post(outbox, "mine");
  const [one, two] = send(outbox);
  for (const item of [one, two]) refuse(outbox, item, "out_of_order", { expected: 1 });
  const sent = send(outbox);
  outbox.answered(sent[0], ok(1), 0);
  outbox.answered(sent[1], ok(2), 0);
  assert.deepEqual([...sent, ...send(outbox)].map(({ text }) => text), ["one", "two", "mine"]);
});

test("a send – its result has expired – failed, and perhaps in the log; no gap behind it", () => {
  const outbox = new Outbox("p");
  post(outbox, "a", "b");
  const [a, b] = send(outbox);
  refuse(outbox, a, "result_expired", { definite: false });
  assert.deepEqual([a.state, a.error.definite], ["failed", false]);
  outbox.answered(b, ok(2), 0);
  assert.equal(post(outbox, "c")[0].producer, b.producer);
});

test("a send – the key was used for something else – failed for sure, retried under another key", () => {
  const outbox = new Outbox("p");
  const [a] = post(outbox, "a");
  send(outbox);
  refuse(outbox, a, "key_reused");
  assert.deepEqual([a.state, a.error.definite], ["failed", true]);
  const { n } = a;
  outbox.retry(ROOM, a.key);
  const [again] = send(outbox);
  assert.equal(again, a);
  assert.ok(again.n > n);
  assert.equal(again.error, null);
});

test("a gap that the cluster has lost – never attempted or surely refused – moves to a new producer", () => {
  const outbox = new Outbox("p");
  post(outbox, "a", "b");
  const [a, b] = send(outbox);
  outbox.answered(a, ok(1), 0);
  refuse(outbox, b, "out_of_order", { expected: 1 }); // It has forgotten n 1.
  const [again] = send(outbox);
  assert.deepEqual([again, again.n], [b, 1]);
});

test("a gap that the cluster has lost – perhaps in the log – failed, and a person decides", () => {
  const outbox = new Outbox("p");
  post(outbox, "a", "b");
  const [a, b] = send(outbox);
  outbox.answered(a, ok(1), 0);
  outbox.cutOff(); // Nobody knows of b.
  send(outbox);
  refuse(outbox, b, "out_of_order", { expected: 1 });
  assert.deepEqual([b.state, b.error.definite], ["failed", false]);
  assert.deepEqual(send(outbox, 1e9), []);
});

test("an error – of a code that is not known, indefinite – tried again", () => {
  const outbox = new Outbox("p");
  const [a] = post(outbox, "a");
  send(outbox);
  refuse(outbox, a, "of_a_later_version", { definite: false });
  assert.equal(a.state, "pending");
  assert.equal(send(outbox, 60_000).length, 1);
});

test("an answer – malformed – counts as none: tried again", () => {
  const outbox = new Outbox("p");
  const [a] = post(outbox, "a");
  send(outbox);
  outbox.answered(a, "what?", 0);
  assert.equal(send(outbox, 60_000)[0], a);
});

test("what was left – taken over – the same keys, never a new n of that producer", () => {
  const old = new Outbox("old");
  post(old, "sent", "waiting");
  const [sent] = [...old.due(ROOM, 0)];
  old.begin(sent, 0);
  const written = JSON.parse(JSON.stringify(old.written()));

  const outbox = new Outbox("new");
  post(outbox, "mine");
  outbox.adopt(written);
  outbox.adopt(written); // Twice is once.
  assert.deepEqual(texts(outbox).length, 3);
  const all = [];
  for (let sent = send(outbox); sent.length; sent = send(outbox)) {
    for (const item of sent) {
      all.push(`${item.text} ${item.producer.split(".")[0]} ${item.n}`);
      outbox.answered(item, ok(all.length), 0);
    }
  }
  assert.deepEqual(all.sort(), ["mine new 1", "sent old 1", "waiting old 2"]);
  assert.equal(post(outbox, "later")[0].producer.split(".")[0], "new");
});

test("what was left – a gap before it – moves where it was never attempted, and only there", () => {
  const old = new Outbox("old");
  post(old, "attempted", "not attempted");
  const [first] = [...old.due(ROOM, 0)];
  old.begin(first, 0);
  const outbox = new Outbox("new");
  outbox.adopt(JSON.parse(JSON.stringify(old.written())), { over: true });
  const [attempted, not] = send(outbox);
  refuse(outbox, attempted, "out_of_order", { expected: 9 });
  refuse(outbox, not, "out_of_order", { expected: 9 });
  assert.deepEqual([attempted.state, attempted.error.definite], ["failed", false]);
  const [again] = send(outbox);
  assert.deepEqual([again.text, again.producer.startsWith("new")], ["not attempted", true]);
});

test("an attempt that was not answered – as old as the results of a producer – given up where it may have been missed", () => {
  const HOURS = 3_600_000;
  const states = (since, later) => {
    const outbox = new Outbox("p");
    post(outbox, "attempted", "waiting");
    const [attempted, waiting] = outbox.shown(ROOM);
    outbox.begin(attempted, 1_000);
    outbox.cutOff();
    const after = new Outbox("q");
    after.adopt(JSON.parse(JSON.stringify(outbox.written())), { over: true });
    const [adopted] = after.shown(ROOM);
    after.begin(adopted, HOURS); // It is the first attempt that counts: of it the result may be.
    after.cutOff();
    assert.equal(after.giveUpOld(ROOM, { now: later, since }), adopted.state === "failed");
    assert.equal(waiting.state, "pending");
    return adopted.error ? [adopted.state, adopted.error.definite] : adopted.state;
  };
  assert.deepEqual(states(2_000, 2 * HOURS), ["failed", false]);
  assert.equal(states(1_000, 2 * HOURS), "pending"); // All that was committed since then has come, and it is not among it.
  assert.equal(states(2_000, HOURS), "pending"); // The cluster still knows.
});

test("an attempt that was refused for sure – however old – is sent again", () => {
  const outbox = new Outbox("p");
  const [a] = post(outbox, "a");
  send(outbox);
  refuse(outbox, a, "store_unavailable");
  assert.equal(outbox.giveUpOld(ROOM, { now: 1e9, since: Infinity }), false);
  assert.deepEqual(send(outbox, 1e9), [a]);
  outbox.cutOff();
  assert.equal(outbox.giveUpOld(ROOM, { now: 1e9, since: Infinity }), false); // This one is of now.
});

test("a committed message – the log went on in another epoch without it – failed as lost", () => {
  const outbox = new Outbox("p");
  const [a] = post(outbox, "a");
  send(outbox);
  outbox.answered(a, ok(95, "e1"), 0);
  outbox.reached(ROOM, "e2", 91);
  assert.deepEqual([a.state, a.error.code, a.error.definite], ["failed", "lost", true]);
});

test("a resent message – a duplicate of an epoch before – never lost for sure", () => {
  const outbox = new Outbox("p");
  const [a] = post(outbox, "a");
  send(outbox);
  outbox.answered(a, { ...ok(95, "e1"), duplicate: true }, 0);
  outbox.known(a, { epoch: "e2", head: 94 });
  assert.deepEqual(texts(outbox), ["a committed"]); // It is still to come.
  outbox.reached(ROOM, "e2", 99);
  assert.deepEqual([a.state, a.error.definite], ["failed", false]);
});

test("a room – left – nothing of it is sent or called back any more, and the window is free again", () => {
  const outbox = new Outbox("p");
  post(outbox, ...Array.from({ length: WINDOW }, (_, i) => `${i}`));
  const sent = send(outbox);
  outbox.abandon(ROOM);
  assert.equal(outbox.answered(sent[0], ok(1), 0), null);
  post(outbox, ...Array.from({ length: WINDOW + 5 }, (_, i) => `again ${i}`));
  assert.equal(send(outbox).length, WINDOW);
});
