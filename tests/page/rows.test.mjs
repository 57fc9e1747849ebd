// What a log shows, row by row: days, gaps, who has read, who stands under whose name.

import assert from "node:assert/strict";
import { test } from "node:test";

import { readersBySeq, rowsOf } from "../../cluster/page/js/views/rows.js";

const NOON = new Date(2026, 10, 26, 12).getTime() / 1000;
const DAY = 86_400;

const message = (seq, more = {}) => ({ room: "r", epoch: "e1", seq, user: "bob", text: `${seq}`, sent_at: NOON, ...more });
const divider = (kind, afterSeq, count) => ({ kind, afterSeq, count });

function rows({ messages = [], pending = [], dividers = [], reads = new Map() }, { low = 0, high = messages.length, fresh = null } = {}) {
  const view = { low, high, user: "ann", readers: readersBySeq(reads, "ann"), fresh, now: new Date(NOON * 1000) };
  return rowsOf({ messages, pending, dividers }, view);
}

const shown = (list) => list.map((row) => (row.kind === "message" ? row.message.seq : row.name ?? row.kind));

test("a day – its first message – stands under the day's name, and no other does", () => {
  const messages = [message(1, { sent_at: NOON - DAY }), message(2, { sent_at: NOON - DAY + 9 }), message(3), message(4)];
  assert.deepEqual(shown(rows({ messages })), ["Yesterday", 1, 2, "Today", 3, 4]);
});

test("a day – its first message is before the window – no separator where the window begins", () => {
  assert.deepEqual(shown(rows({ messages: [message(1), message(2)] }, { low: 1 })), [2]);
});

test("a gap – between messages – stands behind the last one that is there", () => {
  const messages = [message(1), message(2)];
  assert.deepEqual(shown(rows({ messages, dividers: [divider("gap", 1, 3)] })), ["Today", 1, "gap", 2]);
});

test("a gap – everything is gone – is shown where there is nothing else", () => {
  const [row, ...others] = rows({ dividers: [divider("gap", 0, 7)] });
  assert.deepEqual([row?.kind, row?.divider.count, others.length], ["gap", 7, 0]);
});

test("a gap – everything is gone, and something new is pending – stands before it", () => {
  const pending = [{ key: "p", text: "again", state: "pending", error: null }];
  assert.deepEqual(shown(rows({ pending, dividers: [divider("gap", 0, 7)] })), ["gap", "pending"]);
});

test("a gap – what it stood behind is not here, and more was caught up since – is still shown", () => {
  const dividers = [divider("gap", 2, null), divider("caught-up", 3, 4)];
  assert.deepEqual(shown(rows({ messages: [message(9)], dividers })), ["Today", "gap", 9]);
});

test("caught up – at the end – stands behind the last message, before what is pending", () => {
  const pending = [{ key: "p", text: "next", state: "pending", error: null }];
  const dividers = [divider("caught-up", 1, 1)];
  assert.deepEqual(shown(rows({ messages: [message(1)], pending, dividers })), ["Today", 1, "caught-up", "pending"]);
});

test("unread – where it begins – is marked once", () => {
  assert.deepEqual(shown(rows({ messages: [message(1), message(2), message(3)] }, { fresh: 1 })), ["Today", 1, "fresh", 2, 3]);
});

test("messages of one person – within five minutes – stand under one name, but not behind a separator or as answers", () => {
  const messages = [
    message(1), message(2, { sent_at: NOON + 299 }), message(3, { sent_at: NOON + 600 }),
    message(4, { sent_at: NOON + 601, reply_to: { epoch: "e1", seq: 1 } }), message(5, { sent_at: NOON + 602, user: "cid" }),
  ];
  const together = (list) => list.filter((row) => row.kind === "message").map((row) => row.together);
  assert.deepEqual(together(rows({ messages })), [false, true, false, false, false]);
  assert.deepEqual(together(rows({ messages, dividers: [divider("gap", 1, null)] }))[1], false);
});

test("readers – several at one place – in the order of their names, one's own left out", () => {
  const readers = readersBySeq(new Map([["dan", 2], ["ann", 9], ["bob", 2], ["cid", 1]]), "ann");
  assert.deepEqual([readers.get(2), readers.get(1), readers.get(9), readers.furthest], [["bob", "dan"], ["cid"], undefined, 2]);
});

test("a row – somebody reads – is drawn anew, and keeps its key", () => {
  const messages = [message(1, { user: "ann" })];
  const before = rows({ messages }).at(-1);
  const after = rows({ messages, reads: new Map([["bob", 1]]) }).at(-1);
  assert.equal(before.key, after.key);
  assert.notEqual(before.sign, after.sign);
  assert.deepEqual([before.seen, after.seen, after.read], [false, true, ["bob"]]);
});
