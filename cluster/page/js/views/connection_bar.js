// Which node serves, and how it goes: in words and by a shape, never by colour alone.
//
// Only the sentence is a live region. What changes by itself, the countdown and the round trip, stands beside it, so
// that nobody is read a number each second.

import { h, icon, setText } from "./dom.js";

const TICK_MS = 250;
const FORGETS = "A reload would forget what is not sent";

export class ConnectionBar {
  #client;
  #element;
  #sign = h("span", { class: "sign" });
  #sentence = h("span", { class: "sentence", role: "status" });
  #forgets = h("span", { class: "forgets", role: "status" });
  #aside = h("span", { class: "aside" });
  #now = h("button", { class: "link", type: "button", hidden: true, text: "Try now" });
  #icon = "";
  #timer = 0;
  #stop = new AbortController();

  constructor(element, client) {
    this.#client = client;
    this.#element = element;
    element.append(this.#sign, this.#sentence, this.#aside, this.#now, this.#forgets);
    const { signal } = this.#stop;
    client.addEventListener("state", () => this.#draw(), { signal });
    this.#now.addEventListener("click", () => client.reconnect(), { signal });
    this.#draw();
  }

  destroy() {
    this.#stop.abort();
    clearInterval(this.#timer);
    this.#element.replaceChildren();
  }

  #draw() {
    const { state } = this.#client;
    const { kind, sentence } = described(state);
    this.#element.dataset.kind = kind;
    this.#element.title = state.reason && kind !== "connected" ? state.reason : state.node.url;
    setText(this.#sentence, sentence);
    setText(this.#forgets, state.persistent ? "" : FORGETS);
    if (this.#icon !== kind) this.#sign.replaceChildren(icon((this.#icon = kind)));
    this.#now.hidden = state.retryAt === null || kind === "connected";
    this.#drawAside();
    clearInterval(this.#timer);
    if (state.retryAt !== null) this.#timer = setInterval(() => this.#drawAside(), TICK_MS);
  }

  #drawAside() {
    setText(this.#aside, aside(this.#client.state, this.#client.now?.() ?? Date.now()));
  }
}

/** The state as a sentence, with the kind of its sign. */
export function described(state) {
  const node = state.node.id ?? new URL(state.node.url).host;
  switch (state.status) {
    case "connected":
      return state.draining
        ? { kind: "moving", sentence: `${node} is stopping, moving on` }
        : { kind: "connected", sentence: `Connected to ${node}` };
    case "connecting":
      return { kind: "moving", sentence: `Connecting to ${node}` };
    case "reconnecting":
      return { kind: "moving", sentence: `Lost ${node}, reconnecting` };
    default:
      return { kind: "offline", sentence: state.retryAt === null && state.reason ? `Offline: ${state.reason}` : "Offline: no node answers" };
  }
}

function aside(state, now) {
  if (state.status === "connected") return state.roundTripMs === null ? "" : `${Math.max(1, Math.round(state.roundTripMs))} ms`;
  if (state.retryAt !== null) return `next try in ${Math.max(0, Math.ceil((state.retryAt - now) / 1000))} s`;
  return state.attempt > 1 ? `try ${state.attempt}` : "";
}
