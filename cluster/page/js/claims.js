/**
 * Who takes over what a life of a page has left: one page at most, where the browser has Web Locks. A claim lasts as long
 * as the page that has it, so that what it wrote and removed has long been seen by all when another one gets it.
 *
 * Storage has no such thing: tabs may be processes of their own, and what one of them removes another still sees for a
 * moment. Browsers have locks for pages of https and of this machine; elsewhere nobody knows.
 */
export class Claims {
  #locks;
  #prefix;
  #mine = new Set();

  /** @param {{locks: LockManager|undefined, prefix: string}} options */
  constructor({ locks, prefix }) {
    this.#locks = locks;
    this.#prefix = prefix;
  }

  /** @returns {Promise<boolean|null>} whether it is this page's; null: nobody knows */
  async claim(name) {
    if (this.#mine.has(name)) return true;
    const claimed = this.#locks ? await this.#request(this.#prefix + name) : null;
    if (claimed) this.#mine.add(name);
    return claimed;
  }

  #request(name) {
    return new Promise((resolve) => {
      const got = (lock) => {
        resolve(lock !== null);
        return lock && new Promise(() => {}); // It is held for as long as this is not resolved.
      };
      this.#locks.request(name, { ifAvailable: true }, got).catch(() => resolve(null)); // Forbidden, as storage may be.
    });
  }
}
