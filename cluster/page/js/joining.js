/**
 * Joins, and resumes: a join that carries a cursor, also a second one on the same connection.
 *
 * Few are under way at once: who is in very many rooms would else have a node that has just got all users of a lost one
 * read all of these rooms in one moment, and wait for the one that is looked at until all others were read.
 *
 * One that the node refuses for the moment is repeated; one that is not answered ends the connection. Who is too far
 * behind asks for a snapshot instead of thousands of messages: what lies between is there on scrolling.
 */

const AT_ONCE = 8;
const PATIENCE_MS = 8_000;
const AGAIN = new Set(["store_unavailable", "rate_limited", "draining"]);
const PAUSE_MS = 200;
const FARTHEST_RESUME = 1_000; // messages

export class Joining {
  #connection;
  #random;
  #on;
  #waiting = new Map(); // name -> {room, head}, in the order of their turns
  #asked = new Set(); // names of rooms whose join is not answered
  #timers = new Map(); // name -> of the join that is not answered, or is to be repeated

  /**
   * @param {{connection: object, random: () => number, on: {entered: Function, refused: Function, draining: Function}}}
   *     options
   */
  constructor({ connection, random, on }) {
    this.#connection = connection;
    this.#random = random;
    this.#on = on;
  }

  /** Join a room when it is its turn, unless that is under way. `head`: where it ends, as far as is known. */
  enter(room, head) {
    const { name } = room;
    if (!this.#connection.isOpen || this.#timers.has(name)) return;
    this.#waiting.set(name, { room, head });
    this.#askNext();
  }

  /** Let the room be the next one, if it waits. */
  hurry(name) {
    const turn = this.#waiting.get(name);
    if (turn) this.#waiting = new Map([[name, turn], ...this.#waiting]);
  }

  /** A room was left. @returns {boolean} whether a join was under way */
  forget(name) {
    clearTimeout(this.#timers.get(name));
    this.#asked.delete(name);
    const found = this.#waiting.delete(name) || this.#timers.delete(name);
    this.#askNext();
    return found;
  }

  /** The connection is gone. */
  cutOff() {
    this.#waiting.clear();
    for (const name of [...this.#timers.keys()]) this.forget(name);
  }

  #askNext() {
    while (this.#waiting.size && this.#asked.size < AT_ONCE) {
      const [[name, { room, head }]] = this.#waiting;
      this.#waiting.delete(name);
      this.#ask(room, head);
    }
  }

  #ask(room, head) {
    const tooFar = room.cursor && head - room.cursor.seq > FARTHEST_RESUME;
    if (tooFar) room.forgetCursor();
    const { cursor } = room;
    room.torn = false;
    const timer = setTimeout(() => this.#connection.hangUp("has not answered a join"), PATIENCE_MS);
    this.#timers.set(room.name, timer);
    this.#asked.add(room.name);
    this.#connection.emit("join", { room: room.name, ...(cursor && { cursor }) }, (answer) => {
      if (this.#timers.get(room.name) !== timer) return; // It was left meanwhile, and perhaps joined anew.
      this.forget(room.name);
      if (answer?.ok) this.#entered(room, answer);
      else this.#refused(room, answer?.error ?? {});
    });
  }

  #entered(room, answer) {
    room.joinedAt(answer);
    this.#on.entered(room, answer);
  }

  #refused(room, { code, message, retry_after_ms: retryAfter }) {
    if (code === "draining") this.#on.draining();
    if (!AGAIN.has(code)) {
      Object.assign(room, { joined: false, error: { code, message } });
      this.#on.refused(room);
      return;
    }
    const again = () => this.forget(room.name) && this.enter(room);
    this.#timers.set(room.name, setTimeout(again, Math.max(PAUSE_MS, retryAfter ?? 0) * (1 + this.#random())));
  }
}
