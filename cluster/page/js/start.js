// The first file of the page: it brings the others. What `index.html` says until they are there, it says even where this
// file does not come.

import { loaded } from "./loading.js";
import { tabStorage } from "./storage.js";

const ANSWER_MS = 5_000;

const loading = document.getElementById("loading");
const again = loading.querySelector("a");
const reload = () => location.reload();

again.addEventListener("click", (event) => {
  event.preventDefault(); // The link alone would forget the room that the address names.
  reload();
});

function say(sentence) {
  loading.querySelector("span").textContent = sentence;
  loading.classList.remove("late");
}

async function answers() {
  const asked = { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) };
  return (await fetch(location.pathname, asked).catch(() => null))?.ok ?? false;
}

const [{ begin }, { io }] = await loaded({
  load: () => Promise.all([import("./main.js"), import("../vendor/socket.io.esm.min.js")]),
  answers, place: tabStorage(), say, reload,
});
begin(io);
loading.remove();
