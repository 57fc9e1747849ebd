/**
 * What was sent and is not known to be in the log yet. Pure: time is passed in, in ms.
 *
 * Each message has a key `(room, producer, n)`, under which it is sent as often as it takes: the log has it once.
 * It is *committed* when it was acknowledged, *delivered* when it came back from the log, *failed* when no
 * repetition mends it. A room's messages leave in the order of `n`; one that has to wait holds back those behind it.
 *
 * **Tabs and reloads.** A producer belongs to one life of one page, and no other ever gives out numbers of it:
 * two tabs of a user cannot take the same `n`. What such a life leaves unresolved is written down
 * (`written`) and taken over by a later one (`adopt`), which only repeats the same keys. That is harmless even if
 * the other still lives, since a key means the same message to both.
 *
 * **Giving up.** The cluster remembers what a producer has sent for a while only. What was attempted before that, and
 * would not have come back if it is in the log, is not repeated (`giveUpOld`). And a message moves to another key only while every attempt under its old one was definitely refused.
 * Where that is not so, it may be in the log: it fails with `definite: false`, and a person decides whether to
 * send it again. A message that fails may leave a gap in `n`, which those behind it are told of (`out_of_order`): then
 * the lane is broken. It sends nothing new until all in flight is answered, and what is left goes on, in order, under a
 * new producer.
 */

import { Item, Lane } from "./lane.js";

export const WINDOW = 64; // sends in flight that the protocol allows
const PATIENCE_MS = 5_000;
const REMEMBERED_MS = 80 * 60_000; // the cluster keeps what a producer has sent for 90 minutes at least
const BACKOFF_MS = { first: 100, most: 5_000 };
const RETRY = new Set(["store_unavailable", "draining", "rate_limited", "not_joined"]);
const TAKES_ITS_N = new Set(["key_reused", "result_expired"]); // the log has used this n, for something

const SILENT = { code: "unknown", message: "Whether it was sent is not known.", definite: false };
const LOST = { code: "lost", message: "It was in the log, and the store has lost it." };

export class Outbox {
  #producer;
  #lanes = 0;
  #keys = 0;
  #rooms = new Map(); // room -> {lanes, own: the lane that takes new ones, shown: items in the order of writing}
  #inFlight = 0;

  /** @param {string} producer  of nobody else, ever */
  constructor(producer) {
    this.#producer = producer;
  }

  /** What a room shows as pending. */
  shown(room) {
    return this.#room(room).shown;
  }

  /** Take a new message. */
  post(room, text, { replyTo = null, at }) {
    const item = new Item({ key: `${this.#producer}-${++this.#keys}`, room, text, replyTo, at });
    this.#room(room).shown.push(item);
    this.#own(room).take(item);
    return item;
  }

  /** Show a message that is not worth an attempt. */
  refuse(room, text, { replyTo = null, at, error }) {
    const item = new Item({ key: `${this.#producer}-${++this.#keys}`, room, text, replyTo, at });
    Object.assign(item, { state: "failed", error });
    this.#room(room).shown.push(item);
    return item;
  }

  /** Send a failed message again, under a new key. */
  retry(room, key) {
    const item = this.#failed(room, key);
    if (item) {
      Object.assign(item, { state: "pending", error: null, clean: true, doubtAt: null });
      this.#own(room).take(item);
    }
    return item;
  }

  /** Forget a failed message. */
  discard(room, key) {
    const item = this.#failed(room, key);
    if (item) this.#hide(item);
    return item;
  }

