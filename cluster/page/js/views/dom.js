// Elements without markup: whatever people wrote goes in as text, never as HTML.

/**
 * Make an element. `properties` are attributes; `on…` are listeners, `class` and `text` what they say,
 * `data` a map for the dataset; null, undefined and false leave an attribute out.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Set a text only where it changes: a live region reads out whatever is written, the same again too. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** An icon of the page's own set: `icon-send` is `<symbol id="icon-send">` in index.html. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * Bring an element's children to a list of `{key, sign}` descriptors with as few changes as there are.
 * `make` builds the element of a descriptor; one whose sign has changed is built anew.
 */
export function reconcile(parent, wanted, shown, make) {
  const next = new Map();
  for (const each of wanted) {
    const old = shown.get(each.key);
    next.set(each.key, old?.sign === each.sign ? old : { sign: each.sign, element: make(each) });
  }
  const focus = focusOf(shown, next);
  for (const [key, old] of shown) if (next.get(key) !== old) old.element.remove();
  let place = parent.firstElementChild;
  for (const { element } of next.values()) {
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  focus?.();
  return next;
}

/** What puts the focus into an element that takes the place of the one that has it; null: it has not to move. */
function focusOf(shown, next) {
  const focused = document.activeElement;
  for (const [key, old] of shown) {
    const now = next.get(key);
    if (!now || now === old || !old.element.contains(focused)) continue;
    const act = focused.closest("[data-act]")?.dataset.act;
    const same = act ? now.element.querySelector(`[data-act="${act}"]`) : null;
    return () => (same ?? now.element).focus({ preventScroll: true });
  }
  return null;
}

/** The user's wish for stillness, asked each time since it may change. */
export function still() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
