// The elements of a log's rows. One function for each kind of row.

import { clock, counted, hue, initials, moment, names } from "./format.js";
import { h, icon } from "./dom.js";
import { linked } from "./links.js";

const QUOTE_CHARACTERS = 140;
const READERS_SHOWN = 4;

/** Build a row's element. `original(place)` finds the message that one answers, or null where it is not loaded. */
export function rowElement(row, original) {
  switch (row.kind) {
    case "day":
      return h("div", { class: "row day" }, h("h3", { text: row.name }));
    case "fresh":
      return h("div", { class: "row divider fresh" }, h("span", { text: "New" }));
    case "caught-up":
      return divider("caught-up", "check", `Caught up ${counted(row.divider.count, "message")}`);
    case "gap":
      return divider("gap", "gap", gapSentence(row.divider.count));
    case "pending":
      return pendingElement(row, original);
    default:
      return messageElement(row, original);
  }
}

function divider(kind, sign, text) {
  return h("div", { class: `row divider ${kind}` }, h("span", {}, icon(sign), text));
}

function gapSentence(count) {
  return count
    ? `History gap: ${counted(count, "message")} cannot be shown here`
    : "History gap: messages may be missing here";
}

function messageElement(row, original) {
  const { message, own, together } = row;
  const element = h(
    "div",
    {
      class: `row message${own ? " own" : ""}${together ? " together" : ""}`,
      tabindex: "-1",
      data: { seq: message.seq, epoch: message.epoch ?? "" },
    },
    together ? null : badge(message.user),
    together ? null : head(message.user, message.sent_at, { own, node: message.node }),
    message.reply_to ? quote(message.reply_to, original) : null,
    body(message.text),
    meta(row),
    h("div", { class: "actions" }, h("button", { class: "quiet", data: { act: "reply" }, "aria-label": `Reply to ${message.user}`, title: "Reply (R)" }, icon("reply"))),
    row.read.length ? readers(row.read) : null,
  );
  return element;
}

function head(user, seconds, { own, node = null }) {
  const title = node ? `${moment(seconds)}, by ${node}` : moment(seconds);
  return h(
    "div",
    { class: "head" },
    h("bdi", { class: `author hue-${hue(user)}`, text: user }),
    own ? h("span", { class: "you", text: "you" }) : null,
    h("time", { datetime: new Date(seconds * 1000).toISOString(), title, text: clock(seconds) }),
  );
}

function body(text) {
  return h("p", { class: "text", dir: "auto" }, ...linked(text));
}

/** The place in the log and, on own messages, how far it came: in words for who cannot see the ticks. */
function meta({ message, own, seen }) {
  const words = seen ? "Read" : "Delivered";
  const place = message.seq === null ? "No number: this cluster keeps no log" : `Number ${message.seq} in this room's log`;
  const title = `${own ? `${words}. ` : ""}${place}, ${moment(message.sent_at)}`;
  return h(
    "span",
    { class: "meta", title },
    own ? h("span", { class: seen ? "ticks seen" : "ticks" }, icon(seen ? "read" : "check"), h("span", { class: "visually-hidden", text: words })) : null,
    message.seq === null ? null : h("span", { class: "seq", text: `#${message.seq}` }),
  );
}

function readers(read) {
  const shown = read.slice(0, READERS_SHOWN);
  const label = `Read up to here by ${names(read, READERS_SHOWN)}`;
  return h(
    "div",
    { class: "readers", role: "img", "aria-label": label, title: label },
    ...shown.map((name) => h("span", { class: `badge tiny hue-${hue(name)}`, text: initials(name) })),
    read.length > shown.length ? h("span", { class: "more", text: `+${read.length - shown.length}` }) : null,
  );
}

function pendingElement({ pending, user, together }, original) {
  const failed = pending.state === "failed";
  return h(
    "div",
    { class: `row message own pending${together ? " together" : ""}${failed ? " failed" : ""}`, tabindex: "-1", data: { pending: pending.key } },
    together ? null : badge(user),
    together ? null : head(user, pending.at / 1000, { own: true }),
    pending.replyTo ? quote(pending.replyTo, original) : null,
    body(pending.text),
    failed ? failure(pending) : sending(pending),
  );
}

function sending({ state, seq }) {
  if (state === "committed") return h("span", { class: "meta" }, icon("clock"), h("span", { text: "In the log at" }), h("span", { class: "seq", text: `#${seq}` }));
  return h("span", { class: "meta" }, icon("clock"), h("span", { text: "Sending…" }));
}

/** Why it was not sent; where nobody knows whether it was, that is said before one sends it twice. */
function failure({ error }) {
  const reason = error?.message ?? "the cluster refused it";
  return h(
    "div",
    { class: "failure" },
    h("span", { class: "reason" }, icon("alert"), error?.definite === false ? `Perhaps not sent: ${reason}` : `Not sent: ${reason}`),
    h("button", { class: "link", data: { act: "retry" }, text: "Try again" }),
    h("button", { class: "link", data: { act: "discard" }, text: "Discard" }),
  );
}

/** What a message answers: a button that leads to it. */
export function quote(place, original) {
  const answered = original(place);
  const snippet = answered ? answered.text.slice(0, QUOTE_CHARACTERS) : "an earlier message";
  return h(
    "button",
    { class: "quote", data: { act: "jump", seq: place.seq, epoch: place.epoch ?? "" }, title: `Go to message #${place.seq}` },
    h("bdi", { class: answered ? `author hue-${hue(answered.user)}` : "author", text: answered ? answered.user : `#${place.seq}` }),
    h("span", { class: "snippet", dir: "auto", text: snippet }),
  );
}

/** A name's badge: its initials on its colour. Decoration, since the name always stands beside it. */
export function badge(name, size = "") {
  return h("span", { class: `badge ${size} hue-${hue(name)}`, "aria-hidden": "true", text: initials(name) });
}
