// As much of a document as small views need: elements in each other, what they say, and who is told of what.

class FakeElement {
  attributes = new Map();
  children = [];
  dataset = {};
  disabled = false;
  #text = "";
  #listeners = new Map(); // kind -> listener

  constructor(tag) {
    this.tag = tag;
  }

  setAttribute(name, value) {
    this.attributes.set(name, String(value));
  }

  getAttribute(name) {
    return this.attributes.get(name) ?? null;
  }

  get classList() {
    const names = new Set((this.getAttribute("class") ?? "").split(" ").filter(Boolean));
    const changed = (change) => (name) => (change.call(names, name), this.setAttribute("class", [...names].join(" ")));
    return { add: changed(names.add), remove: changed(names.delete), contains: (name) => names.has(name) };
  }

  get textContent() {
    return this.#text + this.children.map(({ textContent }) => textContent).join("");
  }

  set textContent(text) {
    this.children = [];
    this.#text = text;
  }

  append(...children) {
    this.children.push(...children);
  }

  replaceChildren(...children) {
    this.children = children;
  }

  contains(other) {
    return other === this || this.children.some((child) => child.contains(other));
  }

  /** Knows `tag` and `.class`. */
  querySelector(selector) {
    const fits = (one) => (selector.startsWith(".") ? one.classList.contains(selector.slice(1)) : one.tag === selector);
    for (const child of this.children) {
      const found = fits(child) ? child : child.querySelector(selector);
      if (found) return found;
    }
    return null;
  }

  addEventListener(kind, listener) {
    this.#listeners.set(kind, listener);
  }

  focus() {
    document.activeElement = this;
  }

  /** Press it, as a person does: one that is busy takes no notice. Resolves when all that follows is done. */
  async click() {
    if (!this.disabled) await this.#listeners.get("click")?.({});
  }
}

export const element = (tag = "div") => new FakeElement(tag);

/** The document of a test: views look for it where browsers have theirs. */
export function fakeDocument() {
  globalThis.document = { activeElement: null, createElement: element };
}
