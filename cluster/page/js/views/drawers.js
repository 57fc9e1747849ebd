// On a narrow page the outer panes are drawers: one at a time, closed by Escape, by a tap beside it, or by a choice.

export class Drawers {
  #page;
  #toggles;
  #opener = null;

  /** `page` gets `data-drawer` while one is open; buttons with `data-drawer-for` open and close it. */
  constructor(page) {
    this.#page = page;
    this.#toggles = [...page.querySelectorAll("[data-drawer-for]")];
    for (const toggle of this.#toggles) toggle.addEventListener("click", () => this.#toggle(toggle));
    page.querySelector(".backdrop").addEventListener("click", () => this.close());
    page.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.#page.dataset.drawer) return;
      event.preventDefault();
      event.stopPropagation();
      this.close();
    }, { capture: true });
  }

  close() {
    if (!this.#page.dataset.drawer) return;
    delete this.#page.dataset.drawer;
    for (const toggle of this.#toggles) toggle.setAttribute("aria-expanded", "false");
    this.#opener?.focus();
    this.#opener = null;
  }

  #toggle(toggle) {
    const name = toggle.dataset.drawerFor;
    if (this.#page.dataset.drawer === name) return this.close();
    this.#page.dataset.drawer = name;
    for (const each of this.#toggles) each.setAttribute("aria-expanded", String(each === toggle));
    this.#opener = toggle;
    const pane = document.getElementById(toggle.getAttribute("aria-controls"));
    (pane.querySelector("[aria-current]") ?? pane.querySelector("a, button"))?.focus();
  }
}
