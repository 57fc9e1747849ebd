/**
 * The connection to whichever node serves: it is made, lost, and made again elsewhere, without end.
 *
 * The official client makes single connections and notices silence (it gives a node up that has not pinged for
 * 4 s). Where to go then is decided here: the nodes are asked all at once, and the nearest one that serves is
 * it. The first try comes after a short random pause, since all clients of a dead node lose it in the same
 * millisecond; each further one after a pause twice as long, up to 8 s, also with chance in it.
 */

const CONNECT_MS = 3_000;
const WELCOME_MS = 5_000;
const SPREAD_MS = [30, 250];
const BACKOFF_MS = { first: 250, most: 8_000 };
const FOR_GOOD = new Set(["unauthorized", "bad_request"]);
const REASONS = {
  "ping timeout": "has been silent for 4 seconds",
  "transport close": "has closed the connection",
  "transport error": "has cut the connection",
  "io server disconnect": "has ended the session",
};

export class Connection {
  #nodes;
  #io;
  #auth;
  #now;
  #random;
  #on;
  #url;
  #socket = null;
  #timer = null;
  #attempt = 0;
  #tried = new Set();
  #homes = 0; // how often it was connected
  #nobody = false; // no node has answered when they were asked last
  #closed = false;
  #moving = false;

  /**
   * @param {object} options
   * @param {import("./nodes.js").Nodes} options.nodes
   * @param {string} options.first  the URL of the first node
   * @param {Function} options.io
   * @param {object} options.auth
   * @param {() => number} options.now  ms
   * @param {() => number} options.random  from 0 to 1
   * @param {{status: Function, connected: Function, lost: Function, event: Function}} options.on
   */
  constructor({ nodes, first, io, auth, now, random, on }) {
    this.#nodes = nodes;
    this.#url = first;
    this.#io = io;
    this.#auth = auth;
    this.#now = now;
    this.#random = random;
    this.#on = on;
  }

  get url() {
    return this.#url;
  }

  get isOpen() {
    return this.#socket?.connected === true;
  }

  start() {
    this.#dial(this.#url);
  }

  /** End it for good. */
  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#drop();
    this.#on.lost();
    this.#on.status({ status: "offline", reason: "The chat was closed.", retryAt: null });
  }

  /** Do not wait for the next try. */
  reconnect() {
    if (this.#timer !== null && !this.isOpen && !this.#closed) this.#look();
  }

  /** Give this connection up, since the node does not do what it should. */
  hangUp(why) {
    if (!this.#socket) return;
    this.#avoid(this.#url);
    this.#lost(this.#socket, why);
  }

  /** The node does what it should: it is as good as any other again. */
  serves() {
    this.#tried.clear();
  }

  /** Go to another node that serves, if there is one. @returns {Promise<boolean>} whether there was */
  async moveAway(why) {
    const from = this.#socket;
    if (this.#moving || !this.isOpen) return false;
    this.#moving = true;
    const choice = await this.#nodes.choose({ without: this.#url, tried: new Set() });
    this.#moving = false;
    if (!choice.ready || this.#socket !== from || this.#closed) return false;
    this.#drop();
    this.#on.lost();
    this.#on.status({ status: "reconnecting", reason: this.#sentence(why), attempt: 1, retryAt: null });
    this.#dial(choice.url);
    return true;
  }

  /** Send an event; `answer` is called at most once, and never once the connection is over. */
  emit(event, payload, answer = () => {}) {
    const socket = this.#socket;
    if (!this.isOpen) return;
    socket.emit(event, payload, (value) => {
      if (socket === this.#socket) answer(value);
    });
  }

  #dial(url) {
    this.#drop();
    const socket = this.#io(url, {
      transports: ["websocket"], auth: this.#auth, forceNew: true, reconnection: false, timeout: CONNECT_MS,
    });
    const current = (handle) => (...args) => socket === this.#socket && handle(...args);
    this.#socket = socket;
    this.#timer = setTimeout(current(() => this.#failed(url, "does not answer")), WELCOME_MS);
    socket.on("connect", current(() => this.#welcome(url)));
    socket.on("connect_error", current((error) => this.#refused(url, error)));
    socket.on("disconnect", current((reason) => this.#lost(socket, REASONS[reason] ?? reason)));
    socket.onAny(current((name, payload) => this.#on.event(name, payload)));
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    clearTimeout(this.#timer);
    this.#timer = null;
    socket?.offAny();
    socket?.off();
    socket?.disconnect();
  }

  #welcome(url) {
    clearTimeout(this.#timer);
    this.#timer = null;
    const moved = this.#homes > 0 && !this.#nodes.areSame(url, this.#url);
    this.#url = url;
    this.#homes += 1;
    this.#attempt = 0;
    this.#nobody = false;
    this.#on.connected({ url, moved });
  }

  #refused(url, error) {
    if (FOR_GOOD.has(error.data?.code)) {
      this.#drop();
      this.#on.status({ status: "offline", reason: `The node refuses: ${error.message}.`, retryAt: null });
    } else this.#failed(url, "cannot be reached");
  }

  #failed(url, why) {
    this.#drop();
    this.#avoid(url);
    this.#again(this.#sentence(why, url));
  }

  /** Try the others before this one. */
  #avoid(url) {
    this.#tried.add(url);
    if (this.#tried.size >= this.#nodes.count) this.#tried.clear();
  }

  #lost(socket, why) {
    const reason = this.#sentence(why);
    this.#drop();
    this.#on.lost();
    if (!this.#closed) this.#again(reason);
  }

  #again(reason) {
    this.#attempt += 1;
    const pause = this.#pauseMs();
    const found = this.#nobody ? this.#offline() : { status: this.#homes ? "reconnecting" : "connecting", reason };
    this.#on.status({ ...found, attempt: this.#attempt, retryAt: this.#now() + pause });
    this.#timer = setTimeout(() => this.#look(), pause);
  }

  async #look() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#on.status({ retryAt: null });
    const choice = await this.#nodes.choose({ tried: this.#tried });
    if (this.#closed || this.#socket) return;
    this.#nobody = !choice.answered;
    if (this.#nobody) this.#on.status(this.#offline());
    this.#dial(choice.url);
  }

  #pauseMs() {
    const chance = this.#random();
    if (this.#attempt === 1) return SPREAD_MS[0] + chance * (SPREAD_MS[1] - SPREAD_MS[0]);
    const most = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** Math.min(this.#attempt - 1, 16));
    return most * (0.5 + chance / 2);
  }

  #offline() {
    const one = this.#nodes.count === 1;
    return { status: "offline", reason: one ? this.#sentence("does not answer") : "No node of the cluster answers." };
  }

  #sentence(why, url = this.#url) {
    return `${this.#nodes.get(url).id ?? url} ${why}.`;
  }
}
