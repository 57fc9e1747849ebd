/**
 * The chat client: rooms, messages, pending sends and the connection, without any DOM.
 *
 * It speaks protocol version 1 (docs/protocol.md) over the official Socket.IO client, moves to another node by
 * itself when its own is lost, resumes by its cursors and resends what is pending under the same
 * `(producer, n)`. All it knows is in `state` and `rooms`, which are to be read and never written to; it
 * tells by events when they have changed. Bursts come as one event each turn of the event loop.
 */

/** @typedef {import("./types.js").State} State @typedef {import("./types.js").Room} Room */
/** @typedef {import("./types.js").Pending} Pending */

import { Connection } from "./connection.js";
import { Joining } from "./joining.js";
import { Keeping } from "./keeping.js";
import { directRoom, inboxRoom, isNotice, isPrivate, notice } from "./names.js";
import { News } from "./news.js";
import { Nodes } from "./nodes.js";
import { Older } from "./older.js";
import { Outbox } from "./outbox.js";
import { Reading } from "./reading.js";
import { Room } from "./room.js";
import { Sending } from "./sending.js";
import { Typing } from "./typing.js";

const ANSWER_MS = 8_000;
const LONG_AWAY_MS = 30_000;
const TICK_MS = 5_000;

/**
 * Events (CustomEvent): 'state' (detail: State), 'room' (detail: {room: string, what: Set<string>}, of 'joined',
 * 'messages', 'older', 'pending', 'people', 'typing', 'reads', 'unread', 'dividers', 'epoch'), and 'rooms' (`rooms`
 * or `directory` has changed).
 */
export class ChatClient extends EventTarget {
  #fetch;
  #random;
  #token;
  #inbox; // the name of one's own
  #nodes;
  #connection;
  #joining;
  #outbox;
  #sending;
  #keeping;
  #reading;
  #older;
  #typing;
  #news = new News(this, () => this.state);
  #all = new Map(); // name -> Room: `rooms`, and inboxes
  #heads = new Map(); // name -> head, as of the last `refreshRooms`
  #invited = new Set(); // direct rooms of which this life has left a notice
  #looked = null; // at which room one looks
  #lostAt = null;
  #timers = {};
  #over = false;

