// The page, once it is loaded (start.js): who one is, where one goes, and what is shown there.

import { placeOf, toRoom, userOf, withUser } from "./address.js";
import { ChatClient } from "./client.js";
import { Control } from "./control.js";
import { keep, kept, storage, tabStorage } from "./storage.js";
import { ChatView } from "./views/chat_view.js";
import { ClusterView } from "./views/cluster_view.js";
import { ConnectionBar } from "./views/connection_bar.js";
import { askName, nameForm, showHelp, tokenForm } from "./views/dialogs.js";
import { Drafts } from "./views/drafts.js";
import { Drawers } from "./views/drawers.js";
import { icon, setText } from "./views/dom.js";

const FIRST_ROOM = "lobby";
const COPIED_MS = 1_500; // So long a check says that the link is copied.
const NAME = "wordaround:user"; // The last name that was chosen in this browser.
const TOKEN = "wordaround:token"; // What the cluster wants to be told; as long as this tab.
const UNAUTHORIZED = 401;
const NO_CLIENT =
  "This node was installed without socket.io-client: install npm, run “make setup”, and start the node anew.";

const find = (id) => document.getElementById(id);

/** Begin; `io` is the official client's, or null where it was not installed. */
export function begin(io) {
  if (io === null) return refuse(NO_CLIENT);
  const user = userOf(location.search) ?? userOf(`?user=${encodeURIComponent(kept(storage(), NAME) ?? "")}`);
  if (user === null) welcome((name) => enter(io, name));
  else enter(io, user);
}

function refuse(sentence) {
  setText(find("refusal"), sentence);
  find("refusal").hidden = false;
}

function welcome(done) {
  const { form, field } = nameForm({ action: "Enter the chat", done });
  const place = placeOf(location.hash);
  setText(find("welcome-to"), place?.room ? `You are about to enter #${place.room}.` : "");
  find("welcome-form").replaceChildren(form);
  find("welcome").hidden = false;
  field.focus();
}

function enter(io, user) {
  keep(storage(), NAME, user);
  history.replaceState(null, "", `${withUser(location.search, user)}${location.hash}`);
  find("welcome").hidden = true;
  find("app").hidden = false;
  new Session(io, user, kept(tabStorage(), TOKEN) ?? undefined);
}

/** The cluster wants a token, and another one where there was one: with it the page is loaded anew. */
function askToken(wrong) {
  const { form, field } = tokenForm({
    wrong,
    done: (token) => {
      keep(tabStorage(), TOKEN, token);
      location.reload();
    },
  });
  setText(find("welcome-to"), "This cluster lets nobody in without its token.");
  find("welcome-form").replaceChildren(form);
  find("app").hidden = true;
  find("welcome").hidden = false;
  field.focus();
}

/** One user's stay on the page. Another name is another session, and loads the page anew. */
class Session {
  #io;
  #token;
  #client;
  #chat;
  #control = Control.reach(); // Now, while the node that the page came from is there.
  #cluster = null; // While one looks at it; it has connections of its own.
  #asked = false; // whether it was asked why it refuses
  #drawers = new Drawers(find("app"));

  constructor(io, user, token) {
    this.#io = io;
    this.#token = token;
    this.#client = new ChatClient({
      user, node: location.origin, io, token, storage: storage(), locks: navigator.locks,
    });
    this.#chat = new ChatView(find("chat"), this.#client, {
      drafts: new Drafts(storage(), user),
      go: (hash) => this.#go(hash),
      say: (text) => setText(find("announcer"), text),
    });
    new ConnectionBar(find("connection"), this.#client);
    setText(find("me"), user);
    this.#listen(user);
    this.#client.start();
    this.#route();
  }

  #listen(user) {
    this.#client.addEventListener("state", ({ detail }) => this.#refused(detail));
    addEventListener("hashchange", () => this.#route());
    addEventListener("pagehide", () => {
      this.#closeCluster();
      this.#client.close();
    });
    addEventListener("pageshow", (event) => event.persisted && location.reload()); // Its connection was closed.
    addEventListener("keydown", (event) => this.#pressed(event));
    find("rename").addEventListener("click", () => askName(user, rename));
    find("help").addEventListener("click", () => showHelp());
    find("copy").addEventListener("click", () => copyLink());
    find("copy").hidden = !navigator.clipboard; // Browsers have one only where the connection is theirs or secure.
    find("skip").addEventListener("click", () => this.#chat.focus());
  }

  /** Refused for good, perhaps for want of the token: that the node tells over HTTP, too. */
  async #refused({ status, retryAt, node }) {
    if (status !== "offline" || retryAt !== null || this.#asked) return;
    this.#asked = true;
    const headers = this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
    const answer = await fetch(`${node.url}/rooms`, { headers, cache: "no-store" }).catch(() => null);
    if (answer?.status !== UNAUTHORIZED) return;
    this.#client.close();
    askToken(this.#token !== undefined);
  }

  #go(hash) {
    this.#drawers.close();
    if (location.hash === hash) this.#route();
    else location.hash = hash;
  }

  #route() {
    const place = placeOf(location.hash);
    this.#closeCluster();
    this.#show(place?.view === "cluster" ? "cluster" : "chat");
    if (place?.view === "cluster") return this.#openCluster(place.room);
    if (place === null) {
      const room = this.#client.rooms.keys().next().value ?? FIRST_ROOM;
      history.replaceState(null, "", toRoom(room));
      return this.#route();
    }
    this.#chat.open(place);
    find("to-chat").href = location.hash;
  }

  #show(view) {
    find("app").dataset.view = view;
    find("chat").hidden = view !== "chat";
    find("cluster").hidden = view !== "cluster";
    for (const name of ["chat", "cluster"]) {
      if (name === view) find(`to-${name}`).setAttribute("aria-current", "page");
      else find(`to-${name}`).removeAttribute("aria-current");
    }
  }

  #openCluster(room) {
    document.title = "Cluster · WordAround";
    this.#cluster = new ClusterView({ client: this.#client, room, io: this.#io, control: this.#control, token: this.#token });
    find("cluster").append(this.#cluster.element);
    this.#cluster.start();
  }

  #closeCluster() {
    this.#cluster?.close();
    this.#cluster = null;
  }

  #pressed(event) {
    if (document.querySelector("dialog[open]")) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "k") this.#chat.joinRoom();
    else if ((event.ctrlKey || event.metaKey) && event.key === "/") showHelp();
    else if (event.altKey && event.key === "ArrowUp") this.#chat.step(-1);
    else if (event.altKey && event.key === "ArrowDown") this.#chat.step(1);
    else return;
    event.preventDefault();
  }
}

function rename(user) {
  keep(storage(), NAME, user);
  location.search = withUser(location.search, user);
}

/** A link for others: without one's own name. */
async function copyLink() {
  const link = `${location.origin}${location.pathname}${withUser(location.search, null)}${location.hash}`;
  await navigator.clipboard.writeText(link);
  setText(find("announcer"), "The link to this room is copied.");
  find("copy").replaceChildren(icon("check"));
  setTimeout(() => find("copy").replaceChildren(icon("link")), COPIED_MS);
}
