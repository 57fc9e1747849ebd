// A cluster that a test drives by hand: sockets that say what they are told to, nodes that answer or do not.

import { mock } from "node:test";

import { ChatClient } from "../../cluster/page/js/client.js";
import { inboxRoom } from "../../cluster/page/js/names.js";

/** What the official client gives out: one connection. */
export class FakeSocket {
  connected = false;
  sent = []; // {event, payload, answer}
  #handlers = new Map();
  #any = [];

  constructor(url, options) {
    Object.assign(this, { url, options });
  }

  on(event, handler) {
    this.#handlers.set(event, handler);
  }

  onAny(handler) {
    this.#any.push(handler);
  }

  off() {
    this.#handlers.clear();
  }

  offAny() {
    this.#any = [];
  }

  emit(event, payload, answer) {
    this.sent.push({ event, payload, answer });
  }

  disconnect() {
    this.connected = false;
  }

  // What the test does

  accept() {
    this.connected = true;
    this.#handlers.get("connect")();
  }

  refuse(error = new Error("websocket error")) {
    this.#handlers.get("connect_error")(error);
  }

  lose(reason = "transport close") {
    this.connected = false;
    this.#handlers.get("disconnect")(reason);
  }

  say(event, payload) {
    for (const handler of this.#any) handler(event, payload);
  }

  /** Everything of one kind that was sent. */
  all(event) {
    return this.sent.filter((one) => one.event === event);
  }

  /** Answer the last of a kind. */
  answer(event, value) {
    this.all(event).at(-1).answer(value);
  }

  /** Let the client into a room, as a node does. */
  admit(room, { epoch = "e1", seq = 0, recovered = false, messages = [] } = {}) {
    const join = this.sent.findLast((one) => one.event === "join" && one.payload.room === room);
    this.say("message_history", { room, epoch, messages, recovered, more: false });
    join.answer({ ok: true, room, epoch, seq, recovered });
    return join.payload;
  }
}

/** `Storage` of the browser. */
export class FakeStorage {
  items = new Map();
  full = false;

  get length() {
    return this.items.size;
  }

  key(i) {
    return [...this.items.keys()][i] ?? null;
  }

  getItem(key) {
    return this.items.get(key) ?? null;
  }

  setItem(key, value) {
    if (this.full) throw new Error("quota exceeded");
    this.items.set(key, value);
  }

  removeItem(key) {
    this.items.delete(key);
  }
}

/** `navigator.locks` of the pages of one browser. */
export class FakeLocks {
  #held = new Set();

  async request(name, { ifAvailable }, got) {
    if (!ifAvailable) throw new Error("a page that waits for another may wait for ever");
    await null;
    const lock = this.#held.has(name) ? null : { name };
    if (lock) this.#held.add(name);
    await got(lock);
    if (lock) this.#held.delete(name);
  }

  /** All pages are gone. */
  release() {
    this.#held.clear();
  }
}

export const url = (n) => `http://node-${n}`;

/** Nodes 1, 2, …; a client of them; and a clock that only the test moves. */
export class World {
  sockets = [];
  asked = []; // URLs of HTTP requests
  answers = new Map(); // URL of a node -> its health after so many ms; absent: nobody listens
  pages = []; // answers for /rooms…, in turn
  clients = [];

  constructor(nodes = 3) {
    mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_000_000 });
    for (let n = 1; n <= nodes; n += 1) this.answers.set(url(n), { ready: true, draining: false, ms: 10 * n });
  }

  client(options = {}) {
    const io = (at, given) => {
      this.sockets.push(new FakeSocket(at, given));
      return this.sockets.at(-1);
    };
    const client = new ChatClient({
      user: "ann", node: url(1), io, random: () => 0.5, fetch: (...args) => this.#fetch(...args), ...options,
    });
    this.clients.push(client);
    return client;
  }

  /** A client in a room on node 1. */
  async joined(room = "room", options = {}) {
    const client = this.client(options);
    client.join(room);
    client.start();
    this.socket.accept();
    await this.settle();
    this.socket.say("server_info", this.info(1));
    this.socket.admit(room);
    if (!client.fixed) this.socket.admit(inboxRoom(client.user));
    await this.settle();
    return client;
  }

  get socket() {
    return this.sockets.at(-1);
  }

  info(n, { draining = false, states = {} } = {}) {
    const peers = [...this.answers.keys()]
      .filter((at) => at !== url(n) && at.startsWith(url("")))
      .map((at) => ({ server_id: at.slice(7), url: at, state: states[at.slice(7)] ?? "alive" }));
    return { server_id: `node-${n}`, session_id: "s", version: 1, draining, producer: "x", peers };
  }

  /** Let the clock run, and all that follows happen. */
  async pass(ms) {
    const until = Date.now() + ms;
    while (Date.now() < until) {
      mock.timers.tick(Math.min(10, until - Date.now()));
      await this.settle();
    }
  }

  async settle() {
    for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  close() {
    for (const client of this.clients) client.close();
    mock.timers.reset();
  }

  async #fetch(at) {
    this.asked.push(at);
    const { origin, pathname } = new URL(at);
    if (pathname !== "/health") return this.#page();
    const health = this.answers.get(origin);
    if (!health) throw new Error("nobody listens");
    await new Promise((resolve) => setTimeout(resolve, health.ms));
    return { ok: true, status: 200, json: async () => health };
  }

  #page() {
    const body = this.pages.shift();
    if (!body) throw new Error("nobody listens");
    return { ok: true, status: 200, json: async () => body };
  }
}
