// Looking at something again and again, for as long as somebody watches.

export class Rounds {
  #look;
  #next;
  #timer = null;
  #running = false;
  #round = 0;

  /**
   * `look()` resolves when it has looked, whatever came of it. `next()` is called then, unless nobody watches any
   * more or a later look has begun; it returns in how many milliseconds to look again.
   */
  constructor(look, next) {
    this.#look = look;
    this.#next = next;
  }

  /** Look from now on, until `stop`. */
  start() {
    if (this.#running) return;
    this.#running = true;
    this.#begin();
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  /** Look in `ms` milliseconds, whatever was to come. */
  soon(ms) {
    if (this.#running) this.#after(ms);
  }

  #after(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#begin(), ms);
  }

  async #begin() {
    const round = ++this.#round;
    await this.#look();
    if (this.#running && round === this.#round) this.#after(this.#next());
  }
}
