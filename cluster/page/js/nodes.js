/**
 * The nodes of the cluster as this page sees them: where they are, how they are, and how far away.
 *
 * Every node that was ever told of stays a candidate; the serving node's `server_info` says how the others
 * are. The page measures by itself: `/health` of each, the time that it takes, and what it says.
 */

const PATIENCE_MS = 1_000;
const MOST = 50;

export class Nodes {
  #first;
  #fetch;
  #clock;
  #fixed;
  #known = new Map(); // url -> {id, url, state, roundTripMs, health, listed}

  /** @param {{first: string, fetch: Function, fixed: boolean, clock: () => number}} options  `clock` in ms */
  constructor({ first, fetch, fixed, clock }) {
    this.#first = first;
    this.#fetch = fetch;
    this.#fixed = fixed;
    this.#clock = clock;
    this.#entry(first);
  }

  /** How many there are to try. */
  get count() {
    return this.#fixed ? 1 : this.#known.size;
  }

  /** What is known of the node at a URL. */
  get(url) {
    return this.#entry(url);
  }

  /** Whether two URLs lead to one node, which may have several names. */
  areSame(one, other) {
    const { id } = this.#entry(one);
    return one === other || (id !== null && id === this.#entry(other).id);
  }

  /** The others, as the page shows them. */
  peers(url) {
    return [...this.#known.values()]
      .filter((node) => node.listed && node.url !== url)
      .map(({ id, url, state, roundTripMs, health }) => ({ id, url, state, roundTripMs, health }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Take in a `server_info` of the node at a URL. */
  learn(url, { server_id, draining, peers }) {
    for (const node of this.#known.values()) node.listed = false;
    this.#note(url, server_id, draining ? "draining" : "alive");
    for (const peer of peers) this.#note(peer.url, peer.server_id, peer.state);
    for (const node of this.#known.values()) if (!node.listed) node.state = "dead";
    const strangers = [...this.#known.values()].filter((node) => !node.listed && node.url !== this.#first);
    strangers.slice(0, Math.max(0, this.#known.size - MOST)).forEach((node) => this.#known.delete(node.url));
  }

  /** Measure the serving node and, unless this page stays on it, the others that are not known to be dead. */
  async measure(url) {
    const worth = (node) => node.url === url || (!this.#fixed && node.listed && node.state !== "dead");
    await Promise.all([...this.#known.values()].filter(worth).map((node) => this.#ask(node)));
  }

  /**
   * Find the nearest node that serves: all are asked at once, and who answers first is it.
   *
   * @param {{without?: string, tried: Set<string>}} options  not that one; of those tried only where no other is left
   * @returns {Promise<{url: string|null, answered: boolean, ready: boolean}>}  `answered`: some node was heard
   */
  choose({ without = null, tried }) {
    const candidates = [...this.#known.values()].filter(({ url }) => (this.#fixed ? url === this.#first : url !== without));
    return new Promise((resolve) => {
      let waiting = candidates.length;
      let second = null;
      const settle = () => {
        if (--waiting > 0) return;
        const untried = candidates.find(({ url }) => !tried.has(url)) ?? candidates[0];
        resolve({ url: second?.url ?? untried?.url ?? null, answered: second !== null, ready: false });
      };
      if (!candidates.length) settle();
      for (const node of candidates) {
        this.#ask(node).then((health) => {
          if (health?.ready && !health.draining && !tried.has(node.url)) {
            resolve({ url: node.url, answered: true, ready: true });
          } else if (health && (second === null || (tried.has(second.url) && !tried.has(node.url)))) second = node;
          settle();
        });
      }
    });
  }

  #entry(url) {
    if (!this.#known.has(url)) {
      const node = { id: null, url, state: "alive", roundTripMs: null, health: null, listed: false };
      this.#known.set(url, node);
    }
    return this.#known.get(url);
  }

  #note(url, id, state) {
    for (const node of this.#known.values()) {
      if (node.id === id && node.url !== url && node.url !== this.#first) this.#known.delete(node.url);
    }
    Object.assign(this.#entry(url), { id, state, listed: true });
  }

  /** Ask a node for its health; null: it does not answer. */
  async #ask(node) {
    const began = this.#clock();
    try {
      const answer = await this.#fetch(`${node.url}/health`, {
        cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(PATIENCE_MS),
      });
      node.health = await answer.json();
      node.roundTripMs = this.#clock() - began;
    } catch {
      // Whatever the reason (nobody listens, silence, no JSON): a node that cannot be asked is none to go to.
      Object.assign(node, { health: null, roundTripMs: null });
    }
    return node.health;
  }
}
