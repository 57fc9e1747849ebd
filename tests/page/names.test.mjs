// Names of rooms: the same for both, within the protocol's alphabet, and nothing that a text can forge.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { directRoom, inboxRoom, isNotice, isPrivate, notice, validRoom, validUser } from "../../cluster/page/js/names.js";
import { sha256 } from "../../cluster/page/js/sha256.js";

test("SHA-256 – of texts of all lengths around a block – what Node.js says", () => {
  for (const text of ["", "abc", "ännchen ✓ 😀", ...Array.from({ length: 140 }, (_, i) => "x".repeat(i))]) {
    assert.equal(sha256(text), createHash("sha256").update(text).digest("hex"), JSON.stringify(text));
  }
});

test("a direct room – from either side – the same valid name, and another for every other pair", () => {
  const users = ["ann", "bob", "", "ann bob", "😀", "\uffff", "a\",\"b", "zoë", "x".repeat(64)];
  const seen = new Set();
  for (const one of users) {
    for (const other of users) {
      assert.equal(directRoom(one, other), directRoom(other, one));
      assert.ok(validRoom(directRoom(one, other)));
      assert.ok(isPrivate(directRoom(one, other)));
      seen.add(directRoom(one, other));
    }
    assert.ok(validRoom(inboxRoom(one)));
    seen.add(inboxRoom(one));
  }
  assert.equal(seen.size, (users.length * (users.length + 1)) / 2 + users.length);
});

test("a direct room – as the protocol's document has it – this name", () => {
  const hash = (json) => createHash("sha256").update(json).digest("hex").slice(0, 40);
  assert.equal(directRoom("bob", "ann"), `dm.${hash('["ann","bob"]')}`);
  assert.equal(inboxRoom("ann"), `inbox.${hash('["ann"]')}`);
});

test("a notice – that names another room than its sender's – is none", () => {
  const sent = (user, text) => ({ user, text });
  assert.ok(isNotice(sent("bob", notice(directRoom("ann", "bob"))), "ann"));
  assert.ok(!isNotice(sent("eve", notice(directRoom("ann", "bob"))), "ann"));
  assert.ok(!isNotice(sent("bob", "hello"), "ann"));
  assert.ok(!isNotice(sent("bob", notice("lobby")), "ann"));
});

test("names – as the node counts them – valid or not", () => {
  for (const name of ["a", "x".repeat(64), "😀".repeat(64), " "]) assert.ok(validUser(name), name);
  for (const name of ["", "x".repeat(65), "😀".repeat(65), "\ud800"]) assert.ok(!validUser(name), name);
  for (const name of ["a b", "", "x".repeat(65), "ä", "a/b"]) assert.ok(!validRoom(name), name);
});
