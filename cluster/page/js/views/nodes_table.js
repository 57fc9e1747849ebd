// The nodes in a table: what each says of itself, and what its peers say of it.

import { roundTrip, stateOf } from "../cluster.js";
import { h, setText } from "./dom.js";

const COLUMNS = [
  ["Node", ({ name, url, here }) => [
    h("b", { text: name }), h("span", { class: "node-url", text: host(url) }), ...(here ? [h("span", { class: "here", text: "serves you" })] : []),
  ]],
  ["State", (node) => [chip(node)]],
  ["Peers say", (node) => [peersSay(node)]],
  ["Tail lag", ({ lag }) => [lag === null ? "–" : `${lag} ${lag === 1 ? "entry" : "entries"}`]],
  ["Round trip", (node) => [milliseconds(roundTrip(node))]],
  ["Connections", ({ connections }) => [connections === null ? "–" : String(connections)]],
  ["Redis", ({ redis }) => [redis === null ? "–" : redis.up ? "reachable" : `lost: ${redis.reason}`]],
];

/** The table; `withControl` adds a column, and `fill(name, slot)` puts buttons there. */
export class NodesTable {
  #heads = h("tr", { role: "row" }, ...COLUMNS.map(([text]) => head(text)));
  #body = h("tbody", { role: "rowgroup" });
  #rows = new Map();
  #fill = null;

  constructor() {
    // Roles are told again, since narrow screens show rows as cards, and browsers then forget that it is a table.
    this.element = h(
      "table", { class: "nodes", role: "table" },
      h("caption", { class: "visually-hidden", text: "The nodes, by their own word and by that of their peers" }),
      h("thead", { role: "rowgroup" }, this.#heads), this.#body,
    );
  }

  withControl(fill) {
    this.#fill = fill;
    this.#heads.append(h("th", { role: "columnheader", scope: "col", class: "node-control", text: "Control" }));
    for (const [name, row] of this.#rows) this.#addControl(name, row);
  }

  /** Show nodes, in their order; `here` is the one that serves this page's user. */
  draw(nodes, here) {
    nodes.forEach((node, index) => {
      const row = this.#row(node.name);
      if (this.#body.children[index] !== row.element) this.#body.insertBefore(row.element, this.#body.children[index] ?? null);
      row.element.dataset.kind = stateOf(node).kind;
      COLUMNS.forEach(([, cells], column) => fillCell(row.cells[column], cells({ ...node, here: node.name === here })));
    });
  }

  /** A row of its own for a member that is no node, with its state alone. */
  drawMember(name, state) {
    const row = this.#row(name);
    if (row.element !== this.#body.lastElementChild) this.#body.append(row.element);
    row.element.dataset.kind = state === "ready" ? "good" : state === "down" ? "down" : "warn";
    fillCell(row.cells[0], [h("b", { text: name })]);
    fillCell(row.cells[1], [h("span", { class: "chip", text: state })]);
  }

  #row(name) {
    let row = this.#rows.get(name);
    if (!row) {
      const cells = COLUMNS.map(([text], column) =>
        column ? h("td", { role: "cell", data: { label: text } }) : h("th", { role: "rowheader", scope: "row" }));
      row = { cells, element: h("tr", { role: "row", data: { node: name } }, ...cells) };
      this.#rows.set(name, row);
      this.#addControl(name, row);
    }
    return row;
  }

  #addControl(name, row) {
    if (!this.#fill) return;
    const slot = h("td", { role: "cell", class: "node-control", data: { label: "Control" } });
    row.element.append(slot);
    this.#fill(name, slot);
  }
}

const head = (text) => h("th", { role: "columnheader", scope: "col", text });

function chip(node) {
  const { kind, word } = stateOf(node);
  return h("span", { class: "chip", data: { kind }, text: word });
}

/** "alive", where all agree; else who says what. */
function peersSay({ heard }) {
  const said = [...heard].map(([by, { state }]) => [by, state]).sort(([a], [b]) => a.localeCompare(b));
  if (!said.length) return "–";
  if (said.every(([, state]) => state === said[0][1])) return said[0][1];
  return said.map(([by, state]) => `${by}: ${state}`).join(", ");
}

const milliseconds = (ms) => (ms === null ? "–" : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`);
const host = (url) => url.replace(/^https?:\/\//, "");

/** Write only what has changed: nobody's selection or reading place is lost to a refresh. */
function fillCell(cell, children) {
  const text = children.map((child) => (typeof child === "string" ? child : child.outerHTML)).join("");
  if (cell.dataset.shown === text) return;
  cell.dataset.shown = text;
  if (children.length === 1 && typeof children[0] === "string") setText(cell, children[0]);
  else cell.replaceChildren(...children);
}
