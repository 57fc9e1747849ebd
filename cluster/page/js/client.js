/**
 * The chat client: rooms, messages, pending sends and the connection, without any DOM.
 *
 * It speaks protocol version 1 (docs/protocol.md) over the official Socket.IO client, moves to another node by
 * itself when its own is lost, resumes by its cursors and resends what is pending under the same
 * `(producer, n)`. All it knows is in `state` and `rooms`, which are to be read and never written to; it
 * tells by events when they have changed. Bursts come as one event each turn of the event loop.
 *
 * @typedef {object} State
 * @property {'connecting'|'connected'|'reconnecting'|'offline'} status  'offline': no node has answered the last round
 *     of tries, or it was closed, or refused for good (`reason` says); it goes on trying unless `retryAt` is null
 * @property {{id: string|null, url: string}} node  the node that serves, or served last
 * @property {number|null} retryAt  when the next try begins, by `now()` (ms); null while one is under way
 * @property {number} attempt  tries since the connection was lost
 * @property {string|null} reason  why there is no connection, as a sentence for people
 * @property {Peer[]} peers  the other nodes, by id
 * @property {number|null} roundTripMs  to the node that serves, over HTTP
 * @property {object|null} health  the last `/health` of the node that serves
 * @property {boolean} draining  the node that serves is about to stop
 * @property {number} moved  how often it has changed the node by itself
 * @property {boolean} persistent  whether what is pending would survive a reload
 *
 * @typedef {object} Peer
 * @property {string} id
 * @property {string} url
 * @property {'alive'|'suspect'|'dead'|'draining'} state  as the serving node says
 * @property {number|null} roundTripMs  from this page to it; null: it has not answered
 * @property {object|null} health  its last `/health`
 *
 * @typedef {object} Message  as in the protocol
 * @property {string} room
 * @property {string} epoch
 * @property {number} seq
 * @property {string|null} producer
 * @property {number|null} n
 * @property {string} user
 * @property {string} text
 * @property {number} sent_at  Unix seconds
 * @property {string} node  the node that committed it
 * @property {{epoch: string, seq: number}} [reply_to]
 *
 * @typedef {object} Pending  an own message that has not come back from the log yet
 * @property {string} key  unique for this user
 * @property {string} text
 * @property {'pending'|'committed'|'failed'} state  committed: acknowledged at `seq`, and about to be delivered
 * @property {number|null} seq
 * @property {{code: string, message: string, definite: boolean}|null} error  `definite: false`: it may be in the
 *     log all the same, so `retry` may send it twice
 * @property {{epoch: string, seq: number}|null} replyTo
 * @property {number} at  when it was written, by `now()` (ms)
 *
 * @typedef {object} Divider
 * @property {number} afterSeq  it stands behind the message with this seq (or before all, if that is not there)
 * @property {'caught-up'|'gap'} kind
 * @property {number|null} count  messages caught up; of a gap, shown messages that are gone; null: not known
 *
 * @typedef {object} Room
 * @property {string} name
 * @property {string|null} direct  the other user of a direct conversation, null in a room for all
 * @property {string|null} epoch
 * @property {number} head  the last contiguous seq that was received
 * @property {Message[]} messages  confirmed, by position; contiguous
 * @property {Pending[]} pending  in the order of sending
 * @property {{user: string, node: string, state: 'online'|'lost'}[]} people
 * @property {string[]} typing  others who are writing
 * @property {Map<string, number>} reads  user -> last seq that the user has read; of others, and one's own
 * @property {number} unread  messages behind one's own last read position, own ones not counted where they are known
 * @property {number|null} firstSeq  of `messages`
 * @property {boolean} hasOlder  whether `loadOlder` would bring more
 * @property {boolean} loadingOlder
 * @property {Divider[]} dividers
 * @property {boolean} joined  on the present connection
 * @property {{code: string, message: string}|null} error  why the node lets nobody in, where that is for good
 * @property {number} lastDelivered  by `now()` (ms), when something last came live; 0: never
 */

import { Connection } from "./connection.js";
import { Keeping } from "./keeping.js";
import { LONGEST_TEXT_BYTES, directRoom, inboxRoom, isNotice, isPrivate, notice } from "./names.js";
import { Nodes } from "./nodes.js";
import { Outbox } from "./outbox.js";
import { Reading } from "./reading.js";
import { Room } from "./room.js";
import { Typing } from "./typing.js";

