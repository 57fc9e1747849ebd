// How times, counts and names are written. Times are the reader's own; order never depends on them.

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const DAY_AND_YEAR = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const COUNT = new Intl.NumberFormat();

const HUES = 8;

export const clock = (seconds) => CLOCK.format(seconds * 1000);
export const moment = (seconds) => MOMENT.format(seconds * 1000);
export const count = (number) => COUNT.format(number);
export const counted = (number, one, many = `${one}s`) => `${COUNT.format(number)} ${number === 1 ? one : many}`;

/** A number that says which day it is where the reader is. */
export function dayOf(seconds) {
  const date = new Date(seconds * 1000);
  return date.getFullYear() * 10_000 + (date.getMonth() + 1) * 100 + date.getDate();
}

/** "Today", "Yesterday", "Tuesday, 3 March" or, of another year, "3 March 2024". */
export function dayName(seconds, now = new Date()) {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  const date = new Date(seconds * 1000);
  const days = Math.round((midnight - new Date(date.getFullYear(), date.getMonth(), date.getDate())) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return (date.getFullYear() === now.getFullYear() ? DAY : DAY_AND_YEAR).format(date);
}

/** One or two letters for a name's badge, by whole characters and not by halves of one. */
export function initials(name) {
  const words = name.trim().split(/[\s._-]+/u).filter(Boolean);
  const first = [...(words[0] ?? name)];
  const letters = words.length > 1 ? first[0] + [...words[words.length - 1]][0] : first.slice(0, 2).join("");
  return letters.toUpperCase();
}

/** A colour's number for a name: the same for everybody and on every visit. */
export function hue(name) {
  let hash = 0;
  for (const character of name) hash = (Math.imul(hash, 31) + character.codePointAt(0)) >>> 0;
  return hash % HUES;
}

/** "Ada", "Ada and Bob", "Ada, Bob and 3 others". */
export function names(list, most = 2) {
  if (list.length <= 1) return list.join("");
  if (list.length <= most + 1) return `${list.slice(0, -1).join(", ")} and ${list[list.length - 1]}`;
  return `${list.slice(0, most).join(", ")} and ${list.length - most} others`;
}

export const bytes = (text) => new TextEncoder().encode(text).length;
