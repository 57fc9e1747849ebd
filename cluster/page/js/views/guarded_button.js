// A button that asks back: the first press arms it, the second does it. Escape, leaving it or waiting disarms it.

import { h, setText } from "./dom.js";

const ARMED_MS = 5000;
const DOUBLE_CLICK_MS = 350; // a second press that comes so soon is the end of a double click

/**
 * Make one. `label` is what it says, `name` what it is called where one does not see beside what it stands, and
 * `question` what it asks when it is armed; `act` does it, and its promise keeps the button busy. `say` gets what
 * a screen reader should hear.
 */
export function guardedButton({ label, name, question, act, say }) {
  let armedAt = null;
  let timer = null;
  const button = h("button", { type: "button", class: "plain guarded", text: label, "aria-label": name });

  function show(text, called) {
    setText(button, text);
    button.setAttribute("aria-label", called);
  }

  function disarm() {
    clearTimeout(timer);
    armedAt = null;
    button.classList.remove("armed");
    show(label, name);
  }

  function arm() {
    armedAt = performance.now();
    button.classList.add("armed");
    show(question, question);
    say(`${question} Press again to confirm, Escape to leave it.`);
    timer = setTimeout(disarm, ARMED_MS);
  }

  async function press() {
    if (armedAt === null) return arm();
    if (performance.now() - armedAt < DOUBLE_CLICK_MS) return;
    disarm();
    button.disabled = true;
    try {
      await act();
    } finally {
      button.disabled = false;
    }
  }

  button.addEventListener("click", press);
  button.addEventListener("blur", disarm);
  button.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || armedAt === null) return;
    event.stopPropagation();
    disarm();
  });
  return button;
}
