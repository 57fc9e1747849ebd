// Two or three panes side by side, each on another node, same room: one sees that the nodes stay in step.

import { InStep } from "../in_step.js";
import { Talker } from "../talker.js";
import { h, setText } from "./dom.js";
import { Pane } from "./pane.js";

const MOST = 3;
const TICK_MS = 500; // for countdowns; everything else is drawn when it happens

/** The panes. `decorate(node, corner)` may put buttons for a node into its pane's corner. */
export class Panes {
  #options;
  #panes = new Map();
  #inStep = new InStep();
  #talker = new Talker(() => [...this.#panes.values()]);
  #row = h("div", { class: "mirrors" });
  #talk = h("button", { type: "button", class: "plain talk" });
  #summary = h("p", { class: "mirrors-summary" });
  #frame = null;
  #ticks = null;

  constructor({ room, user, io, token, decorate = () => {} }) {
    this.#options = { room, user, io, token };
    this.decorate = decorate;
    this.#talk.addEventListener("click", () => (this.#talker.talking ? this.#talker.stop() : this.#talker.start()));
    this.#talker.addEventListener("change", () => this.#drawSoon());
    this.element = h(
      "section", { class: "in-step", "aria-labelledby": "in-step-title" },
      h("header", { class: "in-step-top" },
        h("h2", { id: "in-step-title", text: `In step: #${room}` }), this.#summary, this.#talk),
      this.#row, legend(),
    );
  }

  get talker() {
    return this.#talker;
  }

  start() {
    this.#ticks = setInterval(() => this.#drawSoon(), TICK_MS);
    document.addEventListener("visibilitychange", this.#onHidden);
  }

  close() {
    clearInterval(this.#ticks);
    cancelAnimationFrame(this.#frame);
    document.removeEventListener("visibilitychange", this.#onHidden);
    this.#talker.stop();
    for (const pane of this.#panes.values()) pane.close();
    this.#panes.clear();
  }

  /** The cluster's nodes are known: there is a pane for each of the first ones. Panes that are there stay. */
  show(nodes) {
    for (const { name, url } of nodes) {
      if (this.#panes.size >= MOST || this.#panes.has(name)) continue;
      const pane = new Pane({ ...this.#options, node: name, url, onChange: (changed) => this.#reached(changed) });
      this.#panes.set(name, pane);
      const after = [...this.#panes.keys()].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      this.#row.insertBefore(pane.element, this.#panes.get(after[after.indexOf(name) + 1])?.element ?? null);
      this.decorate(name, pane.corner);
      pane.start();
    }
    this.#drawSoon();
  }

  /** A node is said to be there again: its pane need not wait for its next try. */
  hurry(name) {
    this.#panes.get(name)?.retry();
  }

  #reached(pane) {
    this.#inStep.reached(pane.node, pane.head, { live: pane.live });
    this.#drawSoon();
  }

  #onHidden = () => {
    if (document.hidden) this.#talker.stop(); // Nobody watches.
  };

  #drawSoon() {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      this.#draw();
    });
  }

  #draw() {
    for (const pane of this.#panes.values()) pane.draw(this.#inStep);
    setText(this.#talk, this.#talker.talking ? `Stop talking (${this.#talker.left} s left)` : "Let them talk");
    this.#talk.setAttribute("aria-pressed", String(this.#talker.talking));
    setText(this.#summary, summary([...this.#panes.values()], this.#inStep));
  }
}

/** What the cells of the tapes mean; screen readers get words in each pane. */
function legend() {
  const entry = (kind, text) => h("span", {}, h("i", { class: kind }), text);
  return h(
    "p", { class: "legend", "aria-hidden": "true" },
    entry("had", "delivered live"), entry("caught", "caught up after a break"), entry("missing", "others have it, this node has not delivered it"),
  );
}

function summary(panes, inStep) {
  if (!panes.length) return "Waiting for the nodes' names.";
  const level = panes.filter((pane) => pane.connected && inStep.behind(pane.node) === 0).length;
  const at = inStep.furthest ? ` at #${inStep.furthest}` : "";
  return level === panes.length ? `All ${panes.length} views are level${at}.` : `${level} of ${panes.length} views are level${at}.`;
}