const JOIN_PATIENCE_MS = 8_000;
const JOIN_AGAIN = new Set(["store_unavailable", "rate_limited"]);
const JOIN_PAUSE_MS = 200;
const FARTHEST_RESUME = 1_000; // messages; who was away for more gets the newest, and the rest on scrolling
const LONG_AWAY_MS = 30_000;
const PAGE = 100;
const A_SCREENFUL = 40;
const TICK_MS = 5_000;
const KEEP_MS = 1_000;

/**
 * Events (CustomEvent): 'state' (detail: State), 'room' (detail: {room: string, what: Set<string>}, of 'joined',
 * 'messages', 'older', 'pending', 'people', 'typing', 'reads', 'unread', 'dividers', 'epoch'), and 'rooms' (`rooms`
 * or `directory` has changed).
 */
export class ChatClient extends EventTarget {
  #fetch;
  #random;
  #token;
  #nodes;
  #connection;
  #outbox;
  #keeping;
  #reading;
  #typing;
  #all = new Map(); // name -> Room: `rooms`, and inboxes
  #joins = new Map(); // name -> timer of the join that is under way, or is to be repeated
  #heads = new Map(); // name -> head, as of the last `refreshRooms`
  #lostAt = null;
  #timers = {};
  #unkept = new Set();
  #news = { state: false, rooms: false, room: new Map() };
  #over = false;

