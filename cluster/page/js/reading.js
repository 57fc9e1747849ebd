/**
 * Read positions: one's own are told at most once a second for each room; the first one in a room asks for the
 * others' as well.
 */

const PAUSE_MS = 1_000;

export class Reading {
  #tell;
  #rests = new Map(); // room -> timer, while nothing of it is told
  #due = new Map(); // room name -> Room
  #works = true;

  /** @param {(room: string, position: {epoch: string|null, seq: number}, answer: Function) => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  /** One has read something in a room. */
  read(room) {
    if (!this.#works || !room.joined) return; // `entered` tells.
    if (this.#rests.has(room.name)) this.#due.set(room.name, room);
    else this.#say(room);
  }

  /** A room was joined. */
  entered(room) {
    this.read(room);
  }

  /** The connection is gone. */
  cutOff() {
    for (const timer of this.#rests.values()) clearTimeout(timer);
    this.#rests.clear();
    this.#due.clear();
    this.#works = true;
  }

  close() {
    this.cutOff();
  }

  #say(room) {
    const seq = Math.min(room.readSeq ?? 0, room.head);
    this.#rests.set(room.name, setTimeout(() => this.#next(room.name), PAUSE_MS));
    this.#tell(room.name, { epoch: seq ? room.epoch : null, seq }, (answer) => {
      if (answer?.error?.code === "bad_request") this.#works = false; // A node of a version without it.
      if (answer?.error?.code === "rate_limited") this.#due.set(room.name, room);
    });
  }

  #next(name) {
    this.#rests.delete(name);
    const room = this.#due.get(name);
    this.#due.delete(name);
    if (room?.joined) this.#say(room);
  }
}
