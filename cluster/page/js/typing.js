/** Who is writing: told sparingly, shown for a while, and never promised. */

const REPEAT_MS = 3_000;
const PAUSE_MS = 5_000; // so long without a key, and one has stopped
const SHOWN_MS = 6_000;

export class Typing {
  #tell;
  #show;
  #own = new Map(); // room -> {rests: it was told a moment ago, rest: timer of that, stop: timer}
  #others = new Map(); // room -> Map user -> timer

  /** @param {{tell: (room, typing) => void, show: (room, users) => void}} options */
  constructor({ tell, show }) {
    this.#tell = tell;
    this.#show = show;
  }

  /** One writes, or has stopped. */
  set(room, typing) {
    const own = this.#own.get(room);
    if (!typing) {
      if (own) this.#stop(room);
      return;
    }
    clearTimeout(own?.stop);
    const stop = setTimeout(() => this.#stop(room), PAUSE_MS);
    if (own?.rests) {
      own.stop = stop;
      return;
    }
    clearTimeout(own?.rest);
    const now = { stop, rests: true, rest: setTimeout(() => (now.rests = false), REPEAT_MS) };
    this.#own.set(room, now);
    this.#tell(room, true);
  }

  /** A message was sent: everybody sees that one has stopped. */
  sent(room) {
    clearTimeout(this.#own.get(room)?.stop);
    clearTimeout(this.#own.get(room)?.rest);
    this.#own.delete(room);
  }

  /** Another one writes, or has stopped. */
  heard(room, { user, typing }) {
    const users = this.#others.get(room) ?? new Map();
    const known = users.has(user);
    clearTimeout(users.get(user));
    if (typing) users.set(user, setTimeout(() => this.heard(room, { user, typing: false }), SHOWN_MS));
    else users.delete(user);
    this.#others.set(room, users);
    if (known !== typing) this.#show(room, [...users.keys()].sort());
  }

  /** The connection is gone: nothing is known any more. */
  cutOff() {
    for (const users of this.#others.values()) for (const timer of users.values()) clearTimeout(timer);
    this.#others.clear();
    for (const room of [...this.#own.keys()]) this.sent(room);
  }

  close() {
    this.cutOff();
  }

  #stop(room) {
    this.sent(room);
    this.#tell(room, false);
  }
}
