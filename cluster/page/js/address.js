// The address says who one is and what one looks at, so that a link leads there:
//
//   /?user=Ada#/room/lobby      a room
//   /?user=Ada#/with/Bob        the conversation with Bob
//   /?user=Ada#/cluster         the cluster, and views of the room `in-step` through its nodes
//   /?user=Ada#/cluster/lobby   the same with the room `lobby`
//
// A link without a user asks whoever follows it for a name. The user is in the query and the place behind the `#`:
// changing the place loads nothing anew, changing the user is another session.

import { isPrivate, validRoom, validUser } from "./names.js";

/** What the part behind the `#` leads to: `{view, room}` or `{view, user}`; null where it leads nowhere. */
export function placeOf(hash) {
  const [view, ...rest] = hash.replace(/^#\/?/, "").split("/");
  const name = decoded(rest.join("/"));
  if (name === null) return null;
  if (view === "room" && validRoom(name) && !isInbox(name)) return { view, room: name };
  if (view === "with" && validUser(name)) return { view, user: name };
  if (view === "cluster" && (name === "" || validRoom(name))) return { view, room: name || "in-step" };
  return null;
}

/** Inboxes are the client's own business: a link into one would show its notices, and leave it again. */
const isInbox = (room) => isPrivate(room) && room.startsWith("inbox.");

export const toRoom = (room) => `#/room/${encodeURIComponent(room)}`;
export const toPerson = (user) => `#/with/${encodeURIComponent(user)}`;

/** The user that the address names, or null. */
export function userOf(search) {
  const user = new URLSearchParams(search).get("user")?.trim() ?? "";
  return validUser(user) ? user : null;
}

/** The address' query for a user; whatever else is in it stays. */
export function withUser(search, user) {
  const query = new URLSearchParams(search);
  if (user === null) query.delete("user");
  else query.set("user", user);
  const text = query.toString();
  return text ? `?${text}` : "";
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // Half of an escape: somebody has cut the link.
  }
}
