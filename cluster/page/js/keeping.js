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
    for (const { name, direct, invited, keptCursor, readSeq } of this.#unkept.values()) {
      const { epoch = null, seq = null } = keptCursor ?? {};
      this.#write(`room:${name}`, { direct, invited, epoch, seq, read: readSeq, at: this.#now() });
    }
    this.#unkept.clear();
  }

  /** A room was left. */
  dropRoom(name) {
    this.#unkept.delete(name);
    this.#try((storage) => storage.removeItem(`${this.#prefix}room:${name}`));
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
    if (items.length) this.#write(`outbox:${this.#life}`, { beat: now, over: false, items });
    else this.#try((storage) => storage.removeItem(`${this.#prefix}outbox:${this.#life}`));
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
      ([life, { beat, over }]) => life !== this.#life && (over || this.#now() - beat > DEAD_AFTER_MS),
    );
    if (!left.length) return;
    for (const [, { items, over }] of left) adopt(items, { over });
    for (const [life] of left) this.#try((storage) => storage.removeItem(`${this.#prefix}outbox:${life}`));
  }

  #under(kind) {
    const found = [];
    this.#try((storage) => {
      const start = this.#prefix + kind;
      const keys = Array.from({ length: storage.length }, (_, i) => storage.key(i));
      for (const key of keys.filter((one) => one.startsWith(start)).sort()) {
        found.push([key.slice(start.length), JSON.parse(storage.getItem(key))]);
      }
    });
    return found;
  }

  #write(name, value) {
    this.#try((storage) => storage.setItem(this.#prefix + name, JSON.stringify(value)));
  }

  /** A storage may be full, or forbidden: then the chat works on, and `works` says that a reload would forget. */
  #try(act) {
    if (!this.works) return;
    try {
      act(this.#storage);
    } catch (error) {
      console.warn("What is not sent yet would not survive a reload:", error.message);
      this.works = false;
    }
  }
}
