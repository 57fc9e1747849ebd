// The cluster view: every node with its figures, buttons where somebody kills and restarts members, and the panes.

import { Cluster, stateOf } from "../cluster.js";
import { h, setText } from "./dom.js";
import { MemberButtons } from "./member_buttons.js";
import { NodesTable } from "./nodes_table.js";
import { Panes } from "./panes.js";

/**
 * The view: append `element`, call `start()`, and `close()` when it is left. `client` is the page's own client, which is
 * told of changes at once; `room` is what the panes show, `io` the official client with which they connect, and
 * `control` a promise of what kills and restarts members, or of null.
 */
export class ClusterView {
  #client;
  #control;
  #cluster;
  #table = new NodesTable();
  #panes;
  #buttons = null;
  #corners = new Map();
  #closed = false;
  #summary = h("p", { class: "cluster-summary", role: "status" });
  #spoken = h("p", { class: "visually-hidden", role: "status" });
  #problem = h("p", { class: "cluster-problem", role: "alert" });

  constructor({ client, room, io, control, token, home = location.origin }) {
    this.#client = client;
    this.#control = control;
    this.#cluster = new Cluster(home);
    this.#panes = new Panes({
      room, io, token, user: client.user,
      decorate: (name, corner) => this.#decorate(name, corner),
    });
    this.element = h(
      "div", { class: "cluster" },
      h("section", { class: "nodes-place", "aria-labelledby": "cluster-title" }, h("header", { class: "cluster-top" }, h("h2", { id: "cluster-title", text: "Cluster" }), this.#summary),
        this.#table.element, this.#problem),
      this.#panes.element, this.#spoken,
    );
  }

  async start() {
    this.#cluster.addEventListener("change", this.#onChange);
    this.#client.addEventListener("state", this.#onState);
    this.#onState();
    this.#cluster.start();
    this.#panes.start();
    document.addEventListener("visibilitychange", this.#onVisible);
    const control = await this.#control;
    if (control && !this.#closed) this.#giveButtons(control);
  }

  close() {
    this.#closed = true;
    document.removeEventListener("visibilitychange", this.#onVisible);
    this.#buttons?.stop();
    this.#cluster.stop();
    this.#cluster.removeEventListener("change", this.#onChange);
    this.#client.removeEventListener("state", this.#onState);
    this.#panes.close();
    this.element.remove();
  }

  #giveButtons(control) {
    const fail = (text) => setText(this.#problem, text);
    const say = (text) => setText(this.#spoken, text);
    this.#buttons = new MemberButtons(control, { say, fail, changed: (names) => this.#onMembers(names) });
    this.#table.withControl((name, slot) => this.#buttons.fill(name, slot));
    for (const [name, corner] of this.#corners) this.#buttons.fill(name, corner);
    this.#buttons.start();
  }

  #decorate(name, corner) {
    this.#corners.set(name, corner);
    this.#buttons?.fill(name, corner);
  }

  /** Nobody is asked while nobody looks. */
  #onVisible = () => {
    if (document.hidden) {
      this.#cluster.stop();
      this.#buttons?.stop();
    } else {
      this.#cluster.start();
      this.#buttons?.start();
    }
  };

  #onState = () => {
    const { node, peers, draining } = this.#client.state;
    if (!node.id) return;
    const said = peers.map(({ id, url, state }) => ({ server_id: id, url, state }));
    this.#cluster.told({ server_id: node.id, draining, peers: said }, node.url);
  };

  #onChange = () => {
    const nodes = this.#cluster.nodes;
    this.#table.draw(nodes, this.#client.state.node.id);
    this.#panes.show(nodes);
    setText(this.#summary, summary(nodes));
  };

  #onMembers(names) {
    for (const name of names) {
      const { role, state } = this.#buttons.states.get(name);
      if (role !== "node") this.#table.drawMember(name, state);
      else this.#cluster.lookAt(name);
      if (state === "ready") this.#panes.hurry(name);
    }
  }
}

function summary(nodes) {
  const serving = nodes.filter((node) => stateOf(node).kind === "good").length;
  const other = nodes.filter((node) => !["good", "unknown"].includes(stateOf(node).kind));
  const rest = other.map((node) => `${node.name} is ${stateOf(node).word}`).join(", ");
  return `${serving} of ${nodes.length} nodes serving${rest ? `: ${rest}` : ""}.`;
}
