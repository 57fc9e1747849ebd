/**
 * What outlives a reload, per user, in a `Storage`; see `outbox.js` for why two tabs do not harm each other.
 *
 *     wordaround:<user>:room:<name>      {direct, invited, epoch, seq, read, at}  in which rooms, and how far (at the latest `at`, ms)
 *     wordaround:<user>:outbox:<life>    {beat, over, items}                  what a life of a page has not resolved
 *
 * A life takes over what others have left: those that have ended (`over`), and those that have shown no sign of
 * life for two minutes. (A browser lets a page in the background act at least once a minute.) See `claims.js` for what
 * happens where two do it at once.
 */

import { Claims } from "./claims.js";

const DEAD_AFTER_MS = 120_000;
const BEAT_MS = 30_000;
const KEEP_MS = 1_000;

export class Keeping {
  #storage;
  #prefix;
  #life;
  #now;
  #claims;
  #ended = false;
  #written = "";
  #beatAt = 0;
  #unkept = new Map(); // name -> Room
  #timer = null;
  works;

  /**
   * @param {{storage: Storage|undefined, locks: LockManager|undefined, user: string, life: string, now: () => number}}
   *     options
   */
  constructor({ storage, locks, user, life, now }) {
    this.#storage = storage;
    this.#prefix = `wordaround:${encodeURIComponent(user)}:`;
    this.#life = life;
    this.#now = now;
    this.#claims = new Claims({ locks, prefix: `${this.#prefix}outbox:` });
    this.works = Boolean(storage);
  }

  /** What was kept of rooms, each with its `name`. */
  rooms() {
    return this.#under("room:").map(([name, room]) => ({ ...room, name }));
  }

  /** Write down where a room stands, at most once a second however fast it moves. */
  keepRoomSoon(room) {
    this.#unkept.set(room.name, room);
    this.#timer ??= setTimeout(() => this.keepRooms(), KEEP_MS);
  }

  /** Write down now what is to be written. */
  keepRooms() {
    clearTimeout(this.#timer);
    this.#timer = null;
    for (const { name, direct, invited, keptCursor, readSeq } of [...this.#unkept.values()]) {
      const { epoch = null, seq = null } = keptCursor ?? {};
      const done = this.#write(`room:${name}`, { direct, invited, epoch, seq, read: readSeq, at: this.#now() });
      if (done) this.#unkept.delete(name);
    }
  }

  /** A room was left. */
  dropRoom(name) {
    this.#unkept.delete(name);
    this.#remove(`room:${name}`);
  }

  /** Write the outbox down, where it or the sign of life is new. */
  keepOutbox(items) {
    const text = JSON.stringify(items);
    const now = this.#now();
    if (text === this.#written && now - this.#beatAt < BEAT_MS) return;
    const before = this.#written;
    this.#written = text;
    this.#beatAt = now;
    if (text === "[]" && text === before) return;
    if (items.length && !this.#write(`outbox:${this.#life}`, { beat: now, over: false, items })) this.#written = null;
    if (!items.length) this.#remove(`outbox:${this.#life}`);
  }

  /** This life is over: another may take what is left at once. */
  end(items) {
    this.#ended = true;
    if (items.length) this.#write(`outbox:${this.#life}`, { beat: this.#now(), over: true, items });
    else this.keepOutbox(items);
  }

  /** Whether this life was silent for so long that others may have taken over what it had written down. */
  get wasSilent() {
    return this.#now() - this.#beatAt > DEAD_AFTER_MS;
  }

  /**
   * Take what lives have left that are over, or seem so. `adopt` gets the items, and whether it is known that nobody else
   * sends them any more; they are dropped once that has returned.
   */
  async takeOver(adopt) {
    for (const life of this.#left().keys()) {
      const claimed = await this.#claims.claim(life);
      const left = this.#left().get(life); // As it is now: another one may have had it before the claim.
      if (claimed === false || !left || this.#ended) continue;
      adopt(left.items, { over: left.over && claimed === true });
      this.#remove(`outbox:${life}`);
    }
  }

  #left() {
    const silent = ({ beat }) => this.#now() - beat > DEAD_AFTER_MS;
    const isLeft = ([life, left]) => life !== this.#life && Array.isArray(left.items) && (left.over || silent(left));
    return new Map(this.#under("outbox:").filter(isLeft));
  }

  #under(kind) {
    const found = [];
    this.#try((storage) => {
      const start = this.#prefix + kind;
      const keys = Array.from({ length: storage.length }, (_, i) => storage.key(i));
      for (const key of keys.filter((one) => one.startsWith(start)).sort()) {
        const value = parsed(storage.getItem(key));
        if (value) found.push([key.slice(start.length), value]);
      }
    });
    return found;
  }

  /** Returns whether it is written. */
  #write(name, value) {
    const done = this.#try((storage) => storage.setItem(this.#prefix + name, JSON.stringify(value)));
    this.works = done;
    return done;
  }

  #remove(name) {
    this.#try((storage) => storage.removeItem(this.#prefix + name));
  }

  /**
   * A storage may be full, or forbidden: then the chat works on, and `works` says that a reload would forget, until
   * something is written again.
   */
  #try(act) {
    if (!this.#storage) return false;
    try {
      act(this.#storage);
      return true;
    } catch (error) {
      if (this.works) console.warn("What is not sent yet would not survive a reload:", error.message);
      this.works = false;
      return false;
    }
  }
}

/** What an entry says; null: nothing that one of our pages has written. */
function parsed(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null; // One that is damaged is skipped: the others are as good as before.
  }
}
