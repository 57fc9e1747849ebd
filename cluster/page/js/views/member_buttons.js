// The buttons that kill and restart members, for as long as somebody is there who does that (`Control`).

import { Rounds } from "../rounds.js";
import { guardedButton } from "./guarded_button.js";
import { h } from "./dom.js";

const EVERY_MS = 2000; // between two looks at the members; whoever answers asks each of them

/**
 * Puts a button into each slot. `say` gets what a screen reader should hear, `fail` what went wrong, `changed`
 * is called with the names of members whose state has changed.
 */
export class MemberButtons {
  #control;
  #slots = []; // {name, slot, state}
  #states = new Map();
  #rounds = new Rounds(() => this.#look(), () => EVERY_MS);
  #silent = false; // whether whoever kills and restarts has not answered last
  #tell;

  constructor(control, { say, fail, changed }) {
    this.#control = control;
    this.#tell = { say, fail, changed };
  }

  /** Members and their states, as who owns them sees them. */
  get states() {
    return this.#states;
  }

  start() {
    this.#rounds.start();
  }

  stop() {
    this.#rounds.stop();
  }

  /** Keep a fitting button for a member in an element. */
  fill(name, slot) {
    this.#slots.push({ name, slot, state: undefined });
    this.#draw();
  }

  async #look() {
    try {
      this.#take(await this.#control.members());
      if (this.#silent) this.#tell.fail(""); // Other sentences stay until the next press.
      this.#silent = false;
    } catch {
      this.#silent = true;
      this.#states.clear();
      this.#draw();
      this.#tell.fail("Whoever started this cluster no longer answers, so nothing can be killed or restarted from here.");
    }
  }

  #take(members) {
    const changed = members.filter(({ name, state }) => this.#states.get(name)?.state !== state);
    for (const { name, state, role } of changed) this.#states.set(name, { state, role });
    this.#draw();
    if (changed.length) this.#tell.changed(changed.map(({ name }) => name));
  }

  #draw() {
    for (const each of this.#slots) {
      const state = this.#states.get(each.name)?.state;
      if (state === each.state || each.slot.querySelector(".armed")) continue;
      const focused = each.slot.contains(document.activeElement);
      each.state = state;
      each.slot.replaceChildren(...(state === undefined ? [] : [this.#button(each.name, state)]));
      if (focused) each.slot.querySelector("button")?.focus();
    }
  }

  #button(name, state) {
    if (state === "down") {
      const button = h("button", { type: "button", class: "plain restart", text: "Restart", "aria-label": `Restart ${name}` });
      button.addEventListener("click", () => {
        button.disabled = true;
        this.#act("restart", name, `${name} is started again.`).finally(() => (button.disabled = false));
      });
      return button;
    }
    return guardedButton({
      label: "Kill", name: `Kill ${name}`, question: `Kill ${name}?`,
      act: () => this.#act("kill", name, `${name} was killed.`), say: this.#tell.say,
    });
  }

  async #act(action, name, done) {
    this.#tell.fail("");
    try {
      this.#take([await this.#control[action](name)]);
      this.#tell.say(done);
    } catch (error) {
      this.#tell.fail(`${name}: ${error.message}`);
    }
  }
}
