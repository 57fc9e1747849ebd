"use strict";
// Follows a run: asks for the scene twice a second, and replaces the parts that have changed. A part that has not
// changed stays as it is, so that what is selected or focused in it stays, too.

const REFRESH_MS = 500;
const scene = document.getElementById("scene");
const announced = document.getElementById("announced");

const announce = () => {
  const text = document.getElementById("state").dataset.announce;
  if (announced.textContent !== text) announced.textContent = text;
};

const tell = (trouble) => { document.body.className = trouble; }; // The style sheet has the words.

const keyOf = (part) => part.id || part.textContent;

const replace = (html) => {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  const old = new Map([...scene.children].map((part) => [keyOf(part), part]));
  const parts = [...fresh.content.children].map((part) => {
    const before = old.get(keyOf(part));
    return before && before.outerHTML === part.outerHTML ? before : part;
  });
  const same = parts.length === scene.children.length && parts.every((part, i) => part === scene.children[i]);
  if (same) return;
  parts.forEach((part, i) => {
    const there = scene.children[i];
    if (part === there) return;
    if (there && keyOf(there) === keyOf(part)) there.replaceWith(part);
    else scene.insertBefore(part, there ?? null);
  });
  while (scene.children.length > parts.length) scene.lastElementChild.remove();
};

const follow = async () => {
  try {
    const answer = await fetch("scene");
    if (answer.ok) replace(await answer.text());
    announce();
    tell(answer.ok ? "" : answer.status === 404 ? "gone" : "failing");
  } catch {
    tell("away"); // The server has ended; what is shown is what was.
  }
  if (document.getElementById("state").dataset.over === "no") setTimeout(follow, REFRESH_MS);
};

if (document.getElementById("state").dataset.over === "no") setTimeout(follow, REFRESH_MS);
