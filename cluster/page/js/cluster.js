// What the page knows of the cluster: every node by its own word, and by that of its peers.
//
// Two sources, and the difference between them is half of what there is to see. A node's own word comes from its
// REST interface, asked gently; what its peers say of it comes from theirs, and from the server_info that the
// page's connections are pushed. A node that does not answer is asked again when somebody says that it is alive,
// or now and then: each attempt at a closed port is a line in the browser's console.

import { Rounds } from "./rounds.js";

const EVERY_MS = 2000; // between two rounds, while somebody looks
const SOON_MS = 400; // after something was pushed: peers have not all noticed yet
const PATIENCE_MS = 1500; // for one answer; a node that needs longer is as good as silent
const SILENT_ROUNDS = 5; // between two attempts at a node that nobody says is alive

const UNKNOWN = { redis: null, lag: null, connections: null, took_ms: null };

/** The nodes, by name. Dispatches "change" whenever something new is known. */
export class Cluster extends EventTarget {
  #nodes = new Map();
  #ask;
  #rounds = new Rounds(() => this.#look(), () => this.#looked());
  #told = "";

  /** `home` is the URL of the node that the page came from; `ask(url)` resolves to JSON, or rejects. */
  constructor(home, ask = askJson) {
    super();
    this.home = home;
    this.#ask = ask;
  }

  /** All nodes, by name; see `#node` for what is known of one. */
  get nodes() {
    return [...this.#nodes.values()].sort((one, other) => byName(one.name, other.name));
  }

  /** Look from now on, until `stop`. */
  start() {
    this.#rounds.start();
  }

  stop() {
    this.#rounds.stop();
  }

  /** Somebody was pushed a `server_info`: take in what it says, and look soon. */
  told(info, url) {
    const said = JSON.stringify(info);
    if (said === this.#told) return;
    this.#told = said;
    const teller = this.#node(info.server_id, url);
    teller.draining = info.draining;
    for (const peer of info.peers) this.#heard(teller.name, peer);
    this.#changed();
    this.#rounds.soon(SOON_MS);
  }

  /** Something happened to a node: look at it, soon, even if it did not answer. */
  lookAt(name) {
    const node = this.#nodes.get(name);
    if (node) node.wait = 0;
    this.#rounds.soon(SOON_MS);
  }

  async #look() {
    if (!this.#nodes.size) await this.#meet();
    await Promise.all(this.nodes.filter((node) => due(node)).map((node) => this.#visit(node)));
  }

  #looked() {
    this.#changed();
    return this.nodes.some((node) => node.answers === null) ? 0 : EVERY_MS; // Some were only just told of.
  }

  /** Ask the node that the page came from who it is. */
  async #meet() {
    try {
      const info = await this.#ask(`${this.home}/info`);
      this.#node(info.server_id, info.url);
    } catch {
      // It does not answer: whoever is connected to another node will tell who is there.
    }
  }

  async #visit(node) {
    const began = performance.now();
    try {
      const [info, health, peers] = await Promise.all(
        ["info", "health", "peers"].map((path) => this.#ask(`${node.url}/${path}`)),
      );
      Object.assign(node, ownWord(info, health), { answers: true, wait: 0, took_ms: performance.now() - began });
      this.#forget(node.name);
      for (const peer of peers.peers) this.#heard(node.name, peer);
    } catch {
      Object.assign(node, { answers: false, wait: SILENT_ROUNDS, ...UNKNOWN });
      this.#forget(node.name);
    }
  }

  #heard(by, peer) {
    const node = this.#node(peer.server_id, peer.url);
    if (peer.state === "alive" && node.heard.get(by)?.state !== "alive") node.wait = 0;
    node.heard.set(by, { ...node.heard.get(by), ...peer });
  }

  /** What a node said of its peers is its past. */
  #forget(by) {
    for (const node of this.#nodes.values()) node.heard.delete(by);
  }

  #node(name, url) {
    let node = this.#nodes.get(name);
    if (!node) {
      node = {
        name,
        url,
        answers: null, // null: not asked yet
        draining: false,
        ...UNKNOWN, // Redis as {up, reason}; entries of the log that it has not handed on; how long its answer took
        heard: new Map(), // by whom -> {state, round_trip_ms}
        wait: 0, // rounds until it is asked again
      };
      this.#nodes.set(name, node);
    }
    if (url) node.url = url.replace(/\/$/, "");
    return node;
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

function due(node) {
  node.wait = Math.max(0, node.wait - 1);
  return node.wait === 0;
}

function ownWord(info, health) {
  return {
    url: info.url.replace(/\/$/, ""),
    draining: info.draining,
    connections: info.connections,
    redis: health.redis,
    lag: health.tail_lag?.entries ?? null,
  };
}

/** A node's state in one word for styles and one for people; its own word counts more than what others say. */
export function stateOf(node) {
  const said = [...node.heard.values()].map((each) => each.state);
  if (node.answers === null) return { kind: "unknown", word: "not asked yet" };
  if (!node.answers) return said.includes("suspect") ? { kind: "warn", word: "silent" } : { kind: "down", word: "down" };
  if (node.draining) return { kind: "warn", word: "draining" };
  if (node.redis && !node.redis.up) return { kind: "warn", word: "without Redis" };
  return { kind: "good", word: "serving" };
}

/** How long its peers' heartbeats take to it: the slowest, in ms; null where nobody measured. */
export function roundTrip(node) {
  if (node.answers === false) return null;
  const measured = [...node.heard.values()].map((each) => each.round_trip_ms).filter((ms) => typeof ms === "number");
  return measured.length ? Math.max(...measured) : null;
}

/** Names with numbers in the order of the numbers: node-2 before node-10. */
export function byName(one, other) {
  return one.localeCompare(other, "en", { numeric: true });
}

async function askJson(url) {
  const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return answer.json();
}
