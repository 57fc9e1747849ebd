"use strict";
// Keeps the table fresh, sorts and filters it. The rows come escaped from the server; nothing is built from text here.

const REFRESH_MS = 2000;
const NUMBERS = new Set(["seed", "took"]);
const runs = document.getElementById("runs");
const filter = document.getElementById("filter");
const count = document.getElementById("count");
let order = { key: "began", ascending: false };
let shown = runs.innerHTML;

const compared = (a, b) => {
  const [one, other] = [a, b].map((row) => row.dataset[order.key]);
  if (!one || !other) return one ? -1 : other ? 1 : 0; // What has no value stands last, whichever way.
  const sign = order.ascending ? 1 : -1;
  return sign * (NUMBERS.has(order.key) ? one - other : one.localeCompare(other));
};

const arrange = () => {
  const body = runs.querySelector("tbody");
  if (!body) { count.textContent = ""; return; }
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...body.rows].sort(compared);
  let left = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    left += row.hidden ? 0 : 1;
  }
  body.append(...rows);
  for (const head of runs.querySelectorAll("th[data-key]")) {
    if (head.dataset.key === order.key) head.setAttribute("aria-sort", order.ascending ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  }
  count.textContent = words.length ? `${left} of ${rows.length} runs` : `${rows.length} ${rows.length === 1 ? "run" : "runs"}`;
};

const focused = () => {
  const active = document.activeElement;
  if (!runs.contains(active)) return null;
  return active.tagName === "BUTTON" ? `th[data-key="${active.parentElement.dataset.key}"] button`
    : active.tagName === "A" ? `a[href="${CSS.escape(active.getAttribute("href"))}"]` : null;
};

const refresh = async () => {
  try {
    const answer = await fetch("/runs");
    const fresh = await answer.text();
    if (answer.ok && fresh !== shown) {
      const place = focused();
      shown = fresh;
      runs.innerHTML = fresh;
      arrange();
      if (place) runs.querySelector(place)?.focus();
    }
    document.body.className = answer.ok ? "" : "failing"; // The style sheet has the words.
  } catch {
    document.body.className = "away"; // The server has ended; what is shown is what was.
  }
  setTimeout(refresh, REFRESH_MS);
};

filter.addEventListener("input", arrange);
filter.form.addEventListener("submit", (event) => event.preventDefault());
runs.addEventListener("click", (event) => {
  const head = event.target.closest("th[data-key]");
  if (!head) return;
  const key = head.dataset.key;
  order = { key, ascending: order.key === key ? !order.ascending : key !== "began" };
  arrange();
});
arrange();
setTimeout(refresh, REFRESH_MS);
