// One pane: a connection of its own to one node, which it never leaves, and what came of a room through it.

import { ChatClient } from "../client.js";
import { h, reconcile, setText } from "./dom.js";

const SHOWN = 40; // messages of its log; what is older is in the chat
const CELLS = 32; // positions of its tape
const AT_END_PX = 24;
const LONGEST_USER = 64; // characters, not halves of one

/** A pane. It is told what the others have by `draw(inStep)`, and tells by `onChange(pane)` when it has changed. */
export class Pane {
  #client;
  #room;
  #rows = new Map();
  #parts;

  constructor({ node, url, user, room, io, token, onChange }) {
    this.node = node;
    this.#client = new ChatClient({ user: paneUser(user, node), node: url, io, token, fixed: true });
    this.#room = this.#client.join(room);
    this.#build();
    this.#client.addEventListener("state", () => onChange(this));
    this.#client.addEventListener("room", ({ detail }) => {
      if (detail.room === this.#room.name) onChange(this);
    });
  }

  get element() {
    return this.#parts.pane;
  }

  /** Up to which position it has everything. */
  get head() {
    return this.#room.head;
  }

  get connected() {
    return this.#client.state.status === "connected" && this.#room.joined;
  }

  /** Own messages that are on their way. */
  get waiting() {
    return this.#room.pending.length;
  }

  /** Whether its newest message came live, not by a resume. */
  get live() {
    return this.connected && !this.#caughtUp(this.head);
  }

  start() {
    this.#client.start();
  }

  /** Try now, rather than when it is due. */
  retry() {
    if (this.#client.state.retryAt !== null) this.#client.reconnect();
  }

  send(text) {
    this.#client.send(this.#room.name, text);
  }

  close() {
    this.#client.close();
    this.element.remove();
  }

  /** Show what is known now; `inStep` knows of the other panes, `slot` is what stands in the pane's upper corner. */
  draw(inStep) {
    const lag = inStep.behind(this.node);
    const { kind, word, detail } = this.#words(lag, inStep.delay(this.node));
    this.element.dataset.kind = kind;
    setText(this.#parts.state, word);
    setText(this.#parts.detail, detail);
    setText(this.#parts.head, this.head ? `#${this.head}` : "–");
    setText(this.#parts.lag, `${lag} behind`);
    this.#parts.lag.classList.toggle("some", lag > 0);
    setText(this.#parts.waiting, this.waiting ? `${this.waiting} of its own waiting` : "");
    this.#drawTape(inStep.furthest);
    this.#drawLog();
  }

  #words(lag, delay) {
    const { status, retryAt, reason, attempt } = this.#client.state;
    if (status === "connected" && !this.#room.joined) return { kind: "warn", word: "Joining", detail: "resuming from its cursor" };
    if (status === "connected") {
      const usual = usually(delay);
      return lag ? { kind: "warn", word: "Catching up", detail: usual } : { kind: "good", word: "In step", detail: usual };
    }
    if (attempt === 0 && status === "connecting") return { kind: "warn", word: "Connecting", detail: "" };
    const seconds = retryAt === null ? null : Math.max(0, Math.ceil((retryAt - this.#client.now()) / 1000));
    const next = seconds === null ? "trying now" : seconds ? `next try in ${seconds} s` : "trying now";
    return { kind: "down", word: "No connection", detail: `${reason ? `${reason} ` : ""}It stays with its node: ${next}` };
  }

  #build() {
    const part = (tag, name, properties = {}) => h(tag, { class: `mirror-${name}`, ...properties });
    const title = h("h3", { class: "mirror-name", id: `mirror-${this.node}`, text: this.node });
    const input = h("input", {
      class: "mirror-input", name: "text", required: true, autocomplete: "off", maxlength: 2000,
      "aria-label": `Message, sent through ${this.node}`, placeholder: `Say it through ${this.node}`,
    });
    this.#parts = {
      state: part("p", "state", { role: "status" }), detail: part("p", "detail"), head: part("span", "head"),
      lag: part("span", "lag"), waiting: part("span", "waiting"),
      corner: part("div", "corner"), tape: part("div", "tape", { "aria-hidden": "true" }),
      log: part("div", "log", {
        role: "log", "aria-live": "off", "aria-label": `Messages as ${this.node} delivers them`, tabindex: 0,
      }),
    };
    const { state, detail, head, lag, waiting, corner, tape, log } = this.#parts;
    tape.append(...Array.from({ length: CELLS }, () => h("i")));
    const write = h("form", { class: "mirror-write" }, input, h("button", { class: "plain", text: "Send" }));
    write.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = input.value.trim();
      if (text) this.send(text);
      write.reset();
    });
    this.#parts.pane = h(
      "section", { class: "mirror", "aria-labelledby": title.id, data: { node: this.node } },
      h("header", { class: "mirror-top" }, title, h("span", { class: "mirror-user", text: this.#client.user }), corner),
      h("div", { class: "mirror-said" }, state, detail),
      h("p", { class: "mirror-figures" }, head, lag, waiting), tape, log, write,
    );
  }

  /** Where the buttons for the pane's node stand. */
  get corner() {
    return this.#parts.corner;
  }

  /** A cell for each of the newest positions of the room: had or not, live or caught up. */
  #drawTape(furthest) {
    const first = Math.max(1, furthest - CELLS + 1);
    [...this.#parts.tape.children].forEach((cell, index) => {
      const position = first + index;
      const had = position <= this.head;
      const caught = had && this.#caughtUp(position);
      const kind = position > furthest ? "none" : !had ? "missing" : caught ? "caught" : "had";
      if (cell.className !== kind) cell.className = kind;
    });
  }

  /** Whether a position came by a resume. */
  #caughtUp(position) {
    return this.#room.dividers.some(
      ({ kind, afterSeq, count }) => kind === "caught-up" && afterSeq < position && position <= afterSeq + count,
    );
  }

  #drawLog() {
    const log = this.#parts.log;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < AT_END_PX;
    this.#rows = reconcile(log, this.#lines(), this.#rows, (line) => line.make());
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  #lines() {
    const messages = this.#room.messages.slice(-SHOWN);
    const first = messages[0]?.seq ?? 0;
    const lines = [];
    const dividers = this.#room.dividers.filter((divider) => divider.afterSeq >= first - 1);
    for (const divider of dividers) if (divider.afterSeq < first) lines.push(dividerLine(divider));
    for (const message of messages) {
      lines.push(messageLine(message));
      for (const divider of dividers) if (divider.afterSeq === message.seq) lines.push(dividerLine(divider));
    }
    lines.push(...this.#room.pending.map(pendingLine));
    return lines;
  }
}

/** The name under which a pane speaks: at most 64 whole characters, and always with the node's behind it. */
export function paneUser(user, node) {
  const behind = [..."@", ...node];
  return [...[...user].slice(0, Math.max(1, LONGEST_USER - behind.length)), ...behind].slice(0, LONGEST_USER).join("");
}

function messageLine({ epoch, seq, user, text }) {
  return {
    key: `${epoch}/${seq}`, sign: "",
    make: () => h("div", { class: "line" }, h("span", { class: "line-seq", text: seq }), h("span", {}, h("b", { text: user }), " ", text)),
  };
}

function pendingLine({ key, text, state, error }) {
  const word = state === "failed" ? `failed: ${error?.message ?? "unknown"}` : state === "committed" ? "committed" : "waiting";
  return {
    key, sign: state,
    make: () => h("div", { class: `line line-${state}` }, h("span", { class: "line-seq", text: "·" }), h("span", {}, text, " ", h("em", { text: word }))),
  };
}

function dividerLine({ afterSeq, kind, count }) {
  const text = kind === "gap" ? "History gap" : `Caught up ${count} message${count === 1 ? "" : "s"}`;
  return { key: `divider/${afterSeq}/${kind}`, sign: text, make: () => h("div", { class: `line-divider ${kind}`, text }) };
}

function usually(delay) {
  if (delay === null) return "";
  if (delay < 0.1) return "usually among the first to deliver";
  return `usually ${delay < 10 ? delay.toFixed(1) : Math.round(delay)} ms after the first`;
}
