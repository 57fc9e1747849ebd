// The chat page's address: links lead where they say, and half of one nowhere.

import assert from "node:assert/strict";
import { test } from "node:test";

import { placeOf, toPerson, toRoom, userOf, withUser } from "../../cluster/page/js/address.js";
import { directRoom, inboxRoom } from "../../cluster/page/js/names.js";

test("a link – to a room, a person or the cluster – leads there", () => {
  assert.deepEqual(placeOf(toRoom("lobby")), { view: "room", room: "lobby" });
  const direct = directRoom("ann", "bob");
  assert.deepEqual(placeOf(toRoom(direct)), { view: "room", room: direct });
  for (const user of ["Bob", "a/b", "50 %", "?&#", "😀"]) assert.deepEqual(placeOf(toPerson(user)), { view: "with", user });
  assert.deepEqual(placeOf("#/cluster"), { view: "cluster", room: "in-step" });
  assert.deepEqual(placeOf("#/cluster/lobby"), { view: "cluster", room: "lobby" });
});

test("a link – cut within an escape, unknown, or into an inbox – leads nowhere", () => {
  const cut = ["#%", "#/%", "#/room/%", "#/room/a%2", "#/with/%E9", "#/cluster/%"];
  const unknown = ["", "#", "#/", "#/room/", "#/room/not a room", "#/with/", "#/elsewhere/lobby", toRoom(inboxRoom("ann"))];
  for (const hash of [...cut, ...unknown]) assert.equal(placeOf(hash), null, hash);
});

test("a user in the address – also half an escape – is who it says, and the rest of the query stays", () => {
  assert.equal(userOf("?user=Zo%C3%AB+x"), "Zoë x");
  assert.equal(userOf("?user=50%"), "50%");
  for (const nobody of ["", "?", "?user=", "?user=+", `?user=${"x".repeat(65)}`]) assert.equal(userOf(nobody), null, nobody);
  assert.equal(withUser("?a=1&user=ann", "bob"), "?a=1&user=bob");
  assert.equal(withUser("?user=ann", null), "");
});
