// A room: what was received, once each and in order; what is missing is said.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Room } from "../../cluster/page/js/room.js";

const message = (seq, epoch = "e1", more = {}) => ({
  room: "r", epoch, seq, producer: null, n: null, user: "bob", text: `${seq}`, ...more,
});
const range = (from, to, epoch) => Array.from({ length: to - from + 1 }, (_, i) => message(from + i, epoch));
const history = (messages, { epoch = "e1", recovered = false, more = false } = {}) => (
  { room: "r", epoch, messages, recovered, more }
);
const seqs = (room) => room.messages.map(({ seq }) => seq);

/** A room with messages 1 to 5, joined. */
function joined() {
  const room = new Room("r", "ann");
  room.history(history(range(1, 5)));
  room.joinedAt({ epoch: "e1", seq: 5 });
  return room;
}

test("a first join – snapshot – no divider, nothing unread, the cursor at its end", () => {
  const room = joined();
  assert.deepEqual([seqs(room), room.head, room.cursor], [[1, 2, 3, 4, 5], 5, { epoch: "e1", seq: 5 }]);
  assert.deepEqual([room.dividers, room.unread, room.hasOlder], [[], 0, false]);
});

test("a first join – empty room – the acknowledgement says where it begins", () => {
  const room = new Room("r", "ann");
  room.history(history([]));
  room.joinedAt({ epoch: "e1", seq: 0 });
  assert.deepEqual(room.cursor, { epoch: "e1", seq: 0 });
  assert.deepEqual(room.live(message(1), 0).length, 1);
});

test("live messages – twice, or again by a resume – once each", () => {
  const room = joined();
  room.live(message(6), 1);
  room.live(message(6), 2);
  room.cutOff();
  room.history(history(range(5, 7), { recovered: true }));
  assert.deepEqual(seqs(room), [1, 2, 3, 4, 5, 6, 7]);
});

test("live messages – a hole – nothing behind it is shown until it is filled, and a resume is asked for", () => {
  const room = joined();
  assert.deepEqual(room.live(message(8), 1), []);
  assert.equal(room.torn, true);
  assert.deepEqual(room.cursor.seq, 5);
  room.history(history(range(6, 7), { recovered: true }));
  assert.deepEqual(seqs(room), [1, 2, 3, 4, 5, 6, 7, 8]);
});

test("a live message – of an epoch that nothing announced – not taken, and a resume is asked for", () => {
  const room = joined();
  assert.deepEqual(room.live(message(6, "e2"), 1), []);
  assert.deepEqual([room.torn, room.head], [true, 5]);
});

test("a resume – in chunks – caught up, counted once", () => {
  const room = joined();
  room.cutOff();
  room.history(history(range(6, 7), { recovered: true, more: true }));
  room.history(history(range(8, 9), { recovered: true }));
  room.joinedAt({ epoch: "e1", seq: 9 });
  assert.deepEqual(room.dividers, [{ afterSeq: 5, kind: "caught-up", count: 4 }]);
  assert.equal(room.unread, 4);
});

test("a resume – nothing was missed – no divider", () => {
  const room = joined();
  room.cutOff();
  room.history(history([], { recovered: true }));
  room.joinedAt({ epoch: "e1", seq: 5 });
  assert.deepEqual(room.dividers, []);
});

