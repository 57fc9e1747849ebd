/**
 * One room as a client sees it: what was received, up to where, and what stands between. Pure: no network.
 *
 * **The cursor** is the last position up to which everything was received, live or in a history; the
 * acknowledgement of an own message never moves it. It moves by one; what comes ahead of a hole is kept until the
 * hole is filled, and `torn` asks for a resume. What comes twice is left out, by its position.
 *
 * **A snapshot** (a history with `recovered: false`) begins the room anew. If there was a cursor, this is a gap, and
 * a divider says so; shown messages that the log does not have any more are counted. What lies before a snapshot
 * is fetched as any older page.
 *
 * **Epochs.** `seq` goes on from one epoch to the next, so in what is shown each is there once.
 */

const MOST_KEPT = 20_000;
const TRIMMED_AT_ONCE = 5_000;

export class Room {
  direct = null;
  epoch = null;
  head = 0;
  messages = [];
  pending = [];
  people = [];
  typing = [];
  reads = new Map();
  unread = 0;
  hasOlder = false;
  loadingOlder = false;
  dividers = [];
  joined = false;
  error = null;
  lastDelivered = 0;
  hidden = false; // the client's own business: inboxes
  invited = false; // the other one of a direct conversation knows of it
  since = Infinity; // from when on all that was committed has come, by the client's clock (ms); it keeps that
  torn = false; // something between is missing: to be asked for again
  #me;
  #seq = null; // the cursor; null: there is none
  #ahead = new Map();
  #more = false;
  #peopleVersion = null;
  #readSeq = null;
  #jumpedFrom = null; // the cursor that was given up for a snapshot, until one was received whole
  #began = null; // where a resume that goes on has begun

  /** @param {string} name @param {string} me  the user that one is */
  constructor(name, me) {
    this.name = name;
    this.#me = me;
  }

  get firstSeq() {
    return this.messages[0]?.seq ?? null;
  }

  /** What a join is to carry. @returns {{epoch: string, seq: number}|null} */
  get cursor() {
    return this.epoch === null || this.#seq === null ? null : { epoch: this.epoch, seq: this.#seq };
  }

  /** The last position that one has read; null: nothing is known of it. */
  get readSeq() {
    return this.#readSeq;
  }

  /** Begin where another life of this client was: nothing is shown yet. */
  restore({ direct, invited, epoch, seq, read, at }) {
    Object.assign(this, { direct, invited, since: at ?? Infinity });
    if (epoch !== null && seq !== null) Object.assign(this, { epoch, head: seq, hasOlder: seq > 0 });
    this.#seq = epoch === null ? null : seq;
    this.#readSeq = read;
  }

  /** What another life of this client is to begin from. */
  get keptCursor() {
    return this.#jumpedFrom ?? this.cursor;
  }

  /** Come as if for the first time, since too much has happened to resume. */
  forgetCursor() {
    this.#jumpedFrom ??= this.cursor;
    this.#seq = null;
  }

