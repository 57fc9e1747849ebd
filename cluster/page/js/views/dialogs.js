// Dialogs: the browser's own, which keep the focus inside, close by Escape and give the focus back.

import { validRoom, validUser } from "../names.js";
import { h, icon, setText } from "./dom.js";
import { counted } from "./format.js";

const SHORTCUTS = [
  ["Enter", "Send the message"],
  ["Shift + Enter", "Begin a new line"],
  ["Alt + ↑ / ↓", "Go to the room above or below"],
  ["Ctrl + K", "Join or create a room"],
  ["Escape", "Back to the message field; not to reply; close what is open"],
  ["↑ / ↓", "In the messages: from one to the next"],
  ["R", "On a message: reply to it"],
  ["End", "In the messages: to the latest"],
  ["Ctrl + /", "Show this help"],
];

const MARKS = [
  ["clock", "Sending", "not in the cluster's log yet; kept over reloads and resent after a failover"],
  ["check", "Delivered", "in the log at the number beside it, and back from there"],
  ["read", "Read", "someone else has read this far; small badges show who, and how far"],
  ["alert", "Not sent", "the cluster refused it: try again or discard it"],
];

/** Show a dialog with this content until it is closed. */
function show(title, ...content) {
  const close = h("button", { class: "quiet close", type: "button", "aria-label": "Close", title: "Close (Escape)" }, icon("close"));
  const heading = h("h2", { id: "dialog-title", text: title });
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, h("header", {}, heading, close), ...content);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** A form with one field. `check(value)` returns what is wrong with it as a sentence, or null. */
export function oneField({ label, value = "", hint, action, check, done, list = [] }) {
  const wrong = h("p", { class: "wrong", id: "field-wrong", role: "alert" });
  const field = h("input", { value, autocomplete: "off", spellcheck: "false", maxlength: "200", list: list.length ? "field-list" : null, "aria-describedby": "field-hint field-wrong" });
  const form = h(
    "form",
    { class: "one-field" },
    h("label", {}, h("span", { text: label }), field),
    list.length ? h("datalist", { id: "field-list" }, ...list.map((each) => h("option", { value: each }))) : null,
    h("p", { class: "hint", id: "field-hint", text: hint }),
    wrong,
    h("button", { class: "primary", text: action }),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const written = field.value.trim();
    wrong.textContent = check(written) ?? "";
    field.setAttribute("aria-invalid", String(wrong.textContent !== ""));
    if (wrong.textContent === "") done(written);
    else field.focus();
  });
  return { form, field };
}

/** The form that asks for a name: on the first visit it is all there is. */
export function nameForm({ value = "", action, done }) {
  return oneField({
    label: "Your name",
    value,
    hint: "Others see it beside what you write. There are no passwords: who takes your name is you.",
    action,
    check: (name) => (validUser(name) ? null : name === "" ? "Please write a name." : "A name has at most 64 characters."),
    done,
  });
}

/** The form that asks for the cluster's token; `wrong`: there was one, and it is not it. */
export function tokenForm({ wrong, done }) {
  const { form, field } = oneField({
    label: "The cluster's token",
    hint: "Whoever runs the cluster knows it. It is kept for as long as this tab is open.",
    action: "Enter the chat",
    check: (token) => (token === "" ? "Please write the token." : null),
    done,
  });
  field.type = "password";
  field.removeAttribute("maxlength");
  if (wrong) setText(form.querySelector(".wrong"), "That is not the token of this cluster.");
  return { form, field };
}

export function askName(user, done) {
  const { form, field } = nameForm({ value: user, action: "Change my name", done });
  const dialog = show("Change your name", form);
  form.addEventListener("submit", () => field.getAttribute("aria-invalid") === "false" && dialog.close());
  field.select();
}

export function askRoom(known, done) {
  const { form, field } = oneField({
    label: "Room",
    hint: "A room that is not there yet is made by its first message. 1 to 64 letters, digits, “_”, “.” or “-”.",
    action: "Join the room",
    list: known,
    check: (name) => (validRoom(name) ? null : "A room's name has 1 to 64 letters, digits, “_”, “.” or “-”, and no spaces."),
    done,
  });
  const dialog = show("Join or create a room", form);
  field.focus();
  form.addEventListener("submit", () => field.getAttribute("aria-invalid") === "false" && dialog.close());
}

/** Ask before a room is left in which messages are not sent. */
export function askLeave(title, count, done) {
  const stay = h("button", { class: "plain", type: "button", text: "Stay" });
  const leave = h("button", { class: "primary", type: "button", text: "Leave without them" });
  const text = `${counted(count, "message")} of yours ${count === 1 ? "is" : "are"} not sent yet, and would be given up.`;
  const dialog = show(`Leave ${title}?`, h("p", { text }), h("div", { class: "choice" }, stay, leave));
  stay.addEventListener("click", () => dialog.close());
  leave.addEventListener("click", () => {
    dialog.close();
    done();
  });
  stay.focus();
}

export function showHelp() {
  show(
    "Help",
    h("h3", { text: "Keyboard" }),
    h("dl", { class: "keys" }, ...SHORTCUTS.flatMap(([keys, what]) => [h("dt", {}, ...keyboard(keys)), h("dd", { text: what })])),
    h("h3", { text: "What the marks say" }),
    h("dl", { class: "marks" }, ...MARKS.flatMap(([sign, name, what]) => [h("dt", {}, icon(sign), name), h("dd", { text: what })])),
    h("p", { class: "hint", text: "Direct messages are a room for two. Nobody else is shown it, but names are not checked: it is not for secrets." }),
  );
}

function keyboard(keys) {
  return keys.split(/( \+ | \/ )/).map((part) => (/^ . $/.test(part) ? part : h("kbd", { text: part })));
}
