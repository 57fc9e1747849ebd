// The chat: rooms on the left, one conversation in the middle, its people on the right; on a phone the outer two
// are drawers. The parts are the other views; what is here is how they fit together.

import { toPerson, toRoom } from "../address.js";
import { Composer } from "./composer.js";
import { askLeave, askRoom } from "./dialogs.js";
import { setText } from "./dom.js";
import { counted, names } from "./format.js";
import { MessageLog } from "./message_log.js";
import { People } from "./people.js";
import { RoomList } from "./room_list.js";

const DIRECTORY_MS = 5_000; // How old the list of the cluster's rooms may be.
const COARSE = "(pointer: coarse)"; // Where there is a keyboard on glass, it comes only when asked for.

export class ChatView {
  #client;
  #drafts;
  #go;
  #say;
  #find;
  #rooms;
  #open = null; // The room that is open, with its views.
  #timer = 0;
  #stop = new AbortController();

  /**
   * Bring the elements of `element` to life. `go(hash)` changes the place, `say(text)` tells a screen reader.
   */
  constructor(element, client, { drafts, go, say }) {
    this.#client = client;
    this.#drafts = drafts;
    this.#go = go;
    this.#say = say;
    this.#find = (name) => element.querySelector(`[data-part="${name}"]`);
    this.#rooms = new RoomList(this.#find("rooms"), client, {
      onOpen: (room) => go(toRoom(room)),
      onDirect: (user) => go(toPerson(user)),
      onNew: () => this.joinRoom(),
    });
    const { signal } = this.#stop;
    client.addEventListener("room", ({ detail }) => this.#changed(detail), { signal });
    client.addEventListener("rooms", () => this.#drawTitle(), { signal });
    client.addEventListener("state", () => this.#refresh(), { signal });
    this.#find("leave").addEventListener("click", () => this.#leave(), { signal });
    element.addEventListener("jump", ({ detail }) => this.#open?.log.jumpTo(detail), { signal });
    element.addEventListener("keydown", (event) => this.#pressed(event), { signal });
  }

  destroy() {
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.#close();
    this.#rooms.destroy();
  }

  /** Show a place of the address: `{view: "room", room}` or `{view: "with", user}`. */
  open(place) {
    const room = place.view === "with" ? this.#client.openDirect(place.user) : this.#client.join(place.room);
    if (this.#open?.room !== room) this.#show(room);
    this.focus();
  }

  /** Put the focus where one writes. */
  focus() {
    if (!matchMedia(COARSE).matches) this.#open?.composer.focus();
  }

  /** Ask for a room and go there. */
  joinRoom() {
    this.#refresh();
    const known = this.#client.directory.map(({ name }) => name);
    askRoom(known, (room) => this.#go(toRoom(room)));
  }

  /** Go to the room above (-1) or below (1) in the list. */
  step(by) {
    const links = [...this.#find("rooms").querySelectorAll("a.room:not(.other)")];
    const at = links.findIndex((link) => link.getAttribute("aria-current") === "page");
    links.at((at + by + links.length) % links.length)?.click();
  }

  #show(room) {
    this.#close();
    this.#client.look(room.name);
    const title = titleOf(room);
    const composer = new Composer(this.#find("composer"), this.#client, room.name, {
      drafts: this.#drafts,
      label: `Message ${title}`,
      onSend: () => this.#open.log.toLatest({ smooth: false }), // Who sends wants to see it.
    });
    const log = new MessageLog(this.#find("log"), this.#client, room.name, {
      label: `Messages in ${title}`,
      onReply: (message) => composer.replyTo(message),
    });
    const people = new People(this.#find("people"), this.#client, room.name, {
      onPerson: (user) => this.#go(toPerson(user)),
    });
    this.#open = { room, log, composer, people };
    this.#rooms.current = room.name;
    setText(this.#find("title"), title);
    this.#find("title").classList.toggle("direct", Boolean(room.direct));
    this.#drawTitle();
    this.#drawTyping();
  }

  #close() {
    for (const view of ["log", "composer", "people"]) this.#open?.[view].destroy();
    this.#open = null;
  }

  /** Leave the open room; what is not sent yet would be lost, so that one is asked. */
  #leave() {
    const { room } = this.#open ?? {};
    if (!room) return;
    if (room.pending.length === 0) this.#leaveForGood(room);
    else askLeave(titleOf(room), room.pending.length, () => this.#leaveForGood(room));
  }

  #leaveForGood(room) {
    if (room !== this.#open?.room) return;
    const other = [...this.#client.rooms.values()].find((each) => each !== room);
    this.#client.leave(room.name);
    this.#close();
    this.#go(other ? (other.direct ? toPerson(other.direct) : toRoom(other.name)) : "#/");
  }

  #changed({ room, what }) {
    if (what.has("unread")) this.#drawTitle();
    if (room !== this.#open?.room.name) return;
    if (what.has("typing")) this.#drawTyping();
    if (what.has("dividers")) this.#tellDivider();
  }

  /** The tab's title: what is unread, and where one is. */
  #drawTitle() {
    const unread = [...this.#client.rooms.values()].reduce((sum, room) => sum + room.unread, 0);
    const where = this.#open ? `${titleOf(this.#open.room)} · ` : "";
    document.title = `${unread ? `(${unread}) ` : ""}${where}WordAround`;
  }

  #drawTyping() {
    const typing = this.#open?.room.typing ?? [];
    const text = typing.length === 0 ? "" : `${names(typing)} ${typing.length === 1 ? "is" : "are"} writing…`;
    setText(this.#find("typing"), text);
  }

  #tellDivider() {
    const last = this.#open.room.dividers.at(-1);
    if (last?.kind === "caught-up") this.#say(`Caught up ${counted(last.count, "message")}.`);
    else if (last) this.#say("There is a gap in the history.");
  }

  #refresh() {
    if (this.#client.state.status !== "connected" || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
    }, DIRECTORY_MS);
    this.#client.refreshRooms().catch(() => {}); // The list of other rooms is a convenience; the connection has its own words.
  }

  #pressed(event) {
    if (event.key === "Escape" && !event.defaultPrevented) this.focus();
  }
}

export const titleOf = (room) => room.direct ?? `#${room.name}`;
