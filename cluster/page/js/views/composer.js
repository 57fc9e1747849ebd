// Where one writes. Sending never waits for the connection: what is written offline is pending until it is back.

import { LONGEST_TEXT_BYTES } from "../names.js";
import { h, icon, setText } from "./dom.js";
import { bytes, counted } from "./format.js";
import { quote } from "./message_row.js";

const TELL_FROM_BYTES = LONGEST_TEXT_BYTES - 1024; // From here on one is told how much room is left.
const MOST_PX = 180;

export class Composer {
  #client;
  #room;
  #drafts;
  #onSend;
  #field;
  #button;
  #answering = h("div", { class: "answering", hidden: true });
  #limit = h("p", { class: "limit", role: "status" });
  #replyTo = null;
  #stop = new AbortController();

  /**
   * Write into a room, until `destroy`. `drafts` keeps what is not sent yet; `onSend()` is called after sending.
   */
  constructor(element, client, room, { drafts = null, onSend = () => {}, label = `Message ${room}` } = {}) {
    this.#client = client;
    this.#room = room;
    this.#drafts = drafts;
    this.#onSend = onSend;
    this.#field = h("textarea", { rows: "1", dir: "auto", "aria-label": label, placeholder: label, enterkeyhint: "send", spellcheck: "true" });
    this.#button = h("button", { class: "send", type: "submit", "aria-label": "Send", title: "Send (Enter)", disabled: true }, icon("send"));
    this.element = h("form", { class: "composer" }, this.#answering, h("div", { class: "field" }, this.#field, this.#button), this.#limit);
    element.append(this.element);
    this.#listen();
    const draft = drafts?.read(room) ?? { text: "", replyTo: null };
    this.#field.value = draft.text;
    this.#answer(draft.replyTo);
    this.#written();
  }

  destroy() {
    this.#keep();
    this.#client.setTyping(this.#room, false);
    this.#stop.abort();
    this.element.remove();
  }

  focus() {
    this.#field.focus();
  }

  /** Answer a message with what is written next. */
  replyTo(message) {
    this.#answer({ epoch: message.epoch, seq: message.seq });
    this.#keep();
    this.focus();
  }

  #listen() {
    const { signal } = this.#stop;
    this.element.addEventListener("submit", (event) => { event.preventDefault(); this.#send(); }, { signal });
    this.#field.addEventListener("input", () => this.#typed(), { signal });
    this.#field.addEventListener("keydown", (event) => this.#pressed(event), { signal });
    this.#answering.addEventListener("click", (event) => this.#clicked(event), { signal });
    addEventListener("pagehide", () => this.#keep(), { signal });
  }

  /** Enter sends and Shift+Enter breaks the line; while an input method composes, Enter is its own. */
  #pressed(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.#send();
    } else if (event.key === "Escape" && this.#replyTo) {
      event.stopPropagation();
      this.#answer(null);
      this.#keep();
    }
  }

  #clicked(event) {
    if (event.target.closest(".cancel")) {
      this.#answer(null);
      this.#keep();
      this.focus();
    } else if (event.target.closest("[data-act=jump]")) {
      this.element.dispatchEvent(new CustomEvent("jump", { detail: this.#replyTo, bubbles: true }));
    }
  }

  #typed() {
    this.#written();
    this.#keep();
    this.#client.setTyping(this.#room, this.#field.value.trim() !== "");
  }

  #send() {
    const text = this.#field.value.trim();
    if (text === "" || bytes(text) > LONGEST_TEXT_BYTES) return;
    const replyTo = this.#replyTo;
    this.#field.value = "";
    this.#answer(null);
    this.#written();
    this.#keep();
    this.#client.setTyping(this.#room, false);
    this.#client.send(this.#room, text, { replyTo });
    this.#onSend();
  }

  #keep() {
    this.#drafts?.write(this.#room, { text: this.#field.value, replyTo: this.#replyTo });
  }

  #answer(place) {
    this.#replyTo = place;
    this.#answering.hidden = place === null;
    if (place === null) return this.#answering.replaceChildren();
    const original = (at) =>
      this.#client.rooms.get(this.#room)?.messages.find((m) => m.seq === at.seq && m.epoch === at.epoch) ?? null;
    const cancel = h("button", { type: "button", class: "quiet cancel", "aria-label": "Do not reply", title: "Do not reply (Escape)" }, icon("close"));
    const quoted = quote(place, original);
    quoted.type = "button";
    this.#answering.replaceChildren(h("span", { class: "what", text: "Replying to" }), quoted, cancel);
  }

  #written() {
    const text = this.#field.value.trim();
    const size = bytes(text);
    const over = size - LONGEST_TEXT_BYTES;
    this.#button.disabled = text === "" || over > 0;
    this.element.classList.toggle("over", over > 0);
    setText(this.#limit, over > 0 ? `Too long by ${counted(over, "byte")}` : size > TELL_FROM_BYTES ? `${counted(-over, "byte")} left` : "");
    this.#field.style.height = "auto";
    this.#field.style.height = `${Math.min(this.#field.scrollHeight, MOST_PX)}px`;
  }
}