  /** Yield what a room is to send now; `begin` each before the next. */
  *due(room, now) {
    for (const lane of [...this.#room(room).lanes]) {
      for (const item of [...lane.items]) {
        if (this.#inFlight >= WINDOW) return;
        if (!item.open && lane.broken) continue;
        if (item.open ? now >= item.sentAt + PATIENCE_MS : now >= item.retryAt) yield item;
        else if (!item.open) return;
      }
      if (lane.items.length) return; // What was written later waits for what was written before.
    }
  }

  /** When something becomes due in a room if nothing happens before; null: nothing will. */
  nextDue(room) {
    if (this.#inFlight >= WINDOW) return null; // An answer comes first, or the end of the connection.
    const times = [];
    for (const lane of this.#room(room).lanes) {
      for (const item of lane.items) {
        if (!item.open && lane.broken) continue;
        times.push(item.open ? item.sentAt + PATIENCE_MS : item.retryAt);
        if (!item.open) break;
      }
      if (times.length) break;
    }
    return times.length ? Math.min(...times) : null;
  }

  /** A message is about to be sent. */
  begin(item, now) {
    if (item.clean && !item.open) item.doubtAt = now;
    item.attempts += 1;
    item.open += 1;
    item.sentAt = now;
    this.#inFlight += 1;
  }

  /** An attempt was answered. Returns the code of a refusal, or null. */
  answered(item, answer, now, random = Math.random) {
    if (!item.open) return null; // Its room was left.
    this.#inFlight -= 1;
    item.open -= 1;
    const { lane } = item;
    const code = this.#outcome(item, answer, now, random);
    this.#goOn(lane);
    return code;
  }

  /** A message came from the log. Returns whether it was one of ours that waited. */
  delivered(message) {
    const mine = (item) => item.n === message.n && item.producer === message.producer;
    const item = message.producer === null ? null : this.#room(message.room).shown.find(mine);
    if (item && item.state !== "failed") {
      const { lane } = item;
      lane?.drop(item);
      item.state = "delivered";
      this.#hide(item);
      this.#goOn(lane);
      return true;
    }
    if (item) this.#hide(item); // It was in the log, as we could not know.
    return Boolean(item);
  }

  /**
   * Everything up to a position was received; nothing that was committed there is waited for any longer. What was
   * committed in an epoch before and did not come is lost: surely so, if nothing was left out (`complete`).
   */
  reached(room, epoch, seq, { complete = true } = {}) {
    const committed = this.shown(room).filter((item) => item.state === "committed");
    const here = committed.filter((item) => item.epoch === epoch && item.seq <= seq);
    const lost = committed.filter((item) => item.epoch !== epoch);
    here.forEach((item) => this.#hide(item));
    const error = ({ duplicate }) => ({ ...LOST, definite: complete && !duplicate }); // It has outlived one epoch already.
    lost.forEach((item) => Object.assign(item, { state: "failed", error: error(item) }));
    return here.length + lost.length > 0;
  }

  /**
   * Give up what the cluster may have taken and forgotten: a repetition would be a second message.
   *
   * `since`: from when on everything that was committed has come (ms). What was attempted later is not in the log, or it
   * would be here. Returns whether there was any.
   */
  giveUpOld(room, { now, since }) {
    const doubtful = (item) => item.state === "pending" && !item.clean && !item.open;
    const old = ({ doubtAt, at }) => since > (doubtAt ?? at) && now - (doubtAt ?? at) > REMEMBERED_MS;
    const found = this.shown(room).filter((item) => doubtful(item) && old(item));
    found.forEach((item) => this.#fail(item, SILENT));
    return found.length > 0;
  }

  /** An acknowledged message is not waited for where the log was received so far. A duplicate is in it, of any epoch. */
  known(item, { epoch, head }) {
    if (item.state === "committed" && item.seq <= head && (item.epoch === epoch || item.duplicate)) this.#hide(item);
  }

  /** The connection is gone: what was in flight may or may not be in the log. */
  cutOff() {
    this.#inFlight = 0;
    for (const { lanes, shown } of this.#rooms.values()) {
      for (const lane of lanes) lane.broken = false; // Under the old keys one may learn more.
      for (const item of shown) {
        if (item.open) item.clean = false;
        Object.assign(item, { open: 0, retryAt: 0, failures: 0 });
      }
    }
  }

  /** Forget everything of a room. What is in flight is not called back. */
  abandon(room) {
    const { lanes, shown } = this.#room(room);
    for (const item of shown) {
      this.#inFlight -= item.open;
      item.open = 0;
    }
    lanes.length = shown.length = 0;
    this.#room(room).own = null;
  }

  /** Rooms in which something is unresolved or has failed. */
  rooms() {
    return [...this.#rooms].filter(([, { shown }]) => shown.length).map(([room]) => room);
  }

  /** Whether anything of a room is unresolved. */
  isQuiet(room) {
    return this.#room(room).lanes.every((lane) => !lane.items.length);
  }

  /** What is to outlive this page: plain values. */
  written() {
    return this.rooms().flatMap((room) =>
      this.shown(room)
        .filter((item) => item.state !== "committed")
        .map(({ key, text, replyTo, at, state, error, attempts, clean, doubtAt, producer, n }) => (
          { key, room, text, replyTo, at, state, error, attempts, clean, doubtAt, producer, n }
        )),
    );
  }

  /** Somebody else may have taken over what waits here, and sent it. */
  doubt() {
    for (const room of this.rooms()) for (const item of this.shown(room)) item.clean = false;
  }

  /** Take over what another life has written down; `over`: it is known that nobody else sends anything of it any more. */
  adopt(written, { over = false } = {}) {
    const lanes = new Map();
    for (const old of written) {
      const item = new Item(old);
      const room = this.#room(old.room);
      if (room.shown.some((other) => other.key === old.key)) continue;
      room.shown.push(item);
      if (old.state === "failed") {
        Object.assign(item, { state: "failed", error: old.error, producer: old.producer, n: old.n });
        continue;
      }
      const name = JSON.stringify([old.room, old.producer]);
      if (!lanes.has(name)) lanes.set(name, this.#addLane(old.room, old.producer));
      lanes.get(name).take(item, old.n);
      item.doubtAt = old.doubtAt ?? null;
      item.clean = over && old.clean && old.attempts === 0; // An attempt was perhaps not answered before the end.
    }
  }

  #room(room) {
    if (!this.#rooms.has(room)) this.#rooms.set(room, { lanes: [], own: null, shown: [] });
    return this.#rooms.get(room);
  }

  #own(room) {
    const found = this.#room(room);
    found.own ??= this.#newLane(room);
    return found.own;
  }

  #newLane(room) {
    return this.#addLane(room, this.#newProducer());
  }

  #newProducer() {
    return `${this.#producer}.${(this.#lanes += 1)}`;
  }

  #addLane(room, producer) {
    const { lanes } = this.#room(room);
    for (const empty of lanes.filter((lane) => !lane.items.length && lane !== this.#room(room).own)) {
      lanes.splice(lanes.indexOf(empty), 1);
    }
    lanes.push(new Lane(room, producer));
    return lanes.at(-1);
  }

  #failed(room, key) {
    return this.shown(room).find((item) => item.key === key && item.state === "failed") ?? null;
  }

  #hide(item) {
    const { shown } = this.#room(item.room);
    const at = shown.indexOf(item);
    if (at >= 0) shown.splice(at, 1);
  }

  #outcome(item, answer, now, random) {
    if (answer?.ok) return this.#committed(item, answer);
    const error = answer?.error ?? SILENT;
    item.clean &&= error.definite === true;
    if (item.state === "pending") this.#refused(item, error, now, random);
    return error.code;
  }

  #committed(item, { epoch, seq, duplicate = false }) {
    if (item.state === "pending") {
      item.lane.drop(item);
      Object.assign(item, { state: "committed", epoch, seq, duplicate });
    }
    return null;
  }

