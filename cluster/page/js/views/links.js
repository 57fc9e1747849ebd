// Addresses in a text become links; everything else stays text. Only http and https, so that no link runs anything.

import { h } from "./dom.js";

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`\u0000-\u001f\u202a-\u202e\u2066-\u2069]+/giu;
const TRAILING = /[.,;:!?)\]}…]+$/u;

/** The nodes of a text, with its addresses as links. */
export function linked(text) {
  const nodes = [];
  let done = 0;
  for (const found of text.matchAll(ADDRESS)) {
    const address = trimmed(found[0]);
    if (!safe(address)) continue;
    nodes.push(text.slice(done, found.index), link(address));
    done = found.index + address.length;
  }
  nodes.push(text.slice(done));
  return nodes.filter((node) => node !== "");
}

/** Punctuation behind an address belongs to the sentence, except a bracket that the address itself opened. */
function trimmed(address) {
  const tail = address.match(TRAILING)?.[0] ?? "";
  const kept = address.slice(0, address.length - tail.length);
  return tail.startsWith(")") && kept.includes("(") ? `${kept})` : kept;
}

function safe(address) {
  return URL.canParse(address) && ["http:", "https:"].includes(new URL(address).protocol);
}

function link(address) {
  return h("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow", text: address });
}
