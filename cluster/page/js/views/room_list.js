// The rooms that one is in, with what is unread; conversations with one person; and the cluster's other rooms.

import { h, icon } from "./dom.js";
import { count, counted } from "./format.js";
import { badge } from "./message_row.js";

const MOST_UNREAD = 99;
const OTHERS_SHOWN = 30;

export class RoomList {
  #client;
  #current = null;
  #onOpen;
  #onDirect;
  #onNew;
  #drawn = "";
  #element;
  #scheduled = 0;
  #stop = new AbortController();

  /** `onOpen(room)` opens a room by its name, `onDirect(user)` a conversation, `onNew()` asks for a room's name. */
  constructor(element, client, { onOpen, onDirect, onNew }) {
    this.#client = client;
    this.#onOpen = onOpen;
    this.#onDirect = onDirect;
    this.#onNew = onNew;
    this.#element = element;
    const { signal } = this.#stop;
    client.addEventListener("rooms", () => this.#changed(), { signal });
    client.addEventListener("room", () => this.#changed(), { signal });
    element.addEventListener("click", (event) => this.#clicked(event), { signal });
    this.#draw();
  }

  destroy() {
    this.#stop.abort();
    cancelAnimationFrame(this.#scheduled);
    this.#element.replaceChildren();
  }

  /** Mark a room as the one that is open. */
  set current(room) {
    this.#current = room;
    this.#draw();
  }

  #changed() {
    this.#scheduled ||= requestAnimationFrame(() => {
      this.#scheduled = 0;
      this.#draw();
    });
  }

  /** Drawn only where something it shows has changed, and with the focus where it was. */
  #draw() {
    const { rooms, directs, others } = this.#lists();
    const sign = JSON.stringify([this.#current, rooms, directs, others]);
    if (sign === this.#drawn) return;
    this.#drawn = sign;
    const focused = document.activeElement?.closest("[data-room]")?.dataset.room;
    this.#element.replaceChildren(
      this.#group("Rooms", rooms, h("button", { class: "quiet", data: { act: "new" }, "aria-label": "Join or create a room", title: "Join or create a room (Ctrl + K)" }, icon("plus"))),
      ...(directs.length ? [this.#group("Direct messages", directs)] : []),
      ...(others.length ? [this.#group("Other rooms", others)] : []),
    );
    if (focused) this.#element.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
  }

  #lists() {
    const mine = [...this.#client.rooms.values()].map(({ name, direct, unread }) => ({ name, direct, unread, mine: true }));
    const byName = (a, b) => a.name.localeCompare(b.name);
    const others = (this.#client.directory ?? [])
      .filter(({ name }) => !this.#client.rooms.has(name))
      .map(({ name, unread }) => ({ name, direct: null, unread: unread ?? 0, mine: false }))
      .sort(byName)
      .slice(0, OTHERS_SHOWN);
    return {
      rooms: mine.filter((room) => !room.direct).sort(byName),
      directs: mine.filter((room) => room.direct).sort((a, b) => a.direct.localeCompare(b.direct)),
      others,
    };
  }

  #group(title, rooms, action = null) {
    return h(
      "section",
      { class: "group" },
      h("div", { class: "group-head" }, h("h2", { text: title }), action),
      h("ul", {}, ...rooms.map((room) => h("li", {}, this.#item(room)))),
    );
  }

  #item({ name, direct, unread, mine }) {
    const current = name === this.#current;
    return h(
      "a",
      {
        href: direct ? `#/with/${encodeURIComponent(direct)}` : `#/room/${encodeURIComponent(name)}`,
        class: `room${unread > 0 && !current ? " unread" : ""}${mine ? "" : " other"}`,
        "aria-current": current ? "page" : null,
        data: { room: name, ...(direct && { direct }) },
      },
      direct ? badge(direct, "small") : h("span", { class: "hash", "aria-hidden": "true", text: "#" }),
      h("bdi", { class: "name", text: direct ?? name }),
      unread > 0 && !current
        ? h("span", { class: "count" }, h("span", { "aria-hidden": "true", text: unread > MOST_UNREAD ? `${MOST_UNREAD}+` : count(unread) }), h("span", { class: "visually-hidden", text: counted(unread, "unread message") }))
        : null,
    );
  }

  #clicked(event) {
    if (event.target.closest("[data-act=new]")) return this.#onNew();
    const link = event.target.closest("[data-room]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return; // A link of its own tab stays one.
    event.preventDefault();
    if (link.dataset.direct) this.#onDirect(link.dataset.direct);
    else this.#onOpen(link.dataset.room);
  }
}