  #refused(item, error, now, random) {
    if (error.code === "out_of_order") this.#afterGap(item, error, now, random);
    else if (RETRY.has(error.code) || !(error.definite || TAKES_ITS_N.has(error.code))) {
      this.#again(item, error, now, random);
    } else this.#fail(item, error);
  }

  #again(item, error, now, random) {
    const pause = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** Math.min(item.failures, 10));
    item.failures += 1;
    item.retryAt = now + Math.max(error.retry_after_ms ?? 0, pause * (0.5 + random() / 2));
  }

  #afterGap(item, error, now, random) {
    const { lane } = item;
    if (lane.items.some((other) => other.n === error.expected)) {
      this.#again(item, { retry_after_ms: 0 }, now, () => 0); // The one that is missing goes first anyway.
      return;
    }
    lane.broken = true;
  }

  /** A broken lane of which all is answered gives place to one of a new producer, with what surely is not in the log. */
  #goOn(lane) {
    if (!lane?.broken || lane.isOpen) return;
    const room = this.#room(lane.room);
    const next = new Lane(lane.room, this.#newProducer());
    room.lanes.splice(room.lanes.indexOf(lane), 1, next);
    if (room.own === lane) room.own = next;
    for (const item of [...lane.items]) {
      if (item.clean) this.#move(item, next);
      else this.#fail(item, SILENT);
    }
  }

  #move(item, lane) {
    item.lane.drop(item);
    lane.take(item);
  }

  #fail(item, error) {
    item.lane.drop(item);
    const definite = error.definite === true && item.clean;
    Object.assign(item, { state: "failed", error: { code: error.code, message: error.message, definite } });
  }
}
