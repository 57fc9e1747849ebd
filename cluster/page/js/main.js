/** The page: one room, as thin as it can be. */

import { io } from "../vendor/socket.io.esm.min.js";
import { ChatClient } from "./client.js";

const ROOM = "lobby";
const find = (id) => document.getElementById(id);

function enter(user) {
  const client = new ChatClient({ user, node: location.origin, io, storage: localStorage });
  const room = client.join(ROOM);
  client.addEventListener("state", ({ detail }) => {
    find("status").textContent = `${detail.status}, ${detail.node.id ?? detail.node.url}`;
  });
  client.addEventListener("room", () => {
    find("messages").replaceChildren(...room.messages.map(line));
  });
  find("write").addEventListener("submit", (event) => {
    event.preventDefault();
    client.send(ROOM, event.target.text.value);
    event.target.reset();
  });
  addEventListener("pagehide", () => client.close());
  find("enter").hidden = true;
  find("chat").hidden = false;
  client.start();
}

function line(message) {
  const item = document.createElement("li");
  item.textContent = `${message.user}: ${message.text}`;
  return item;
}

if (io === null) {
  find("status").textContent =
    "This node was installed without socket.io-client: install npm, run `make setup`, and start the node anew.";
} else {
  find("enter").addEventListener("submit", (event) => {
    event.preventDefault();
    enter(event.target.user.value);
  });
}
