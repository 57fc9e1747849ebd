// Who is in a room, with their state in words. A person opens the conversation with them.

import { h, icon } from "./dom.js";
import { counted } from "./format.js";
import { badge } from "./message_row.js";

export class People {
  #client;
  #room;
  #onPerson;
  #element;
  #drawn = "";
  #scheduled = 0;
  #stop = new AbortController();

  /** Show a room's people in an element, until `destroy`; `onPerson(user)` is called for the one that is chosen. */
  constructor(element, client, room, { onPerson }) {
    this.#client = client;
    this.#room = room;
    this.#onPerson = onPerson;
    this.#element = element;
    const { signal } = this.#stop;
    client.addEventListener("room", (event) => this.#changed(event), { signal });
    element.addEventListener("click", (event) => this.#clicked(event), { signal });
    this.#draw();
  }

  destroy() {
    this.#stop.abort();
    cancelAnimationFrame(this.#scheduled);
    this.#element.replaceChildren();
  }

  #changed(event) {
    if (event.detail?.room !== undefined && event.detail.room !== this.#room) return;
    this.#scheduled ||= requestAnimationFrame(() => {
      this.#scheduled = 0;
      this.#draw();
    });
  }

  #draw() {
    const room = this.#client.rooms.get(this.#room);
    const people = [...(room?.people ?? [])].sort((a, b) => a.user.localeCompare(b.user));
    const typing = new Set(room?.typing ?? []);
    const sign = JSON.stringify([people, [...typing]]);
    if (sign === this.#drawn) return;
    this.#drawn = sign;
    const focused = document.activeElement?.closest("[data-user]")?.dataset.user;
    this.#element.replaceChildren(
      h("div", { class: "group-head" }, h("h2", { text: counted(people.length, "person", "people") })),
      h("ul", {}, ...people.map((person) => h("li", {}, this.#person(person, typing.has(person.user))))),
    );
    if (focused) this.#element.querySelector(`[data-user="${CSS.escape(focused)}"]`)?.focus();
  }

  #person({ user, node, state }, typing) {
    const own = user === this.#client.user;
    const lost = state === "lost";
    const what = lost ? `Lost with ${node}, may be back` : typing ? "Writing…" : `On ${node}`;
    return h(
      own ? "div" : "button",
      {
        class: `person ${lost ? "lost" : "online"}`,
        title: own ? null : lost
          ? `${user}'s node ${node} does not answer. Who is not back in a few seconds leaves this list.`
          : `Write to ${user}`,
        data: { user },
      },
      badge(user),
      h("span", { class: "who" }, h("bdi", { class: "name", text: user }), own ? h("span", { class: "you", text: "you" }) : null, h("span", { class: "state" }, icon(lost ? "lost" : "online"), what)),
    );
  }

  #clicked(event) {
    const button = event.target.closest("button[data-user]");
    if (button) this.#onPerson(button.dataset.user);
  }
}