test("a resume – cut off between two chunks – goes on from where it was", () => {
  const room = joined();
  room.cutOff();
  room.history(history(range(6, 7), { recovered: true, more: true }));
  room.cutOff();
  assert.equal(room.cursor.seq, 7);
  room.history(history(range(8, 9), { recovered: true }));
  assert.deepEqual(seqs(room), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a resume – into the next epoch, all recovered – no gap, the cursor is in it", () => {
  const room = joined();
  room.history(history([message(6), message(7, "e2")], { epoch: "e2", recovered: true }));
  assert.deepEqual([seqs(room), room.cursor], [[1, 2, 3, 4, 5, 6, 7], { epoch: "e2", seq: 7 }]);
  assert.deepEqual(room.dividers.map(({ kind }) => kind), ["caught-up"]);
});

test("a new epoch – announced live, shown messages are gone – an honest gap that counts them", () => {
  const room = joined();
  room.history(history([...range(1, 3), message(4, "e2")], { epoch: "e2" }));
  assert.deepEqual([seqs(room), room.epoch], [[1, 2, 3, 4], "e2"]);
  assert.deepEqual(room.dividers, [{ afterSeq: 3, kind: "gap", count: 2 }]);
  assert.equal(room.unread, 1); // What was read under this number is gone.
  assert.equal(room.live(message(5, "e2"), 1).length, 1);
  assert.equal(room.unread, 2);
});

test("a cursor – not recovered since what follows was trimmed – a gap, and what is older is not there", () => {
  const room = joined();
  room.history(history(range(100, 149)));
  room.joinedAt({ epoch: "e1", seq: 149 });
  assert.deepEqual([room.firstSeq, room.head], [100, 149]);
  assert.deepEqual(room.dividers, [{ afterSeq: 99, kind: "gap", count: null }]);
});

test("everything gone – an empty snapshot – an honest gap before all that comes", () => {
  const room = joined();
  room.history(history([], { epoch: "e2" }));
  room.joinedAt({ epoch: "e2", seq: 0 });
  assert.deepEqual([seqs(room), room.dividers], [[], [{ afterSeq: 0, kind: "gap", count: 5 }]]);
  assert.equal(room.live(message(1, "e2"), 1).length, 1);
});

test("too far behind to resume – a snapshot instead – caught up, not a gap", () => {
  const room = joined();
  room.forgetCursor();
  assert.equal(room.cursor, null);
  room.history(history(range(5001, 5050)));
  room.joinedAt({ epoch: "e1", seq: 5050 });
  assert.deepEqual(room.dividers, [{ afterSeq: 5, kind: "caught-up", count: 5045 }]);
  assert.equal(room.hasOlder, true);
  assert.equal(room.unread, 5045);
});

test("too far behind to resume – the log is another one by now – a gap", () => {
  for (const [epoch, seq] of [["e2", 5050], ["e1", 3]]) {
    const room = joined();
    room.forgetCursor();
    room.history(history(range(seq, seq, epoch), { epoch }));
    room.joinedAt({ epoch, seq });
      assert.deepEqual(room.dividers, [{ afterSeq: 5, kind: "gap", count: null }]);
  }
});

test("too far behind to resume – cut off before or amid the snapshot – the divider comes with the next one", () => {
  for (const amid of [[], range(5001, 5050)]) {
    const room = joined();
    room.forgetCursor();
    assert.deepEqual(room.keptCursor, { epoch: "e1", seq: 5 });
    if (amid.length) room.history(history(amid));
    room.cutOff();
    room.forgetCursor();
    assert.deepEqual(room.keptCursor, { epoch: "e1", seq: 5 });
    room.history(history(range(5011, 5060)));
    room.joinedAt({ epoch: "e1", seq: 5060 });
    assert.deepEqual(room.dividers, [{ afterSeq: 5, kind: "caught-up", count: 5055 }]);
    assert.deepEqual(room.keptCursor, { epoch: "e1", seq: 5060 });
  }
});

test("older pages – contiguous – put in front until the first that is kept", () => {
  const room = new Room("r", "ann");
  room.history(history(range(101, 150)));
  room.joinedAt({ epoch: "e1", seq: 150 });
  assert.equal(room.hasOlder, true);
  assert.equal(room.older(range(51, 100), 40).length, 50);
  assert.equal(room.hasOlder, true);
  assert.equal(room.older(range(40, 50), 40).length, 11);
  assert.deepEqual([room.firstSeq, room.hasOlder, room.messages.length], [40, false, 111]);
});

test("an older page – with a hole before what is shown – not taken", () => {
  const room = joined();
  room.history(history(range(50, 60)));
  assert.deepEqual(room.older(range(10, 20), 1), []);
  assert.equal(room.hasOlder, false);
});

test("another life – restored – nothing shown, the cursor and what was read are there", () => {
  const room = new Room("r", "ann");
  room.restore({ direct: null, invited: false, epoch: "e1", seq: 10, read: 8 });
  assert.deepEqual(room.cursor, { epoch: "e1", seq: 10 });
  room.history(history(range(11, 13), { recovered: true }));
  room.joinedAt({ epoch: "e1", seq: 13 });
  assert.deepEqual([seqs(room), room.unread, room.hasOlder], [[11, 12, 13], 5, true]);
  assert.deepEqual(room.dividers, [{ afterSeq: 10, kind: "caught-up", count: 3 }]);
});

test("unread – own messages and those that were read – do not count", () => {
  const room = joined();
  room.live(message(6), 1);
  room.live(message(7, "e1", { user: "ann" }), 1);
  room.live(message(8), 1);
  assert.equal(room.unread, 2);
  assert.equal(room.read(6), true);
  assert.equal(room.unread, 1);
  assert.equal(room.read(3), false);
  assert.equal(room.unread, 1);
});

test("reads – of others – only forward", () => {
  const room = joined();
  assert.equal(room.readBy("bob", 4), true);
  assert.equal(room.readBy("bob", 2), false);
  assert.deepEqual([...room.reads], [["bob", 4]]);
});

test("user lists – an older version of the same epoch – left out", () => {
  const room = joined();
  const users = (version) => [{ user: `v${version}`, node: "n", state: "online" }];
  const list = (version, epoch = "e1") => ({ room: "r", epoch, version, users: users(version) });
  assert.equal(room.list(list(5)), true);
  assert.equal(room.list(list(4)), false);
  assert.equal(room.people[0].user, "v5");
  assert.equal(room.list(list(1, "e2")), true);
});

test("the pub/sub variant – no positions – what comes is shown as it comes, and there is no cursor", () => {
  const room = new Room("r", "ann");
  room.history(history([], { epoch: null }));
  room.joinedAt({ epoch: null, seq: null });
  room.live(message(null, null), 1);
  room.live(message(null, null), 2);
  assert.deepEqual([room.messages.length, room.cursor, room.hasOlder], [2, null, false]);
});

test("many messages – more than are kept – the oldest go and can be fetched again", () => {
  const room = joined();
  for (let seq = 6; seq <= 20_002; seq += 1) room.live(message(seq), 1);
  assert.ok(room.messages.length <= 20_000);
  assert.equal(room.messages.at(-1).seq, 20_002);
  assert.equal(room.hasOlder, true);
  assert.equal(room.messages.length, 20_002 - room.firstSeq + 1);
});

test("a room – whatever comes twice, late or in pieces – is the log, once each and in order", () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = seeded(seed);
    const log = Array.from({ length: 60 }, (_, i) => message(i + 1, i < 30 ? "e1" : "e2"));
    const room = new Room("r", "ann");
    let at = 0; // what the node has delivered on this connection
    let joined = false;
    const resume = (to) => {
      const from = room.cursor?.seq ?? Math.max(0, to - 5);
      const recovered = room.cursor !== null;
      const epoch = to > 30 ? "e2" : "e1";
      const cut = random() < 0.5 ? to : (from + to) >> 1;
      const chunks = cut === to ? [log.slice(from, to)] : [log.slice(from, cut), log.slice(cut, to)];
      for (const [i, messages] of chunks.entries()) {
        if (i > 0 && random() < 0.2) return room.cutOff(); // Lost between two chunks.
        room.history(history(messages, { epoch, recovered, more: i < chunks.length - 1 }));
      }
      room.joinedAt({ epoch, seq: to });
      [joined, at] = [true, to];
    };
    for (let step = 0; step < 200; step += 1) {
      const what = random();
      if (what < 0.1) [joined] = [false, room.cutOff()];
      else if (!joined || room.torn) resume(Math.min(log.length, Math.max(at, room.head) + Math.floor(random() * 4)));
      else if (what < 0.2) room.live(log[Math.max(0, at - 1)], step); // Twice.
      else if (what < 0.25 && at + 1 < log.length) room.live(log[at + 1], step); // One was left out.
      else if (at < log.length && log[at].epoch === room.epoch) room.live(log[at++], step);
      else if (at < log.length) resume(at + 1);
      const shown = room.messages.map(({ seq }) => seq);
      const first = shown[0] ?? 1;
      assert.deepEqual(shown, shown.map((_, i) => first + i), `seed ${seed}, step ${step}`);
      if (shown.length) assert.equal(room.head, shown.at(-1), `seed ${seed}, step ${step}`);
      assert.deepEqual(room.messages, log.slice(first - 1, first - 1 + shown.length), `seed ${seed}, step ${step}`);
      assert.ok(room.dividers.every(({ kind }) => kind === "caught-up"), `seed ${seed}, step ${step}`);
    }
    joined = false;
    room.cutOff();
    while (!joined) resume(log.length);
    assert.equal(room.head, log.length, `seed ${seed}`);
  }
});

/** A random generator that a seed decides (mulberry32). */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
