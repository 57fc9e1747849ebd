/**
 * Names of rooms. Direct messages are a convention of clients (docs/protocol.md): the server knows only rooms.
 *
 * Two users meet in the room that is named by the hash of both their names. Who writes there first sends a notice
 * to the other's inbox, a room that is named by the hash of one name. An inbox is a log like any other, so the
 * notice is there when the other one comes. Nobody is kept out of either room: they are out of sight, not secret.
 */

import { sha256 } from "./sha256.js";

export const LONGEST_TEXT_BYTES = 8 * 1024;
const ROOM = /^[A-Za-z0-9_.-]{1,64}$/;
const HASH_DIGITS = 40;

/** Tell whether a room may have this name. */
export const validRoom = (name) => ROOM.test(name);

/** Tell whether a user may have this name: 1 to 64 characters (as Python counts them). */
export const validUser = (name) => [...name].length >= 1 && [...name].length <= 64 && name.isWellFormed();

/** The room in which two users meet, the same for both. */
export const directRoom = (one, other) => `dm.${hash([one, other].sort(byCodePoint))}`;

/** The room in which a user finds who has written to them. */
export const inboxRoom = (user) => `inbox.${hash([user])}`;

/** Tell whether a room is for one or two users, and so in nobody's list. */
export const isPrivate = (room) => /^(dm|inbox)\.[0-9a-f]{40}$/.test(room);

/** The text of a notice in an inbox. Who wrote it, the server says: the text is trusted for nothing. */
export const notice = (room) => JSON.stringify({ direct: room });

/** Tell whether a message in one's inbox is a notice of the conversation with its sender. */
export const isNotice = (message, me) => message.text === notice(directRoom(me, message.user));

const hash = (users) => sha256(JSON.stringify(users)).slice(0, HASH_DIGITS);

function byCodePoint(a, b) {
  const [left, right] = [[...a], [...b]];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = left[i].codePointAt(0) - right[i].codePointAt(0);
    if (difference) return difference;
  }
  return left.length - right.length;
}
