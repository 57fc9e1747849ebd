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
 * @property {number} moved  how often it has changed the node without being asked to
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
 * @property {number} lastDelivered  by `now()` (ms), when something last came live; 0: never
 */

const HISTORY_PAGE = 100;

/** @implements {Room} */
class Room {
  constructor(name) {
    Object.assign(this, {
      name, direct: null, epoch: null, head: 0, messages: [], pending: [], people: [], typing: [],
      reads: new Map(), unread: 0, hasOlder: false, loadingOlder: false, dividers: [], joined: false,
      lastDelivered: 0,
    });
  }

  get firstSeq() {
    return this.messages.length ? this.messages[0].seq : null;
  }
}

/**
 * Events (CustomEvent): 'state' (detail: State), 'room' (detail: {room: string, what: Set<string>}, of 'joined',
 * 'messages', 'older', 'pending', 'people', 'typing', 'reads', 'unread', 'dividers', 'epoch'), 'rooms' (`rooms` or `directory`
 * has changed).
 */
export class ChatClient extends EventTarget {
  #io;
  #socket = null;
  #token;

  /**
   * @param {object} options
   * @param {string} options.user  1 to 64 characters
   * @param {string} options.node  the URL of the first node
   * @param {Function} options.io  the official client's `io`
   * @param {Storage} [options.storage]  what outlives a reload; without it nothing does
   * @param {boolean} [options.fixed]  stay on this node, whatever happens (for panes)
   * @param {() => number} [options.now]  ms, by default Date.now
   * @param {string} [options.token]  where the cluster wants one
   */
  constructor({ user, node, io, storage, fixed = false, now = Date.now, token }) {
    super();
    this.user = user;
    this.fixed = fixed;
    this.now = now;
    this.#io = io;
    this.#token = token;
    this.state = {
      status: "connecting", node: { id: null, url: node }, retryAt: null, attempt: 0, reason: null, peers: [],
      roundTripMs: null, health: null, draining: false, moved: 0,
    };
    /** The rooms that one is in (or will be, once connected). @type {Map<string, Room>} */
    this.rooms = new Map();
    /** All rooms of the cluster, by `refreshRooms`. @type {{name: string, head: number, unread: number|null}[]} */
    this.directory = [];
  }

  /** Begin to connect. Call it after the listeners are there. */
  start() {
    const socket = this.#io(this.state.node.url, {
      transports: ["websocket"], auth: { user: this.user, token: this.#token }, forceNew: true,
    });
    this.#socket = socket;
    socket.on("connect", () => {
      this.#setState({ status: "connected" });
      for (const name of this.rooms.keys()) this.#join(name);
    });
    socket.on("disconnect", (reason) => this.#setState({ status: "reconnecting", reason }));
    socket.on("server_info", (info) => this.#setState({
      node: { id: info.server_id, url: this.state.node.url },
      peers: info.peers.map((p) => ({ id: p.server_id, url: p.url, state: p.state, roundTripMs: null, health: null })),
    }));
    socket.on("message_history", (history) => history.messages.forEach((m) => this.#take(m)));
    socket.on("message", (message) => this.#take(message));
    socket.on("user_list", ({ room, users }) => this.#change(room, "people", (r) => (r.people = users)));
  }

  /** Enter a room, now or once connected, and again after each reconnect. @returns {Room} */
  join(room) {
    if (!this.rooms.has(room)) {
      this.rooms.set(room, new Room(room));
      this.dispatchEvent(new CustomEvent("rooms"));
      if (this.#socket?.connected) this.#join(room);
    }
    return this.rooms.get(room);
  }

  /** Leave a room for good. */
  leave(room) {
    if (this.rooms.delete(room)) {
      this.#socket?.emit("leave", { room });
      this.dispatchEvent(new CustomEvent("rooms"));
    }
  }

  /** Open the direct conversation with a user. @returns {Room} */
  openDirect(user) {
    throw new Error("not there yet");
  }

  /** Send a message; it is in `pending` until it comes back from the log. @returns {Pending} */
  send(room, text, { replyTo = null } = {}) {
    const pending = {
      key: `${this.now()}-${Math.random()}`, text, state: "pending", seq: null, error: null, replyTo, at: this.now(),
    };
    this.#change(room, "pending", (r) => r.pending.push(pending));
    this.#socket.emit("send_message", { room, text, ...(replyTo && { reply_to: replyTo }) }, (answer) => {
      this.#change(room, "pending", (r) => r.pending.splice(r.pending.indexOf(pending), 1));
    });
    return pending;
  }

  /** Send a failed message anew. */
  retry(room, key) {}

  /** Forget a failed message. */
  discard(room, key) {}

  /** Tell the others that one writes, or has stopped. Call it as often as keys are pressed. */
  setTyping(room, typing) {}

  /** Tell that everything up to a seq was seen (default: all that is there). */
  markRead(room, seq) {}

  /** Fetch the page of messages before the oldest one. @returns {Promise<number>} how many came */
  async loadOlder(room) {
    return 0;
  }

  /** Ask for all rooms of the cluster, with heads; fills `directory`. */
  async refreshRooms() {
    const { rooms } = await (await fetch(`${this.state.node.url}/rooms`)).json();
    this.directory = rooms.map((name) => ({ name, head: 0, unread: null }));
    this.dispatchEvent(new CustomEvent("rooms"));
  }

  /** Try to connect now instead of at `retryAt`. */
  reconnect() {}

  /** End the connection and write down what is to survive. Call it on `pagehide`. */
  close() {
    this.#socket?.disconnect();
    this.#setState({ status: "offline", reason: "closed" });
  }

  #join(name) {
    this.#socket.emit("join", { room: name }, () => this.#change(name, "joined", (r) => (r.joined = true)));
  }

  #take(message) {
    this.#change(message.room, "messages", (room) => {
      if (message.seq <= room.head && room.messages.length) return;
      room.messages.push(message);
      room.head = message.seq;
      room.epoch = message.epoch;
      room.lastDelivered = this.now();
    });
  }

  #change(name, what, change) {
    const room = this.rooms.get(name);
    if (!room) return;
    change(room);
    this.dispatchEvent(new CustomEvent("room", { detail: { room: name, what: new Set([what]) } }));
  }

  #setState(change) {
    Object.assign(this.state, change);
    this.dispatchEvent(new CustomEvent("state", { detail: this.state }));
  }
}