  /**
   * @param {object} options
   * @param {string} options.user  1 to 64 characters
   * @param {string} options.node  the URL of the first node
   * @param {Function} options.io  the official client's `io`
   * @param {Storage} [options.storage]  what outlives a reload; without it nothing does
   * @param {boolean} [options.fixed]  stay on this node, whatever happens, and have no inbox (for panes)
   * @param {() => number} [options.now]  ms, by default Date.now
   * @param {string} [options.token]  where the cluster wants one
   * @param {Function} [options.fetch]
   * @param {() => number} [options.random]  from 0 to 1
   */
  constructor({ user, node, io, storage, fixed = false, now = Date.now, token, fetch, random = Math.random }) {
    super();
    Object.assign(this, { user, fixed, now });
    this.#fetch = fetch ?? ((...args) => globalThis.fetch(...args));
    this.#random = random;
    this.#token = token;
    const life = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
    this.#outbox = new Outbox(life);
    this.#keeping = new Keeping({ storage, user, life, now });
    this.#nodes = new Nodes({ first: node, fetch: this.#fetch, fixed, clock: () => performance.now() });
    this.#connection = new Connection({
      nodes: this.#nodes, first: node, io, now, random, auth: { user, ...(token && { token }) },
      on: {
        status: (change) => this.#setState(change),
        connected: (where) => this.#connected(where),
        lost: () => this.#lost(),
        event: (name, payload) => this.#heard(name, payload),
      },
    });
    this.#reading = new Reading((room, position, answer) => this.#tell("read", { room, ...position }, answer));
    this.#typing = new Typing({
      tell: (room, typing) => this.#tell("typing", { room, typing }),
      show: (room, users) => this.#change(room, ["typing"], (found) => (found.typing = users)),
    });
    /** @type {State} */
    this.state = {
      status: "connecting", node: { id: null, url: node }, retryAt: null, attempt: 0, reason: null, peers: [],
      roundTripMs: null, health: null, draining: false, moved: 0, persistent: this.#keeping.works,
    };
    /** The rooms that one is in (or will be, once connected). @type {Map<string, Room>} */
    this.rooms = new Map();
    /** All rooms of the cluster, by `refreshRooms`. @type {{name: string, head: number, unread: number|null}[]} */
    this.directory = [];
    for (const kept of this.#keeping.rooms()) this.#add(kept.name).restore(kept);
    if (!fixed) this.#add(inboxRoom(user));
  }

  /** Begin to connect. Call it after the listeners are there. */
  start() {
    this.#adoptLeftOvers();
    this.#connection.start();
    this.#timers.tick = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Enter a room, now or once connected, and again after each reconnect. @returns {Room} */
  join(name) {
    const known = this.rooms.get(name);
    if (known) return known;
    const room = this.#add(name);
    this.#keepSoon(name);
    this.#enter(room);
    return room;
  }

  /** Leave a room for good. What is pending there is given up. */
  leave(name) {
    const room = this.rooms.get(name);
    if (!room) return;
    this.#remove(room);
    this.#keeping.dropRoom(name);
    this.#tell("leave", { room: name });
  }

  /** Open the direct conversation with a user. @returns {Room} */
  openDirect(user) {
    const room = this.join(directRoom(this.user, user));
    room.direct = user;
    this.#keepSoon(room.name);
    return room;
  }

  /** Send a message; it is in `pending` until it comes back from the log. @returns {Pending} */
  send(name, text, { replyTo = null } = {}) {
    const room = this.#all.get(name);
    if (!room) throw new Error(`join ${name} before sending to it`);
    this.#typing.sent(name);
    const item = this.#post(name, text, replyTo);
    if (room.direct !== null && !room.invited) this.#invite(room);
    return item;
  }

  /** Send a failed message again. Where its error was not definite, it may then be there twice. */
  retry(name, key) {
    if (this.#outbox.retry(name, key)) this.#pendingChanged(name);
  }

  /** Forget a failed message. */
  discard(name, key) {
    if (this.#outbox.discard(name, key)) this.#pendingChanged(name);
  }

  /** Tell the others that one writes, or has stopped. Call it as often as keys are pressed. */
  setTyping(name, typing) {
    if (this.rooms.get(name)?.joined) this.#typing.set(name, typing);
  }

  /** Tell that everything up to a seq was seen (default: all that is there). */
  markRead(name, seq = this.rooms.get(name)?.head) {
    const room = this.rooms.get(name);
    if (!room?.read(Math.min(seq, room.head))) return;
    this.#note(name, ["unread", "reads"]);
    this.#keepSoon(name);
    this.#reading.read(room);
  }

  /**
   * Fetch the page of messages before the oldest one, `limit` at most (1,000 is the nodes' own limit).
   *
   * @returns {Promise<number>} how many came; rejected where the node does not answer
   */
  async loadOlder(name, { limit = PAGE } = {}) {
    const room = this.rooms.get(name);
    if (!room?.hasOlder || room.loadingOlder) return 0;
    const before = room.firstSeq ?? room.head + 1;
    this.#change(name, ["older"], () => (room.loadingOlder = true));
    try {
      const page = await this.#get(`/rooms/${name}/messages?before=${before}&limit=${limit}`);
      if (before !== (room.firstSeq ?? room.head + 1)) return 0; // A snapshot has come meanwhile.
      const came = room.older(page.messages, page.first);
      came.forEach((message) => this.#cameBack(message));
      return came.length;
    } finally {
      this.#change(name, ["older", "unread"], () => (room.loadingOlder = false));
    }
  }

  /** Ask for all rooms of the cluster, with heads; fills `directory`. Rejected where the node does not answer. */
  async refreshRooms() {
    const { heads = [] } = await this.#get(`/rooms?heads=true&user=${encodeURIComponent(this.user)}`);
    this.#heads = new Map(heads.map(({ room, head }) => [room, head]));
    this.directory = heads
      .filter(({ room }) => !isPrivate(room))
      .map(({ room, head, read }) => ({
        name: room, head, unread: this.rooms.get(room)?.unread ?? (read === null ? null : Math.max(0, head - read)),
      }));
    this.#note(null, []);
  }

  /** Try to connect now instead of at `retryAt`. */
  reconnect() {
    this.#connection.reconnect();
  }

  /** End the connection and write down what is to survive. Call it on `pagehide`; nothing can be done after it. */
  close() {
    if (this.#over) return;
    this.#over = true;
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    for (const timer of this.#joins.values()) clearTimeout(timer);
    this.#typing.close();
    this.#reading.close();
    this.#keepRooms();
    this.#connection.close();
    this.#keeping.end(this.#outbox.written());
  }

  // The connection

  #connected({ url, moved }) {
    const { id } = this.#nodes.get(url);
    this.#setState({
      status: "connected", node: { id, url }, attempt: 0, reason: null, retryAt: null, roundTripMs: null, health: null,
      moved: this.state.moved + (moved ? 1 : 0),
    });
    const longAway = this.#lostAt === null || this.now() - this.#lostAt > LONG_AWAY_MS;
    if (longAway && [...this.#all.values()].some((room) => room.cursor)) this.#lookThenEnter();
    else this.#enterAll();
    this.#measure();
  }

  /** After a long time away it may be too far to resume: that the heads tell. */
  async #lookThenEnter() {
    await this.refreshRooms().catch(() => this.#heads.clear()); // Then the resume is as long as it is.
    this.#enterAll();
  }

  #enterAll() {
    for (const room of this.#all.values()) this.#enter(room);
  }

  #lost() {
    this.#lostAt = this.now();
    this.#outbox.cutOff();
    this.#typing.cutOff();
    this.#reading.cutOff();
    for (const timer of this.#joins.values()) clearTimeout(timer);
    this.#joins.clear();
    for (const room of this.#all.values()) {
      room.cutOff();
      this.#note(room.name, ["joined", "typing", "pending"]);
    }
    this.#setState({ draining: false, roundTripMs: null, health: null });
  }

  #heard(name, payload) {
    const room = this.#all.get(payload?.room);
    if (name === "server_info") this.#learn(payload);
    else if (!room) return;
    else if (name === "message") this.#take(room, room.live(payload, this.now()));
    else if (name === "message_history") this.#takeHistory(room, payload);
    else if (name === "user_list") room.list(payload) && this.#note(room.name, ["people", "typing"]);
    else if (name === "typing") this.#typing.heard(room.name, payload);
    else if (name === "read") this.#takeReads(room, payload);
  }

  #learn(info) {
    const { url } = this.#connection;
    this.#nodes.learn(url, info);
    this.#setState({
      node: { id: info.server_id, url }, peers: this.#nodes.peers(url), draining: info.draining,
      ...(info.draining && { reason: `${info.server_id} is about to stop.` }),
    });
    if (info.draining && !this.fixed) this.#moveSoon();
  }

  /** Leave a node that drains, but not all clients in one moment. */
  #moveSoon() {
    clearTimeout(this.#timers.move);
    this.#timers.move = setTimeout(() => this.#connection.moveAway("is about to stop"), this.#random() * 400);
  }

  async #measure() {
    const { url } = this.#connection;
    await this.#nodes.measure(url);
    if (this.#over || url !== this.#connection.url || !this.#connection.isOpen) return;
    const { roundTripMs, health } = this.#nodes.get(url);
    this.#setState({ peers: this.#nodes.peers(url), roundTripMs, health });
  }

  #tick() {
    if (this.#connection.isOpen) this.#measure();
    if (this.state.draining && !this.fixed) this.#moveSoon();
    this.#keeping.keepOutbox(this.#outbox.written());
    this.#adoptLeftOvers();
    if (this.state.persistent !== this.#keeping.works) this.#setState({ persistent: this.#keeping.works });
  }

  // Rooms

  #add(name) {
    const room = new Room(name, this.user);
    room.pending = this.#outbox.shown(name);
    room.hidden = isPrivate(name) && name.startsWith("inbox.");
    this.#all.set(name, room);
    if (!room.hidden) {
      this.rooms.set(name, room);
      this.#note(null, []);
    }
    return room;
  }

  #remove(room) {
    for (const rooms of [this.#all, this.rooms]) rooms.delete(room.name);
    clearTimeout(this.#joins.get(room.name));
    this.#joins.delete(room.name);
    this.#unkept.delete(room.name);
    this.#outbox.abandon(room.name);
    this.#keeping.keepOutbox(this.#outbox.written());
    this.#note(null, []);
  }

  /** Join, or resume: a second join on one connection is one. */
  #enter(room) {
    if (!this.#connection.isOpen || this.#joins.has(room.name)) return;
    const tooFar = room.cursor && this.#heads.get(room.name) - room.cursor.seq > FARTHEST_RESUME;
    const jumped = tooFar ? room.forgetCursor() : null;
    const { cursor } = room;
    room.torn = false;
    const patience = setTimeout(() => this.#connection.hangUp("has not answered a join"), JOIN_PATIENCE_MS);
    this.#joins.set(room.name, patience);
    this.#connection.emit("join", { room: room.name, ...(cursor && { cursor }) }, (answer) => {
      clearTimeout(patience);
      this.#joins.delete(room.name);
      if (this.#all.get(room.name) !== room) return;
      if (answer?.ok) this.#entered(room, answer, jumped);
      else this.#notEntered(room, answer?.error ?? {});
    });
  }

  #entered(room, answer, jumped) {
    room.joinedAt(answer);
    if (jumped) room.jumped(jumped);
    this.#heads.delete(room.name);
    this.#outbox.reached(room.name, answer.epoch, room.head, { complete: answer.recovered });
    this.#note(room.name, ["joined", "pending", "unread", "dividers"]);
    this.#keepSoon(room.name);
    if (!room.hidden) this.#reading.entered(room);
    this.#prefill(room);
    this.#flush();
  }

  #notEntered(room, { code, message, retry_after_ms: retryAfter }) {
    if (code === "draining") this.#moveSoon();
    if (JOIN_AGAIN.has(code) || code === "draining") {
      const again = () => {
        this.#joins.delete(room.name);
        this.#enter(room);
      };
      this.#joins.set(room.name, setTimeout(again, Math.max(JOIN_PAUSE_MS, retryAfter ?? 0) * (1 + this.#random())));
    } else this.#change(room.name, ["joined"], () => Object.assign(room, { joined: false, error: { code, message } }));
  }

  /** A short history is no picture: fetch what lies before it. */
  #prefill(room) {
    if (room.hidden || room.messages.length >= A_SCREENFUL || !room.hasOlder) return;
    this.loadOlder(room.name).catch(() => {}); // Scrolling tries again.
  }

  #takeHistory(room, history) {
    const { epoch } = room;
    this.#take(room, room.history(history));
    if (room.epoch !== epoch) this.#note(room.name, ["epoch"]);
    this.#note(room.name, ["messages", "dividers", "unread"]);
    if (room.joined && !history.recovered && !history.more) {
      // A new epoch was announced: there is no acknowledgement that would say so much.
      this.#outbox.reached(room.name, room.epoch, room.head, { complete: false });
      this.#note(room.name, ["pending", "reads"]);
      this.#reading.entered(room);
      this.#prefill(room);
    }
  }

  #take(room, messages) {
    for (const message of messages) {
      this.#cameBack(message);
      this.#typing.heard(room.name, { user: message.user, typing: false });
      if (room.name === inboxRoom(this.user) && isNotice(message, this.user)) this.openDirect(message.user);
    }
    if (messages.length) {
      this.#note(room.name, ["messages", "unread"]);
      this.#keepSoon(room.name);
    }
    if (room.torn && room.joined) this.#enter(room);
  }

  #takeReads(room, { reads }) {
    const news = reads.filter(({ user, seq }) => room.readBy(user, seq));
    if (news.length) this.#note(room.name, ["reads", "unread"]);
  }

  // Sending

  #post(name, text, replyTo) {
    const at = this.now();
    const error = unsendable(text);
    const item = error
      ? this.#outbox.refuse(name, text, { replyTo, at, error })
      : this.#outbox.post(name, text, { replyTo, at });
    this.#pendingChanged(name);
    return item;
  }

  /** Leave a notice in the other one's inbox. */
  #invite(room) {
    room.invited = true;
    this.#keepSoon(room.name);
    if (room.direct === this.user) return;
    const inbox = inboxRoom(room.direct);
    if (!this.#all.has(inbox)) this.#enter(this.#add(inbox));
    this.#post(inbox, notice(room.name), null);
  }

  #pendingChanged(name) {
    this.#note(name, ["pending"]);
    this.#keeping.keepOutbox(this.#outbox.written());
    this.#flush();
  }

  #adoptLeftOvers() {
    this.#keeping.takeOver((items) => {
      this.#outbox.adopt(items);
      this.#keeping.keepOutbox(this.#outbox.written());
      for (const name of this.#outbox.rooms()) {
        if (!this.#all.has(name)) this.#enter(this.#add(name));
        this.#note(name, ["pending"]);
      }
      this.#flush();
    });
  }

  /** Send what is due, and come again when something will be. */
  #flush() {
    clearTimeout(this.#timers.flush);
    if (!this.#connection.isOpen) return;
    const times = [];
    for (const name of this.#outbox.rooms()) {
      if (!this.#all.get(name)?.joined) continue;
      for (const item of this.#outbox.due(name, this.now())) this.#sendOne(item);
      times.push(this.#outbox.nextDue(name) ?? Infinity);
    }
    const wait = Math.min(...times) - this.now();
    if (Number.isFinite(wait)) this.#timers.flush = setTimeout(() => this.#flush(), Math.max(20, wait));
  }

  #sendOne(item) {
    this.#outbox.begin(item, this.now());
    this.#keeping.keepOutbox(this.#outbox.written()); // Before it leaves, so that it is not forgotten after it has.
    const { room, text, producer, n, replyTo } = item;
    const payload = { room, text, producer, n, ...(replyTo && { reply_to: { epoch: replyTo.epoch, seq: replyTo.seq } }) };
    this.#connection.emit("send_message", payload, (answer) => this.#answered(item, answer));
  }

  #answered(item, answer) {
    const code = this.#outbox.answered(item, answer, this.now(), this.#random);
    const room = this.#all.get(item.room);
    if (!room) return;
    if (code === null && item.epoch === room.epoch) this.#outbox.reached(room.name, room.epoch, room.head);
    if (code === "not_joined") {
      room.joined = false;
      this.#enter(room);
    } else if (code === "draining") this.#moveSoon();
    this.#pendingChanged(room.name);
    this.#leaveForeignInbox(room);
  }

  #cameBack(message) {
    if (!this.#outbox.delivered(message)) return;
    this.#note(message.room, ["pending"]);
    this.#keeping.keepOutbox(this.#outbox.written());
    this.#leaveForeignInbox(this.#all.get(message.room));
  }

  #leaveForeignInbox(room) {
    if (!room.hidden || room.name === inboxRoom(this.user) || !this.#outbox.isQuiet(room.name)) return;
    this.#remove(room);
    this.#tell("leave", { room: room.name });
  }

  // What everything needs

  #tell(event, payload, answer) {
    this.#connection.emit(event, payload, answer);
  }

  async #get(path) {
    const headers = this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
    const answer = await this.#fetch(this.#connection.url + path, {
      cache: "no-store", credentials: "omit", headers, signal: AbortSignal.timeout(JOIN_PATIENCE_MS),
    });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error?.message ?? `the node answers ${answer.status}`);
    return body;
  }

  #keepSoon(name) {
    this.#unkept.add(name);
    this.#timers.keep ??= setTimeout(() => this.#keepRooms(), KEEP_MS);
  }

  #keepRooms() {
    this.#timers.keep = null;
    for (const name of this.#unkept) if (this.#all.has(name)) this.#keeping.keepRoom(this.#all.get(name));
    this.#unkept.clear();
  }

  #setState(change) {
    this.state = { ...this.state, ...change };
    this.#news.state = true;
    this.#speakSoon();
  }

  #change(name, what, change) {
    const room = this.#all.get(name);
    if (!room) return;
    change(room);
    this.#note(name, what);
  }

  /** Note what is news of a room, or, without a name, that the rooms are. */
  #note(name, what) {
    if (name === null) this.#news.rooms = true;
    else if (this.rooms.has(name)) {
      if (!this.#news.room.has(name)) this.#news.room.set(name, new Set());
      for (const one of what) this.#news.room.get(name).add(one);
    }
    this.#speakSoon();
  }

  #speakSoon() {
    this.#timers.speak ??= setTimeout(() => this.#speak(), 0);
  }

  #speak() {
    const { state, rooms, room } = this.#news;
    this.#timers.speak = null;
    this.#news = { state: false, rooms: false, room: new Map() };
    if (rooms) this.dispatchEvent(new CustomEvent("rooms"));
    for (const [name, what] of room) this.dispatchEvent(new CustomEvent("room", { detail: { room: name, what } }));
    if (state) this.dispatchEvent(new CustomEvent("state", { detail: this.state }));
  }
}

function unsendable(text) {
  if (new TextEncoder().encode(text).length > LONGEST_TEXT_BYTES) {
    return { code: "text_too_long", message: "A message has at most 8 KiB.", definite: true };
  }
  if (!text.isWellFormed()) return { code: "bad_request", message: "This is no Unicode text.", definite: true };
  return null;
}
