// What a log shows, as a list of rows: a pure function of a room and of the window of messages to be shown.
//
// A row is `{kind, key, sign, …}`. Its key says which one it is, its sign changes when it must be drawn anew.

import { dayName, dayOf } from "./format.js";

const BEFORE_ALL = 0;
const TOGETHER_S = 300; // Messages of one person within five minutes stand under one name.

const unnumbered = new WeakMap(); // Keys of messages without a place: the pub/sub variant gives them none.
let count = 0;

/** What tells one message from all others, as a string. */
export function keyOf(message) {
  if (message.seq !== null) return `${message.epoch}:${message.seq}`;
  if (!unnumbered.has(message)) unnumbered.set(message, `unnumbered:${(count += 1)}`);
  return unnumbered.get(message);
}

/**
 * The rows for messages [low, high) of a room and, where the window reaches the end, for those not sent yet.
 * `readers` is what `readersBySeq` returns; `fresh` is the seq behind which messages were unread, or null.
 */
export function rowsOf(room, { low, high, user, readers, fresh, now = new Date() }) {
  const rows = [];
  const dividers = dividersBySeq(room);
  let before = room.messages[low - 1] ?? null;
  for (let i = low; i < high; i += 1) {
    const message = room.messages[i];
    const parted = addSeparators(rows, before, message, { dividers, fresh, now });
    rows.push(messageRow(message, { before: parted ? null : before, user, readers }));
    before = message;
  }
  const trailing = dividers.get(before?.seq ?? BEFORE_ALL); // All there was may be gone, and the gap is what is left.
  if (high === room.messages.length) {
    if (trailing) rows.push(dividerRow(trailing));
    const underOwn = before?.user === user && !trailing;
    room.pending.forEach((pending, i) => rows.push(pendingRow(pending, user, underOwn || i > 0)));
  }
  return rows;
}

/** Dividers by the seq behind which they stand; those of messages that are not here stand before all. A gap stays. */
function dividersBySeq({ dividers, messages }) {
  const first = messages[0]?.seq ?? Infinity;
  const bySeq = new Map();
  for (const divider of dividers) {
    const place = divider.afterSeq < first ? BEFORE_ALL : divider.afterSeq;
    if (bySeq.get(place)?.kind !== "gap" || divider.kind === "gap") bySeq.set(place, divider);
  }
  return bySeq;
}

function addSeparators(rows, before, message, { dividers, fresh, now }) {
  const had = rows.length;
  const day = dayOf(message.sent_at);
  if (before === null || dayOf(before.sent_at) !== day) {
    const name = dayName(message.sent_at, now);
    rows.push({ kind: "day", key: `day:${day}:${message.seq}`, sign: name, name });
  }
  const divider = dividers.get(before?.seq ?? BEFORE_ALL);
  if (divider) rows.push(dividerRow(divider));
  if (fresh !== null && before?.seq === fresh) rows.push({ kind: "fresh", key: `fresh:${fresh}`, sign: "" });
  return rows.length > had;
}

function dividerRow(divider) {
  const { kind, afterSeq, count } = divider;
  return { kind, key: `divider:${kind}:${afterSeq}`, sign: `${count}`, divider };
}

function messageRow(message, { before, user, readers }) {
  const own = message.user === user;
  const together =
    before !== null && before.user === message.user && !message.reply_to && message.sent_at - before.sent_at < TOGETHER_S;
  const read = readers.get(message.seq) ?? [];
  const seen = own && message.seq <= readers.furthest;
  const sign = `${together}|${seen}|${read.join("\n")}`;
  return { kind: "message", key: keyOf(message), sign, message, own, together, read, seen };
}

function pendingRow(pending, user, together) {
  const sign = `${together}|${pending.state}|${pending.error?.message ?? ""}`;
  return { kind: "pending", key: `pending:${pending.key}`, sign, pending, own: true, user, together };
}

/**
 * Who has read up to where: a Map of seq to names, with `furthest`, the furthest that anyone but `user` has read.
 */
export function readersBySeq(reads, user) {
  const bySeq = new Map();
  bySeq.furthest = 0;
  for (const [reader, seq] of reads ?? []) {
    if (reader === user) continue;
    if (!bySeq.has(seq)) bySeq.set(seq, []);
    bySeq.get(seq).push(reader);
    bySeq.furthest = Math.max(bySeq.furthest, seq);
  }
  for (const readers of bySeq.values()) readers.sort();
  return bySeq;
}
