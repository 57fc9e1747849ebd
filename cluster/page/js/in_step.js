// How far several views of one room are apart: positions for order, milliseconds for how it feels. Pure but for a clock.

const REMEMBERED = 200; // positions whose first arrival is remembered
const MEDIAN_OF = 20;

/** Follows the heads of several views, each known by a key. */
export class InStep {
  #heads = new Map();
  #firstSeen = new Map(); // position -> when the first view had it
  #delays = new Map(); // key -> the newest delays behind the first view, ms
  #now;

  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** The furthest position that any view has. */
  get furthest() {
    return Math.max(0, ...this.#heads.values());
  }

  /** A view has everything up to `head` now. What came by a resume was late for another reason: `live` is false. */
  reached(key, head, { live = true } = {}) {
    const before = this.#heads.get(key);
    this.#heads.set(key, head);
    if (before === undefined || head <= before) return;
    const at = this.#now();
    for (let position = Math.max(before + 1, head - MEDIAN_OF + 1); position <= head; position++) {
      if (!this.#firstSeen.has(position)) this.#firstSeen.set(position, at);
      if (live) this.#note(key, at - this.#firstSeen.get(position));
    }
    this.#forget();
  }

  /** A view is no longer there. */
  left(key) {
    this.#heads.delete(key);
    this.#delays.delete(key);
  }

  /** Positions that a view lacks of what another one has. */
  behind(key) {
    return this.furthest - (this.#heads.get(key) ?? 0);
  }

  /** The usual delay of a view behind the first one, in ms; null where nothing came yet. */
  delay(key) {
    const sorted = [...(this.#delays.get(key) ?? [])].sort((a, b) => a - b);
    return sorted.length ? sorted[sorted.length >> 1] : null;
  }

  #note(key, delay) {
    const delays = this.#delays.get(key) ?? [];
    delays.push(delay);
    this.#delays.set(key, delays.slice(-MEDIAN_OF));
  }

  #forget() {
    for (const position of this.#firstSeen.keys()) {
      if (this.#firstSeen.size <= REMEMBERED) return;
      this.#firstSeen.delete(position);
    }
  }
}
