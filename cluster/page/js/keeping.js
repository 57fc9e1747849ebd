/**
 * What outlives a reload, per user, in a `Storage`; see `outbox.js` for why two tabs do not harm each other.
 *
 *     wordaround:<user>:room:<name>      {direct, invited, epoch, seq, read, at}  in which rooms, and how far (at the latest `at`, ms)
 *     wordaround:<user>:outbox:<life>    {beat, over, items}                  what a life of a page has not resolved
 *
 * A life takes over what others have left: those that have ended (`over`), and those that have shown no sign of
 * life for two minutes. (A browser lets a page in the background act at least once a minute.)
 */

const DEAD_AFTER_MS = 120_000;
const BEAT_MS = 30_000;
const KEEP_MS = 1_000;

export class Keeping {
  #storage;
  #prefix;
  #life;
  #now;
  #written = "";
  #beatAt = 0;
  #unkept = new Map(); // name -> Room
  #timer = null;
  works;

  /** @param {{storage: Storage|undefined, user: string, life: string, now: () => number}} options */
  constructor({ storage, user, life, now }) {
    this.#storage = storage;
    this.#prefix = `wordaround:${encodeURIComponent(user)}:`;
    this.#life = life;
    this.#now = now;
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
    if (items.length) this.#write(`outbox:${this.#life}`, { beat: this.#now(), over: true, items });
    else this.keepOutbox(items);
  }

  /** Whether this life was silent for so long that others may have taken over what it had written down. */
  get wasSilent() {
    return this.#now() - this.#beatAt > DEAD_AFTER_MS;
  }

  /**
   * Take what lives have left that are over, or seem so: `adopt` gets the items and whether it is known, and they are
   * dropped once that has returned.
   */
  takeOver(adopt) {
    const left = this.#under("outbox:").filter(
      ([life, { beat, over, items }]) =>
        life !== this.#life && Array.isArray(items) && (over || this.#now() - beat > DEAD_AFTER_MS),
    );
    if (!left.length) return;
    for (const [, { items, over }] of left) adopt(items, { over });
    for (const [life] of left) this.#remove(`outbox:${life}`);
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
