/**
 * Sending: the outbox, moved. What is due leaves when its room is joined; it is written down before it leaves, so that
 * it is not forgotten after it has.
 */

import { LONGEST_TEXT_BYTES } from "./names.js";

const SOONEST_MS = 20;

export class Sending {
  #outbox;
  #keeping;
  #connection;
  #now;
  #random;
  #room;
  #on;
  #timer = null;

  /**
   * @param {object} options
   * @param {import("./outbox.js").Outbox} options.outbox
   * @param {import("./keeping.js").Keeping} options.keeping
   * @param {import("./connection.js").Connection} options.connection
   * @param {() => number} options.now  ms
   * @param {() => number} options.random  from 0 to 1
   * @param {(name: string) => object|undefined} options.room
   * @param {{changed: Function, notJoined: Function, draining: Function}} options.on
   */
  constructor({ outbox, keeping, connection, now, random, room, on }) {
    this.#outbox = outbox;
    this.#keeping = keeping;
    this.#connection = connection;
    this.#now = now;
    this.#random = random;
    this.#room = room;
    this.#on = on;
  }

  /** Take a new message. @returns {Pending} */
  post(room, text, replyTo = null) {
    this.#wake();
    const error = unsendable(text);
    const about = { replyTo, at: this.#now() };
    const item = error ? this.#outbox.refuse(room, text, { ...about, error }) : this.#outbox.post(room, text, about);
    this.#changed(room);
    return item;
  }

  retry(room, key) {
    this.#wake();
    if (this.#outbox.retry(room, key)) this.#changed(room);
  }

  discard(room, key) {
    if (this.#outbox.discard(room, key)) this.#changed(room);
  }

  /** A message came from the log: perhaps one of ours. */
  cameBack(message) {
    if (this.#outbox.delivered(message)) this.#changed(message.room);
  }

  /** Everything up to a room's head was received; see `Outbox.reached`. */
  reached(room, { complete }) {
    if (this.#outbox.reached(room.name, room.epoch, room.head, { complete })) this.#changed(room.name);
  }

  /** Take over what other lives of this user's pages have left. `found` gets the rooms that have something then. */
  async adoptLeftOvers(found) {
    await this.#keeping.takeOver((items, { over }) => {
      this.#outbox.adopt(items, { over });
      this.#write();
      found(this.#outbox.rooms());
    });
  }

  /** A room was left. */
  abandon(room) {
    this.#outbox.abandon(room);
    this.#write();
  }

  /** The connection is gone. */
  cutOff() {
    clearTimeout(this.#timer);
    this.#outbox.cutOff();
  }

  /** Show that this life goes on. */
  beat() {
    this.#wake();
    this.#write();
  }

  /** This life is over. */
  close() {
    clearTimeout(this.#timer);
    this.#wake();
    this.#keeping.end(this.#outbox.written());
  }

  /** Send what is due, and come again when something will be. */
  flush() {
    clearTimeout(this.#timer);
    this.#wake();
    if (!this.#connection.isOpen) return;
    const rooms = this.#outbox.rooms().filter((name) => this.#room(name)?.joined);
    for (const name of rooms) this.#giveUpOld(this.#room(name));
    for (const name of rooms) for (const item of this.#outbox.due(name, this.#now())) this.#send(item);
    const next = Math.min(...rooms.map((name) => this.#outbox.nextDue(name) ?? Infinity));
    if (next < Infinity) this.#timer = setTimeout(() => this.flush(), Math.max(SOONEST_MS, next - this.#now()));
  }

  /** After a sleep another tab may have sent what waits here: a key of its own would be a second message. */
  #wake() {
    if (!this.#keeping.wasSilent) return;
    this.#outbox.doubt();
    this.#write();
  }

  #giveUpOld({ name, since }) {
    if (!this.#outbox.giveUpOld(name, { now: this.#now(), since })) return;
    this.#write();
    this.#on.changed(name);
  }

  #send(item) {
    this.#outbox.begin(item, this.#now());
    this.#write();
    const { room, text, producer, n, replyTo } = item;
    const answers = replyTo && { reply_to: { epoch: replyTo.epoch, seq: replyTo.seq } };
    this.#connection.emit("send_message", { room, text, producer, n, ...answers }, (answer) => this.#answered(item, answer));
  }

  #answered(item, answer) {
    this.#wake();
    const code = this.#outbox.answered(item, answer, this.#now(), this.#random);
    const room = this.#room(item.room);
    if (!room) return;
    if (code === null) this.#outbox.known(item, room);
    if (code === "not_joined") this.#on.notJoined(room);
    if (code === "draining") this.#on.draining();
    this.#changed(room.name);
  }

  #changed(room) {
    this.#wake();
    this.#write();
    this.flush();
    this.#on.changed(room);
  }

  #write() {
    this.#keeping.keepOutbox(this.#outbox.written());
  }
}

function unsendable(text) {
  if (new TextEncoder().encode(text).length > LONGEST_TEXT_BYTES) {
    return { code: "text_too_long", message: "A message has at most 8 KiB.", definite: true };
  }
  if (!text.isWellFormed()) return { code: "bad_request", message: "This is no Unicode text.", definite: true };
  return null;
}