  /**
   * @param {object} options
   * @param {string} options.user  1 to 64 characters
   * @param {string} options.node  the URL of the first node
   * @param {Function} options.io  the official client's `io`
   * @param {Storage} [options.storage]  what outlives a reload; without it nothing does
   * @param {LockManager} [options.locks]  of all pages that have this storage
   * @param {boolean} [options.fixed]  stay on this node, whatever happens, and have no inbox (for panes)
   * @param {() => number} [options.now]  ms, by default Date.now
   * @param {string} [options.token]  where the cluster wants one
   * @param {Function} [options.fetch]
   * @param {() => number} [options.random]  from 0 to 1
   */
  constructor({ user, node, io, storage, locks, fixed = false, now = Date.now, token, fetch, random = Math.random }) {
    super();
    Object.assign(this, { user, fixed, now });
    this.#fetch = fetch ?? ((...args) => globalThis.fetch(...args));
    this.#random = random;
    this.#token = token;
    this.#inbox = inboxRoom(user);
    const life = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
    this.#outbox = new Outbox(life);
    this.#keeping = new Keeping({ storage, locks, user, life, now });
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
    this.#joining = new Joining({
      connection: this.#connection, random,
      on: {
        entered: (room, answer) => this.#entered(room, answer),
        refused: (room) => this.#note(room.name, ["joined"]),
        draining: () => this.#moveSoon(),
      },
    });
    this.#sending = new Sending({
      outbox: this.#outbox, keeping: this.#keeping, connection: this.#connection, now, random,
      room: (name) => this.#all.get(name),
      on: {
        changed: (name) => this.#pendingChanged(name),
        notJoined: (room) => this.#enterAgain(room),
        draining: () => this.#moveSoon(),
      },
    });
    this.#reading = new Reading((room, position, answer) => this.#tell("read", { room, ...position }, answer));
    this.#older = new Older({
      get: (path) => this.#get(path),
      isIn: (room) => this.#all.get(room.name) === room,
      on: {
        changed: (room, what) => this.#note(room.name, what),
        came: (message) => this.#sending.cameBack(message),
      },
    });
    this.#typing = new Typing({
      tell: (room, typing) => this.#tell("typing", { room, typing }),
      show: (name, users) => this.#showTyping(name, users),
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
    if (!fixed) this.#add(this.#inbox);
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
    this.#keeping.keepRoomSoon(room);
    this.#enter(room);
    return room;
  }

  /** Tell at which room one looks: it is joined before others. */
  look(name) {
    this.#looked = name;
    this.#joining.hurry(name);
  }

  /** Leave a room for good. What is pending there is given up. */
  leave(name) {
    const room = this.rooms.get(name);
    if (!room) return;
    this.#remove(room);
    this.#tell("leave", { room: name });
  }

  /** Open the direct conversation with a user. @returns {Room} */
  openDirect(user) {
    const room = this.join(directRoom(this.user, user));
    room.direct = user;
    this.#keeping.keepRoomSoon(room);
    return room;
  }

  /** Send a message; it is in `pending` until it comes back from the log. @returns {Pending} */
  send(name, text, { replyTo = null } = {}) {
    const room = this.#all.get(name);
    if (!room) throw new Error(`join ${name} before sending to it`);
    this.#typing.sent(name);
    const item = this.#sending.post(name, text, replyTo);
    if (room.direct !== null && this.#isToInvite(room)) this.#invite(room);
    return item;
  }

  /** Send a failed message again. Where its error was not definite, it may then be there twice. */
  retry(name, key) {
    this.#sending.retry(name, key);
  }

  /** Forget a failed message. */
  discard(name, key) {
    this.#sending.discard(name, key);
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
    this.#keeping.keepRoomSoon(room);
    this.#reading.read(room);
  }

  /**
   * Fetch the page of messages before the oldest one, `limit` at most (1,000 is the nodes' own limit).
   *
   * @returns {Promise<number>} how many came; rejected where the node does not answer
   */
  async loadOlder(name, { limit } = {}) {
    const room = this.rooms.get(name);
    return room ? this.#older.load(room, limit) : 0;
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
    this.#news.rooms();
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
    this.#typing.close();
    this.#reading.close();
    this.#older.close();
    this.#keeping.keepRooms();
    this.#connection.close();
    this.#sending.close();
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
    const looked = this.#all.get(this.#looked);
    if (looked) this.#enter(looked);
    for (const room of this.#all.values()) this.#enter(room);
  }

  #lost() {
    this.#lostAt = this.now();
    clearTimeout(this.#timers.move); // It was the lost node that was to be left.
    for (const part of [this.#sending, this.#typing, this.#reading, this.#joining]) part.cutOff();
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
    this.#sending.beat();
    this.#sending.flush();
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
      this.#news.rooms();
    }
    return room;
  }

  #remove(room) {
    for (const rooms of [this.#all, this.rooms]) rooms.delete(room.name);
    this.#joining.forget(room.name);
    this.#sending.abandon(room.name);
    this.#keeping.dropRoom(room.name);
    this.#news.rooms();
  }

  #enter(room) {
    this.#joining.enter(room, this.#heads.get(room.name));
  }

  #enterAgain(room) {
    room.joined = false;
    this.#enter(room);
  }

  #entered(room, answer) {
    this.#connection.serves();
    this.#heads.delete(room.name);
    this.#sending.reached(room, { complete: answer.recovered });
    this.#note(room.name, ["joined", "pending", "unread", "dividers"]);
    this.#keeping.keepRoomSoon(room);
    if (!room.hidden) this.#reading.entered(room);
    this.#older.fill(room);
    this.#sending.flush();
    this.#leaveForeignInbox(room);
  }

  #takeHistory(room, history) {
    const { epoch } = room;
    if (!history.recovered) room.since = this.now();
    this.#take(room, room.history(history));
    if (room.epoch !== epoch) this.#note(room.name, ["epoch"]);
    this.#note(room.name, ["messages", "dividers", "unread"]);
    if (room.joined && !history.recovered && !history.more) {
      // A new epoch was announced: there is no acknowledgement that would say so much.
      this.#sending.reached(room, { complete: false });
      this.#note(room.name, ["pending", "reads"]);
      this.#reading.entered(room);
      this.#older.fill(room);
    }
  }

  #take(room, messages) {
    for (const message of messages) {
      this.#sending.cameBack(message);
      this.#typing.heard(room.name, { user: message.user, typing: false });
      if (room.name === this.#inbox && isNotice(message, this.user)) this.openDirect(message.user);
    }
    if (messages.length) {
      this.#note(room.name, ["messages", "unread"]);
      this.#keeping.keepRoomSoon(room);
    }
    if (room.torn && room.joined) this.#enter(room);
  }

  #showTyping(name, typing) {
    const room = this.#all.get(name);
    if (!room) return;
    room.typing = typing;
    this.#note(name, ["typing"]);
  }

  #takeReads(room, { reads }) {
    const news = reads.filter(({ user, epoch, seq }) => room.readBy(user, { epoch, seq }));
    if (news.length) this.#note(room.name, ["reads", "unread"]);
  }

  // Sending

  /** Who is not there may have left the conversation and hears nothing of it: that is worth a notice in each life. */
  #isToInvite(room) {
    const isThere = room.people.some(({ user }) => user === room.direct);
    return !room.invited || (!isThere && !this.#invited.has(room.name));
  }

  /** Leave a notice in the other one's inbox. */
  #invite(room) {
    room.invited = true;
    this.#invited.add(room.name);
    this.#keeping.keepRoomSoon(room);
    if (room.direct === this.user) return;
    const inbox = inboxRoom(room.direct);
    if (!this.#all.has(inbox)) this.#enter(this.#add(inbox));
    this.#sending.post(inbox, notice(room.name));
  }

  #pendingChanged(name) {
    this.#note(name, ["pending"]);
    const room = this.#all.get(name);
    if (room) this.#leaveForeignInbox(room);
  }

  #adoptLeftOvers() {
    this.#sending.adoptLeftOvers((rooms) => {
      for (const name of rooms) {
        if (!this.#all.has(name)) this.#enter(this.#add(name));
        this.#note(name, ["pending"]);
      }
      this.#sending.flush();
    });
  }

  #leaveForeignInbox(room) {
    if (!room.hidden || room.name === this.#inbox || !this.#outbox.isQuiet(room.name)) return;
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
      cache: "no-store", credentials: "omit", headers, signal: AbortSignal.timeout(ANSWER_MS),
    });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error?.message ?? `the node answers ${answer.status}`);
    return body;
  }

  #setState(change) {
    this.state = { ...this.state, ...change };
    this.#news.state();
  }

  #note(name, what) {
    if (this.rooms.has(name)) this.#news.room(name, what);
  }
}