  /** A live message came. @returns {object[]} what is new, in order */
  live(message, now) {
    this.lastDelivered = now;
    if (message.seq === null) return this.#append(message);
    if (this.#seq === null && this.epoch === message.epoch) this.#seq = message.seq - 1;
    if (message.epoch !== this.epoch) {
      this.torn = true; // No history has announced this epoch.
      return [];
    }
    const taken = this.#receive(message);
    if (taken.length) this.#trim();
    return taken;
  }

  /** One `message_history`, of which there are several while `more`. @returns {object[]} what is new, in order */
  history({ epoch, messages, recovered, more }) {
    const begins = !this.#more;
    this.#more = more;
    if (epoch === null) return [];
    if (begins) this.#began = this.#seq;
    if (begins && !recovered) this.#beginAnew(epoch, messages);
    else if (begins && epoch !== this.epoch) this.#goOnIn(epoch, messages);
    if (this.#seq === null && messages.length) this.#seq = messages[0].seq - 1;
    const taken = messages.flatMap((message) => this.#receive(message));
    if (!more && recovered) this.#catchUp();
    this.hasOlder = this.messages.length ? this.hasOlder || this.firstSeq > 1 : this.head > 0;
    this.#count();
    return taken;
  }

  /** The join was acknowledged; that matters for the cursor where the history was empty. */
  joinedAt({ epoch, seq }) {
    Object.assign(this, { joined: true, error: null });
    this.#more = false;
    if (this.#seq === null && epoch !== null) {
      Object.assign(this, { epoch, head: seq, hasOlder: seq > 0 });
      this.#seq = seq;
    }
    if (this.#jumpedFrom && epoch !== null) this.#jumped(this.#jumpedFrom);
    // Who comes to a room for the first time has nothing to catch up with; what is said to oneself alone is unread.
    this.#readSeq ??= this.direct === null ? this.head : 0;
    this.#count();
  }

  /** Say what one has missed before a snapshot that was asked for, as the cursor was too far behind. */
  #jumped(before) {
    this.#jumpedFrom = null;
    const gap = before.epoch !== this.epoch || before.seq > this.head;
    this.#divide(before.seq, gap ? "gap" : "caught-up", gap ? null : this.head - before.seq);
  }

  /** The connection is gone, and with it the rest of a history that was coming. */
  cutOff() {
    this.#more = false;
    Object.assign(this, { joined: false, typing: [], people: this.people });
    this.#ahead.clear();
  }

  /** A page from before the oldest message came. @returns {object[]} what was put in front */
  older(messages, first) {
    const end = this.firstSeq ?? this.head + 1;
    const before = messages.filter((message) => message.seq < end);
    const contiguous = before.length > 0 && before.at(-1).seq === end - 1;
    if (contiguous) this.messages.unshift(...before);
    this.hasOlder = contiguous && first !== null && before[0].seq > first;
    this.#count();
    return contiguous ? before : [];
  }

  /** A `user_list` came. @returns {boolean} whether it is news */
  list({ epoch, version, users }) {
    const known = this.#peopleVersion;
    if (known && known.epoch === epoch && version < known.version) return false;
    this.#peopleVersion = { epoch, version };
    this.people = users;
    const here = new Set(users.map(({ user }) => user));
    this.typing = this.typing.filter((user) => here.has(user));
    return true;
  }

  /** Somebody has read up to a position. @returns {boolean} whether it is news */
  readBy(user, seq) {
    if (user === this.#me) return this.read(seq);
    if ((this.reads.get(user) ?? -1) >= seq) return false;
    this.reads.set(user, seq);
    return true;
  }

  /** One has read up to a position oneself. @returns {boolean} whether it is news */
  read(seq) {
    if (this.#readSeq !== null && this.#readSeq >= seq) return false;
    this.#readSeq = seq;
    this.reads.set(this.#me, seq);
    this.#count();
    return true;
  }

  #append(message) {
    this.messages.push(message);
    this.#count();
    return [message];
  }

  #receive(message) {
    if (message.seq <= this.#seq) return [];
    if (message.seq > this.#seq + 1) {
      this.#ahead.set(message.seq, message);
      this.torn = true;
      return [];
    }
    const taken = [message];
    while (this.#ahead.has(taken.at(-1).seq + 1)) taken.push(this.#ahead.get(taken.at(-1).seq + 1));
    for (const one of taken) {
      this.#ahead.delete(one.seq);
      this.messages.push(one);
      if (one.user !== this.#me) this.unread += 1;
    }
    this.head = this.#seq = taken.at(-1).seq;
    return taken;
  }

  /** A snapshot begins: what was shown may be gone, and what lies before it is fetched like older pages. */
  #beginAnew(epoch, snapshot) {
    if (this.#seq !== null) this.#gap(snapshot);
    Object.assign(this, { epoch, head: 0, messages: [], hasOlder: false });
    this.#seq = null;
    this.#ahead.clear();
  }

  #gap(snapshot) {
    const kept = new Set(snapshot.map(place));
    const common = this.messages.filter((message) => kept.has(place(message)));
    const from = snapshot[0]?.seq ?? 0;
    const gone = this.messages.filter((message) => message.seq >= from && !kept.has(place(message)));
    this.dividers = this.dividers.filter((divider) => divider.afterSeq < from);
    const afterSeq = common.at(-1)?.seq ?? Math.max(0, from - 1);
    this.#divide(afterSeq, "gap", gone.length || null);
    if (this.#readSeq !== null) this.#readSeq = Math.min(this.#readSeq, afterSeq); // Numbers are given anew.
    this.reads.clear(); // They are told anew, as far as they still mean something.
  }

  #goOnIn(epoch, messages) {
    if (messages.length && this.#seq !== null && messages[0].seq > this.#seq + 1) return;
    this.epoch = epoch;
    this.#ahead.clear();
  }

  #catchUp() {
    const count = this.#began === null ? 0 : this.head - this.#began;
    if (count > 0) this.#divide(this.#began, "caught-up", count);
    this.#began = null;
  }

  #divide(afterSeq, kind, count) {
    this.dividers.push({ afterSeq, kind, count });
  }

  #trim() {
    if (this.messages.length <= MOST_KEPT) return;
    this.messages.splice(0, TRIMMED_AT_ONCE);
    this.hasOlder = true;
  }

  /** Count what is unread from the end: that is seldom far. */
  #count() {
    const read = this.#readSeq ?? this.head;
    let count = 0;
    let at = this.messages.length - 1;
    for (; at >= 0 && this.messages[at].seq > read; at--) if (this.messages[at].user !== this.#me) count += 1;
    const unseen = (this.firstSeq ?? this.head + 1) - 1 - read;
    this.unread = count + Math.max(0, unseen);
  }
}

const place = ({ epoch, seq }) => `${seq} ${epoch}`;
