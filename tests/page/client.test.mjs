// The client over a cluster that the test plays: where it goes, what it resends, what it tells, what it keeps.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { directRoom, inboxRoom, notice } from "../../cluster/page/js/names.js";
import { FakeLocks, FakeStorage, World, url } from "./fakes.mjs";

const message = (seq, more = {}) => ({
  room: "room", epoch: "e1", seq, producer: null, n: null, user: "bob", text: `${seq}`, sent_at: 1, node: "node-1", ...more,
});
const messages = (from, to, more) => Array.from({ length: to - from + 1 }, (_, i) => message(from + i, more));
const kept = (seq) => JSON.stringify({ direct: null, invited: false, epoch: "e1", seq, read: seq });
const ok = (seq) => ({ ok: true, room: "room", epoch: "e1", seq, duplicate: false });
const no = (code, more = {}) => ({ ok: false, error: { code, message: code, definite: true, ...more } });
const keys = (socket) => socket.all("send_message").map(({ payload }) => [payload.producer, payload.n, payload.text]);
const seqs = (room) => room.messages.map(({ seq }) => seq);

let world;
beforeEach(() => (world = new World()));
afterEach(() => world.close());

test("a lost node – peers answer – the nearest one that serves, without a reload, and resumed by the cursor", async () => {
  const client = await world.joined();
  world.socket.say("message", message(1));
  world.answers.delete(url(1));
  world.answers.get(url(2)).ms = 80;
  world.answers.get(url(3)).ms = 20;
  const began = Date.now();
  world.socket.lose();
  assert.equal(client.state.status, "reconnecting");
  assert.ok(client.state.retryAt > began);
  assert.match(client.state.reason, /^node-1 /);
  await world.pass(300);
  assert.equal(world.socket.url, url(3));
  world.socket.accept();
  await world.settle();
  const { status, node, moved, retryAt } = client.state;
  assert.deepEqual([status, node, moved, retryAt], ["connected", { id: "node-3", url: url(3) }, 1, null]);
  const join = world.socket.admit("room", { seq: 2, recovered: true, messages: [message(2)] });
  assert.deepEqual(join.cursor, { epoch: "e1", seq: 1 });
  const room = client.rooms.get("room");
  assert.deepEqual([seqs(room), room.dividers], [[1, 2], [{ afterSeq: 1, kind: "caught-up", count: 1 }]]);
  world.socket.lose();
  assert.equal(client.state.attempt, 1);
  assert.ok(client.state.retryAt - Date.now() <= 250);
});

test("a lost connection – the same node under another of its names – is no move", async () => {
  const home = "http://localhost"; // Node 1, as it was opened; the others know it by its own URL.
  const own = world.answers.get(url(1));
  world.answers.set(home, { ...own });
  const client = await world.joined("room", { node: home });
  const go = async (to, info) => {
    world.socket.lose();
    await world.pass(1_500);
    world.socket.accept();
    world.socket.say("server_info", info);
    return [world.socket.url === to, client.state.moved];
  };
  world.answers.delete(home);
  world.answers.delete(url(1));
  assert.deepEqual(await go(url(2), world.info(2)), [true, 1]);
  world.answers.set(url(1), own);
  world.socket.say("server_info", world.info(2));
  world.answers.delete(url(2));
  world.answers.delete(url(3));
  assert.deepEqual(await go(url(1), world.info(1)), [true, 2]);
  world.answers.delete(url(1));
  world.answers.set(home, own);
  assert.deepEqual(await go(home, world.info(1)), [true, 2]);
});

test("pending sends – the node is lost – resent in order with the same keys, once it is joined again", async () => {
  const client = await world.joined();
  for (const text of ["a", "b", "c"]) client.send("room", text);
  const before = keys(world.socket);
  assert.equal(before.length, 3);
  world.socket.lose("ping timeout");
  client.send("room", "written while away");
  await world.pass(400);
  world.socket.accept();
  await world.settle();
  client.send("room", "written before it is joined");
  assert.deepEqual(keys(world.socket), []);
  const [[producer]] = before;
  const own = message(1, { producer, n: 1, user: "ann", text: "a" });
  world.socket.admit("room", { seq: 1, recovered: true, messages: [own] });
  await world.settle();
  const later = [[producer, 4, "written while away"], [producer, 5, "written before it is joined"]];
  assert.deepEqual(keys(world.socket), [...before.slice(1), ...later]);
  assert.equal(client.rooms.get("room").pending.length, 4);
});

test("an answer of the connection before – comes late – is not taken for one of this", async () => {
  const client = await world.joined();
  client.send("room", "a");
  const old = world.socket;
  old.lose();
  await world.pass(400);
  world.socket.accept();
  await world.settle();
  old.answer("send_message", ok(1));
  const join = old.all("join").find(({ payload }) => payload.room === "room");
  join.answer({ ok: true, room: "room", epoch: "e1", seq: 0, recovered: true });
  assert.equal(client.rooms.get("room").pending[0].state, "pending");
  assert.equal(client.rooms.get("room").joined, false);
});

test("a committed message – acknowledged, then delivered – has its seq, then is no longer pending", async () => {
  const client = await world.joined();
  const pending = client.send("room", "hello", { replyTo: { epoch: "e1", seq: 7 } });
  assert.deepEqual(world.socket.all("send_message")[0].payload.reply_to, { epoch: "e1", seq: 7 });
  world.socket.answer("send_message", ok(8));
  assert.deepEqual([pending.state, pending.seq], ["committed", 8]);
  const [producer, n] = keys(world.socket)[0];
  world.socket.say("message", message(1, { producer, n, user: "ann" }));
  assert.deepEqual(client.rooms.get("room").pending, []);
});

test("no node answers – offline, with a countdown that grows; asked to, it tries at once", async () => {
  const client = await world.joined();
  world.answers.clear();
  world.socket.lose();
  const pauses = [];
  for (let i = 0; i < 7; i += 1) {
    pauses.push(client.state.retryAt - Date.now());
    await world.pass(pauses.at(-1) + 20);
    assert.equal(client.state.retryAt, null);
    world.socket.refuse();
    await world.settle();
    assert.equal(client.state.status, "offline"); // Until a node answers.
  }
  assert.ok(pauses.every((pause, i) => i === 0 || pause >= pauses[i - 1]), `${pauses}`);
  assert.ok(pauses.at(-1) <= 8_000);
  assert.ok(client.state.attempt > 5);
  const tries = world.sockets.length;
  client.reconnect();
  await world.settle();
  assert.equal(world.sockets.length, tries + 1);
});

test("a node that answers but takes no WebSocket – the others are tried before it is tried again", async () => {
  const client = await world.joined();
  world.answers.get(url(1)).ms = 1;
  world.socket.lose();
  const tried = [];
  for (let i = 0; i < 3; i += 1) {
    await world.pass(1_200);
    tried.push(world.socket.url);
    world.socket.refuse();
  }
  assert.deepEqual(tried, [url(1), url(2), url(3)]);
  assert.equal(client.state.status, "reconnecting");
});

test("a node that says nothing after the handshake – given up", async () => {
  await world.joined();
  world.socket.lose();
  await world.pass(400);
  const silent = world.socket;
  await world.pass(6_000);
  assert.notEqual(world.socket, silent);
});

test("a join that is not answered – the connection is given up", async () => {
  const client = world.client();
  client.join("room");
  client.start();
  world.socket.accept();
  await world.pass(8_100);
  assert.notEqual(client.state.status, "connected");
  assert.match(client.state.reason, /join/);
});

test("a node that is ready but answers no join – the others are tried before it is tried again", async () => {
  const client = await world.joined();
  world.socket.lose();
  const tried = [];
  for (let i = 0; i < 3; i += 1) {
    await world.pass(1_000);
    tried.push(world.socket.url);
    world.socket.accept();
    await world.pass(8_100);
  }
  assert.deepEqual(tried, [url(1), url(2), url(3)]);
  assert.match(client.state.reason, /join/);
});

test("a node that drains – a peer serves – moved before it closes", async () => {
  const client = await world.joined();
  world.answers.get(url(1)).draining = true;
  world.socket.say("server_info", world.info(1, { draining: true }));
  assert.equal(client.state.draining, true);
  await world.pass(500);
  assert.equal(world.socket.url, url(2));
  world.socket.accept();
  assert.deepEqual([client.state.moved, client.state.status], [1, "connected"]);
});

test("a node that drains – lost before it was left – the next one is not left in its place", async () => {
  const client = await world.joined("room", { random: () => 0.99 }); // Moves after 396 ms, connects after 248 ms.
  world.answers.get(url(1)).draining = true;
  world.socket.say("server_info", world.info(1, { draining: true }));
  await world.pass(10);
  world.socket.lose();
  await world.pass(300);
  world.socket.accept();
  await world.pass(1_000);
  assert.deepEqual([world.socket.url, world.sockets.length, client.state.moved], [url(2), 2, 1]);
});

test("a node that drains – nobody else serves – stays as long as it may", async () => {
  const client = await world.joined();
  for (const n of [1, 2, 3]) world.answers.get(url(n)).ready = false;
  world.socket.say("server_info", world.info(1, { draining: true }));
  await world.pass(1_000);
  assert.equal(world.sockets.length, 1);
  assert.equal(client.state.status, "connected");
});

test("a fixed client – its node is lost – comes back to that one only, and has no inbox", async () => {
  const client = await world.joined("room", { fixed: true });
  assert.deepEqual(world.socket.all("join").map(({ payload }) => payload.room), ["room"]);
  world.answers.delete(url(1));
  world.socket.lose();
  for (let i = 0; i < 3; i += 1) {
    await world.pass(3_000);
    assert.equal(world.socket.url, url(1));
    world.socket.refuse();
  }
  assert.deepEqual([client.state.status, client.state.moved], ["offline", 0]);
});

test("refused for good – a wrong token – offline, and no further try", async () => {
  const client = world.client({ token: "wrong" });
  client.start();
  assert.deepEqual(world.socket.options.auth, { user: "ann", token: "wrong" });
  world.socket.refuse(Object.assign(new Error("the token is missing or wrong"), { data: { code: "unauthorized" } }));
  await world.pass(60_000);
  assert.equal(world.sockets.length, 1);
  assert.deepEqual([client.state.status, client.state.retryAt], ["offline", null]);
  assert.match(client.state.reason, /token/);
});

test("a join – store_unavailable – again on the same connection after the pause", async () => {
  const client = world.client();
  client.join("room");
  client.start();
  world.socket.accept();
  world.socket.admit(inboxRoom("ann"));
  const joins = () => world.socket.all("join").filter(({ payload }) => payload.room === "room");
  joins()[0].answer(no("store_unavailable", { retry_after_ms: 400 }));
  await world.pass(390);
  assert.equal(joins().length, 1);
  await world.pass(300);
  assert.equal(joins().length, 2);
  joins()[1].answer(no("room_invalid"));
  await world.pass(10_000);
  assert.equal(joins().length, 2);
  assert.equal(client.rooms.get("room").error.code, "room_invalid");
});

test("a join – left and joined anew before it is answered – its answer is not taken for that of the next", async () => {
  const client = await world.joined();
  client.join("other");
  const [first] = world.socket.all("join").filter(({ payload }) => payload.room === "other");
  client.leave("other");
  const room = client.join("other");
  first.answer({ ok: true, room: "other", epoch: "e1", seq: 3, recovered: false });
  assert.deepEqual([room.joined, room.cursor], [false, null]);
  world.socket.admit("other", { seq: 4 });
  assert.deepEqual([room.joined, room.cursor.seq], [true, 4]);
});

test("very many rooms – a lost node – few joins at once, what one looks at first, and all in the end", async () => {
  const names = Array.from({ length: 30 }, (_, i) => `r${i}`);
  const client = await world.joined();
  for (const name of names) client.join(name);
  const asked = () => world.socket.all("join").map(({ payload }) => payload.room);
  const answered = new Set();
  const admitAll = async () => {
    while (asked().length > answered.size) {
      const open = asked().filter((name) => !answered.has(name));
      assert.ok(open.length <= 8, `${open}`);
      answered.add(open[0]);
      world.socket.admit(open[0]);
      await world.settle();
    }
  };
  ["room", inboxRoom("ann")].forEach((name) => answered.add(name));
  await admitAll();
  assert.deepEqual(asked().slice(2), names, "in order");
  client.look("r20");
  for (const again of [false, true]) {
    world.socket.lose();
    await world.pass(400);
    world.socket.accept();
    await world.settle();
    assert.deepEqual([asked().length, asked()[0]], [8, "r20"], again ? "also where others waited" : "");
  }
  client.look("r25");
  client.leave("r24"); // Its turn has not come: nobody is asked for it.
  world.socket.admit("r20");
  assert.equal(asked()[8], "r25");
  client.leave("room"); // It is not waited for any longer.
  assert.equal(asked().length, 10);
  answered.clear();
  ["r20", "room"].forEach((name) => answered.add(name));
  await admitAll();
  assert.deepEqual([asked().length, new Set(asked()).size, asked().includes("r24")], [31, 31, false]);
  assert.equal([...client.rooms.values()].filter(({ joined }) => joined).length, 29);
});

test("very many rooms – one is refused for the moment – its pause holds nobody up", async () => {
  const client = await world.joined();
  const names = Array.from({ length: 9 }, (_, i) => `r${i}`);
  for (const name of names) client.join(name);
  const asked = (name) => world.socket.all("join").filter(({ payload }) => payload.room === name);
  assert.equal(asked("r8").length, 0);
  asked("r0")[0].answer(no("store_unavailable", { retry_after_ms: 400 }));
  assert.equal(asked("r8").length, 1);
  for (const name of names.slice(1)) world.socket.admit(name);
  await world.pass(700);
  assert.equal(asked("r0").length, 2);
});

test("very many rooms – a slow node – a join's patience begins when it is asked for", async () => {
  const client = await world.joined();
  for (let i = 0; i < 12; i += 1) client.join(`r${i}`);
  for (let i = 0; i < 12; i += 1) {
    await world.pass(900);
    world.socket.admit(`r${i}`);
  }
  assert.equal(world.sockets.length, 1, "each was answered within 8 s");
  assert.equal(client.state.status, "connected");
});

test("a send – not_joined – joined again by the cursor, then resent", async () => {
  const client = await world.joined();
  world.socket.say("message", message(1));
  client.send("room", "a");
  world.socket.answer("send_message", no("not_joined"));
  assert.deepEqual(world.socket.all("join").at(-1).payload, { room: "room", cursor: { epoch: "e1", seq: 1 } });
  world.socket.admit("room", { seq: 1, recovered: true });
  await world.pass(300);
  assert.deepEqual(keys(world.socket).map(([, n, text]) => [n, text]), [[1, "a"], [1, "a"]]);
});

test("a hole between live messages – resumed by the cursor, and filled in order", async () => {
  const client = await world.joined();
  world.socket.say("message", message(1));
  world.socket.say("message", message(3));
  assert.deepEqual(world.socket.all("join").at(-1).payload.cursor, { epoch: "e1", seq: 1 });
  world.socket.admit("room", { seq: 3, recovered: true, messages: [message(2), message(3)] });
  assert.deepEqual(seqs(client.rooms.get("room")), [1, 2, 3]);
});

test("a text that is too long – never leaves, fails at once, is discarded", async () => {
  const client = await world.joined();
  const pending = client.send("room", "ä".repeat(4097));
  assert.deepEqual([pending.state, pending.error.code, keys(world.socket)], ["failed", "text_too_long", []]);
  client.discard("room", pending.key);
  assert.deepEqual(client.rooms.get("room").pending, []);
});

test("a reload – rooms, cursor and pending are there, under the same keys", async () => {
  const storage = new FakeStorage();
  const before = await world.joined("room", { storage });
  world.socket.say("message", message(1));
  before.send("room", "unanswered");
  const [key] = keys(world.socket);
  before.close();
  world.pages.push({ rooms: [], heads: [{ room: "room", head: 5, read: null }] });
  const after = world.client({ storage });
  assert.deepEqual([...after.rooms.keys()], ["room"]);
  after.start();
  await world.settle();
  assert.deepEqual(after.rooms.get("room").pending.map(({ text }) => text), ["unanswered"]);
  world.socket.accept();
  await world.settle();
  const join = world.socket.admit("room", { seq: 1, recovered: true });
  assert.deepEqual(join.cursor, { epoch: "e1", seq: 1 });
  await world.settle();
  assert.deepEqual(keys(world.socket), [key]);
  after.send("room", "new"); // It waits for what was written before.
  world.socket.answer("send_message", ok(2));
  await world.settle();
  assert.notEqual(keys(world.socket).at(-1)[0], key[0]);
  before.close(); // Once more, as browsers may.
  assert.equal([...storage.items.keys()].filter((key) => key.includes(":outbox:")).length, 1);
});

test("a reload – after hours, the cursor written further meanwhile – not sent again, and a person decides", async () => {
  const HOURS = 3_600_000;
  const storage = new FakeStorage();
  const before = await world.joined("room", { storage });
  await world.pass(1_100); // Its cursor is kept.
  before.send("room", "unanswered");
  before.close();
  const cursor = (at) => storage.setItem("wordaround:ann:room:room", JSON.stringify({ ...JSON.parse(kept(0)), at }));
  const again = async () => {
    const client = world.client({ storage, now: () => Date.now() + 2 * HOURS });
    client.start();
    world.socket.accept();
    await world.settle();
    world.socket.admit("room", { seq: 0, recovered: true });
    await world.settle();
    const sent = keys(world.socket).map(([, , text]) => text);
    client.close();
    return [client.rooms.get("room").pending[0], sent];
  };
  const written = new Map(storage.items);
  assert.deepEqual((await again())[1], ["unanswered"]); // All since then has come.
  storage.items = new Map(written);
  cursor(Date.now() + HOURS); // By another tab.
  const [pending, sent] = await again();
  assert.deepEqual([pending.state, pending.error.definite, sent], ["failed", false, []]);
});

test("a resume that leaves out what came – after hours away – not sent again, and a person decides", async () => {
  let skipped = 0;
  const client = await world.joined("room", { now: () => Date.now() + skipped });
  const pending = client.send("room", "unanswered");
  world.socket.lose();
  await world.pass(400);
  skipped = 7_200_000;
  world.socket.accept();
  await world.settle();
  world.socket.admit("room", { seq: 5_050, recovered: false, messages: messages(5_001, 5_050) });
  await world.settle();
  assert.deepEqual([pending.state, pending.error?.definite, keys(world.socket)], ["failed", false, []]);
});

test("a resent message – a duplicate of an epoch before, which was received – is in the log, and not lost later", async () => {
  const client = await world.joined();
  const pending = client.send("room", "a");
  world.socket.lose();
  await world.pass(400);
  world.socket.accept();
  await world.settle();
  world.socket.admit("room", { epoch: "e2", seq: 60, recovered: false, messages: messages(11, 60, { epoch: "e2" }) });
  await world.settle();
  world.socket.answer("send_message", { ...ok(5), duplicate: true });
  assert.deepEqual(client.rooms.get("room").pending, []);
  world.socket.lose();
  await world.pass(400);
  world.socket.accept();
  await world.settle();
  world.socket.admit("room", { epoch: "e2", seq: 60, recovered: true });
  assert.equal(pending.error, null);
});

test("two tabs – one user, one storage – never one producer, and neither takes what the other still sends", async () => {
  const storage = new FakeStorage();
  const one = await world.joined("room", { storage });
  const first = world.socket;
  const other = await world.joined("room", { storage });
  one.send("room", "of one");
  other.send("room", "of the other");
  await world.pass(6_000);
  assert.notEqual(keys(first)[0][0], keys(world.socket)[0][0]);
  assert.deepEqual(other.rooms.get("room").pending.map(({ text }) => text), ["of the other"]);
});

test("a tab that crashed – silent for two minutes – another one takes over what it had left", async () => {
  const storage = new FakeStorage();
  const crashed = await world.joined("room", { storage });
  crashed.send("room", "left");
  const kept = new Map(storage.items);
  const [items] = [...kept].filter(([key]) => key.includes(":outbox:")).map(([, text]) => JSON.parse(text).items);
  assert.deepEqual(items.map(({ attempts }) => attempts), [1]); // It was written before it left.
  crashed.close();
  storage.items = kept; // As if it had never closed.
  const other = await world.joined("room", { storage });
  assert.deepEqual(other.rooms.get("room").pending, []);
  await world.pass(126_000);
  assert.deepEqual(other.rooms.get("room").pending.map(({ text }) => text), ["left"]);
});

/** What a life has left that ended before it had tried to send: its `n` is 2, and nothing will ever be sent under 1. */
const untried = () => JSON.stringify({ beat: Date.now(), over: true, items: [{
  key: "dead-2", room: "room", text: "never tried", replyTo: null, at: Date.now(), state: "pending", error: null,
  attempts: 0, clean: true, doubtAt: null, producer: "dead.1", n: 2,
}] });

/** Two tabs that find it in the same instant: what one of them takes away, the other still sees. */
async function twoTabsFind(left, options) {
  const tabs = [];
  for (let i = 0; i < 2; i += 1) {
    const storage = new FakeStorage();
    const client = await world.joined("room", { storage, ...options });
    tabs.push({ client, storage, socket: world.socket });
  }
  for (const { storage } of tabs) storage.setItem("wordaround:ann:outbox:dead", left);
  await world.pass(5_100);
  return tabs;
}

/** Let a node say that it has not got what comes before; returns the keys of all that tabs send after it. */
async function refuseGap(tabs) {
  const before = tabs.map(({ socket }) => keys(socket).length);
  for (const { socket } of tabs) for (const { answer } of socket.all("send_message")) answer(no("out_of_order", { expected: 1 }));
  await world.settle();
  return tabs.flatMap(({ socket }, i) => keys(socket).slice(before[i]));
}

test("two tabs – find what a third has never tried in one instant – one of them takes it, and gives it another key", async () => {
  const tabs = await twoTabsFind(untried(), { locks: new FakeLocks() });
  assert.deepEqual(tabs.map(({ client }) => client.rooms.get("room").pending.length), [1, 0]);
  assert.deepEqual(keys(tabs[0].socket), [["dead.1", 2, "never tried"]]);
  const moved = await refuseGap(tabs);
  assert.deepEqual(moved.map(([, n, text]) => [n, text]), [[1, "never tried"]]);
  await world.pass(5_100);
  assert.deepEqual(keys(tabs[1].socket), [], "the claim lasts");
});

const forbidden = { request: async () => { throw new Error("SecurityError"); } };
for (const [which, locks] of Object.entries({ "without": undefined, "with forbidden": forbidden })) {
  test(`two tabs – the same ${which} locks – both repeat its key, neither gives it another, a person decides`, async () => {
    const tabs = await twoTabsFind(untried(), { locks });
    for (const { socket } of tabs) assert.deepEqual(keys(socket), [["dead.1", 2, "never tried"]]);
    assert.deepEqual(await refuseGap(tabs), []);
    for (const { client } of tabs) {
      const [{ state, error }] = client.rooms.get("room").pending;
      assert.deepEqual([state, error.definite], ["failed", false]);
    }
  });
}

test("two tabs – one has taken over and is gone – the other takes what that one has left, once", async () => {
  const locks = new FakeLocks();
  const tabs = await twoTabsFind(untried(), { locks });
  tabs[0].client.close();
  const left = tabs[0].storage.items;
  locks.release(); // Its page is gone. The other sees now what it has written, and not what it has removed.
  tabs[1].storage.items = new Map(left);
  await world.pass(5_100);
  assert.deepEqual(keys(tabs[1].socket), [["dead.1", 2, "never tried"]]);
  assert.deepEqual([...tabs[1].storage.items.keys()].filter((key) => key.includes(":outbox:")).length, 1);
});

test("a tab that slept – was taken over, woke, and ended – who has its claim takes the rest, too", async () => {
  const storage = new FakeStorage();
  const client = await world.joined("room", { storage, locks: new FakeLocks() });
  for (const n of [2, 3]) {
    const left = JSON.parse(untried());
    Object.assign(left.items[0], { key: `dead-${n}`, text: `${n}`, n });
    storage.setItem("wordaround:ann:outbox:dead", JSON.stringify(left));
    await world.pass(5_100);
  }
  assert.deepEqual(client.rooms.get("room").pending.map(({ text }) => text), ["2", "3"]);
});

/** A client that claims what a dead one has left, and what lets the claim be its own. */
async function claiming(storage) {
  let grant;
  const locks = { request: (_, __, got) => new Promise(() => (grant = () => got({}))) };
  const client = await world.joined("room", { storage, locks });
  storage.setItem("wordaround:ann:outbox:dead", untried());
  await world.pass(5_100);
  return { client, grant: () => (grant(), world.settle()) };
}

test("a claim – answered after the page was closed – takes nothing: it stays for others", async () => {
  const storage = new FakeStorage();
  const { client, grant } = await claiming(storage);
  client.close();
  await grant();
  assert.ok(storage.getItem("wordaround:ann:outbox:dead"));
});

test("a claim – answered after another tab had it and went – takes nothing: it is done", async () => {
  const storage = new FakeStorage();
  const { client, grant } = await claiming(storage);
  storage.removeItem("wordaround:ann:outbox:dead");
  await grant();
  assert.deepEqual(client.rooms.get("room").pending, []);
});

test("two tabs – one has slept, and both have its messages – neither gives one another key", async () => {
  const storage = new FakeStorage();
  let slept = 0;
  const sleeper = await world.joined("room", { storage, now: () => Date.now() - slept });
  const first = world.socket;
  sleeper.send("room", "in flight");
  first.answer("send_message", no("store_unavailable", { retry_after_ms: 60_000 }));
  sleeper.send("room", "waits");
  const other = await world.joined("room", { storage, now: () => Date.now() + 130_000 });
  await world.pass(5_100); // It takes over: nothing was heard of the sleeper for two minutes.
  assert.deepEqual(other.rooms.get("room").pending.map(({ text }) => text), ["in flight", "waits"]);
  slept = -130_000; // It wakes.
  await world.pass(70_000);
  for (const [socket, client] of [[first, sleeper], [world.socket, other]]) {
    const sends = socket.all("send_message");
    for (const { answer } of sends) answer(no("out_of_order", { expected: 9 }));
    await world.settle();
    assert.equal(socket.all("send_message").length, sends.length); // None under a new key.
    const { pending } = client.rooms.get("room");
    assert.ok(pending.every(({ state, error }) => state === "failed" && !error.definite));
  }
});

test("a storage that is full – the chat works on, and says that a reload would forget", async (t) => {
  t.mock.method(console, "warn", () => {});
  const storage = new FakeStorage();
  const client = await world.joined("room", { storage });
  storage.full = true;
  client.send("room", "a");
  await world.pass(6_000);
  assert.equal(client.state.persistent, false);
  assert.equal(keys(world.socket)[0][2], "a");
});

test("a storage that is full for a moment – written again as soon as it can be", async (t) => {
  t.mock.method(console, "warn", () => {});
  const storage = new FakeStorage();
  const client = await world.joined("room", { storage });
  storage.full = true;
  client.send("room", "a");
  await world.pass(6_000);
  storage.full = false;
  await world.pass(6_000);
  assert.equal(client.state.persistent, true);
  const outboxes = () => [...storage.items].filter(([key]) => key.includes(":outbox:")).map(([, text]) => JSON.parse(text));
  assert.deepEqual(outboxes()[0].items.map(({ text }) => text), ["a"]);
  storage.full = true;
  client.send("room", "b");
  client.leave("room");
  assert.deepEqual(outboxes(), []); // To take something away needs no room.
});

test("a storage – one entry damaged – the others are there, and keeping goes on", async () => {
  const storage = new FakeStorage();
  storage.setItem("wordaround:ann:room:a", "{");
  storage.setItem("wordaround:ann:room:b", "null");
  storage.setItem("wordaround:ann:outbox:0", "[1");
  storage.setItem("wordaround:ann:outbox:1", '{"over":true}');
  storage.setItem("wordaround:ann:room:room", kept(3));
  const client = world.client({ storage });
  client.start();
  assert.deepEqual([[...client.rooms.keys()], client.state.persistent], [["room"], true]);
});

test("a reload – far behind – the newest and an honest count instead of a thousand messages", async () => {
  const storage = new FakeStorage();
  const before = await world.joined("room", { storage });
  world.socket.say("message", message(1));
  before.close();
  world.pages.push({ rooms: ["room"], heads: [{ room: "room", head: 5_050, read: null }] });
  world.pages.push({ room: "room", first: 1, messages: messages(4_911, 5_010) });
  const after = world.client({ storage });
  after.start();
  world.socket.accept();
  await world.settle();
  const join = world.socket.admit("room", { seq: 5_050, messages: messages(5_011, 5_050) });
  assert.equal(join.cursor, undefined);
  assert.deepEqual(after.rooms.get("room").dividers, [{ afterSeq: 1, kind: "caught-up", count: 5_049 }]);
});

test("what lies before a short history – the node fails at first – is fetched all the same", async () => {
  const storage = new FakeStorage();
  storage.setItem("wordaround:ann:room:room", kept(3));
  const client = world.client({ storage });
  client.start();
  world.socket.accept();
  await world.settle();
  world.socket.admit("room", { seq: 3, recovered: true });
  world.socket.admit(inboxRoom("ann"));
  await world.pass(2_500); // The node does not answer.
  assert.deepEqual(seqs(client.rooms.get("room")), []);
  world.pages.push({ room: "room", first: 1, messages: [message(1), message(2), message(3)] });
  await world.pass(1_100);
  assert.deepEqual(seqs(client.rooms.get("room")), [1, 2, 3]);
});

test("older messages – fetched once at a time, put in front; a node that fails rejects", async () => {
  const client = await world.joined();
  const room = client.rooms.get("room");
  for (let seq = 101; seq <= 150; seq += 1) world.socket.say("message", message(seq));
  world.socket.say("message_history", { room: "room", epoch: "e2", recovered: false, more: false, messages: [] });
  world.pages = [];
  await world.settle();
  assert.equal(room.epoch, "e2");
  const other = await world.joined("other");
  const big = other.rooms.get("other");
  const about = { room: "other", epoch: "e1", recovered: false, more: false };
  world.socket.say("message_history", { ...about, messages: messages(101, 150, { room: "other" }) });
  world.pages.push({ room: "other", first: 1, messages: messages(1, 100, { room: "other" }) });
  const [came, none] = await Promise.all([other.loadOlder("other"), other.loadOlder("other")]);
  assert.deepEqual([came, none, big.firstSeq, big.hasOlder], [100, 0, 1, false]);
  big.hasOlder = true;
  await assert.rejects(other.loadOlder("other"));
  assert.equal(big.loadingOlder, false);
});

test("a direct message – to who was never there – a notice in the inbox once, and the inbox is left", async () => {
  const client = await world.joined();
  const name = client.openDirect("bob").name;
  assert.equal(name, directRoom("ann", "bob"));
  world.socket.admit(name);
  client.send(name, "psst");
  client.send(name, "hello?");
  world.socket.admit(inboxRoom("bob"));
  await world.settle();
  const notices = world.socket.all("send_message").filter(({ payload }) => payload.room === inboxRoom("bob"));
  assert.deepEqual(notices.map(({ payload }) => payload.text), [notice(name)]);
  notices[0].answer({ ok: true, room: inboxRoom("bob"), epoch: "e1", seq: 1, duplicate: false });
  assert.deepEqual(world.socket.all("leave").map(({ payload }) => payload.room), [inboxRoom("bob")]);
  assert.deepEqual([...client.rooms.keys()], ["room", name]);
});

test("a direct message – to who has left the conversation – a notice again, once in a life", async () => {
  const storage = new FakeStorage();
  const name = directRoom("ann", "bob");
  storage.setItem(`wordaround:ann:room:${name}`, JSON.stringify({ ...JSON.parse(kept(1)), direct: "bob", invited: true }));
  const client = await world.joined("room", { storage });
  world.socket.admit(name, { seq: 1, recovered: true });
  const notices = () => {
    world.socket.admit(inboxRoom("bob"));
    return world.socket.all("send_message").filter(({ payload }) => payload.room === inboxRoom("bob"));
  };
  const users = (...all) => all.map((user) => ({ user, node: "node-1", state: "online" }));
  world.socket.say("user_list", { room: name, epoch: "e1", version: 1, users: users("ann", "bob") });
  client.send(name, "he is there");
  assert.deepEqual(world.socket.all("join").filter(({ payload }) => payload.room === inboxRoom("bob")), []);
  world.socket.say("user_list", { room: name, epoch: "e1", version: 2, users: users("ann") });
  client.send(name, "he has left");
  assert.deepEqual(notices().map(({ payload }) => payload.text), [notice(name)]);
  notices()[0].answer({ ok: true, room: inboxRoom("bob"), epoch: "e1", seq: 1, duplicate: false });
  client.send(name, "once more");
  assert.equal(world.socket.all("join").filter(({ payload }) => payload.room === inboxRoom("bob")).length, 1);
});

test("a foreign inbox – of a life that crashed before it left – is left now", async () => {
  const storage = new FakeStorage();
  storage.setItem(`wordaround:ann:room:${inboxRoom("bob")}`, kept(1));
  await world.joined("room", { storage });
  world.socket.admit(inboxRoom("bob"), { seq: 1, recovered: true });
  assert.deepEqual(world.socket.all("leave").map(({ payload }) => payload.room), [inboxRoom("bob")]);
  assert.deepEqual([...storage.items.keys()].filter((key) => key.includes(inboxRoom("bob"))), []);
});

test("a notice in one's inbox – opens the conversation with its sender, whatever it says", async () => {
  const client = await world.joined();
  const inbox = inboxRoom("ann");
  const sent = (seq, user, text) => ({ ...message(seq, { user, text }), room: inbox });
  world.socket.admit(inbox, { seq: 3, messages: [
    sent(1, "bob", notice(directRoom("ann", "bob"))),
    sent(2, "eve", notice(directRoom("ann", "bob"))),
    sent(3, "eve", "<script>"),
  ] });
  assert.deepEqual([...client.rooms.values()].map(({ direct }) => direct), [null, "bob"]);
  const name = directRoom("ann", "bob");
  world.socket.admit(name, { seq: 1, messages: [{ ...message(1), room: name }] });
  assert.equal(client.rooms.get(name).unread, 1); // Nobody else is to read it.
});

test("typing – told sparingly and ended, shown for a while, gone with the message", async () => {
  const client = await world.joined();
  const room = client.rooms.get("room");
  for (let i = 0; i < 10; i += 1) client.setTyping("room", true);
  assert.equal(world.socket.all("typing").length, 1);
  await world.pass(5_100);
  assert.deepEqual(world.socket.all("typing").at(-1).payload, { room: "room", typing: false });
  world.socket.say("typing", { room: "room", user: "bob", typing: true });
  world.socket.say("typing", { room: "room", user: "cem", typing: true });
  assert.deepEqual(room.typing, ["bob", "cem"]);
  world.socket.say("message", message(1));
  assert.deepEqual(room.typing, ["cem"]);
  await world.pass(6_100);
  assert.deepEqual(room.typing, []);
});

test("reading – asked for with the join, told at most once a second, the last position in the end", async () => {
  const client = await world.joined();
  const told = () => world.socket.all("read").map(({ payload }) => payload.seq);
  assert.deepEqual(told(), [0]);
  for (let seq = 1; seq <= 5; seq += 1) {
    world.socket.say("message", message(seq));
    client.markRead("room");
  }
  assert.equal(client.rooms.get("room").unread, 0);
  await world.pass(2_100);
  assert.deepEqual(told(), [0, 5]);
  assert.equal(world.socket.all("read").at(-1).payload.epoch, "e1");
  world.socket.say("read", { room: "room", reads: [{ user: "bob", epoch: "e1", seq: 3 }] });
  assert.deepEqual([...client.rooms.get("room").reads], [["ann", 5], ["bob", 3]]);
});

test("events – a burst – one of each kind, with all that has changed", async () => {
  const client = await world.joined();
  await world.pass(100);
  const seen = [];
  client.addEventListener("room", ({ detail }) => seen.push(detail));
  for (let seq = 1; seq <= 100; seq += 1) world.socket.say("message", message(seq));
  await world.pass(20);
  assert.equal(seen.length, 1);
  assert.equal(seen[0].room, "room");
  assert.ok(seen[0].what.has("messages") && seen[0].what.has("unread"));
});

test("the directory – private rooms left out, unread counted from the last read position", async () => {
  const client = await world.joined();
  world.pages.push({ rooms: [], heads: [
    { room: "room", head: 9, read: 4 }, { room: "quiet", head: 7, read: 7 }, { room: "busy", head: 30, read: 10 },
    { room: "new", head: 3, read: null },
    { room: directRoom("x", "y"), head: 1, read: null }, { room: inboxRoom("x"), head: 1, read: null },
  ] });
  await client.refreshRooms();
  assert.deepEqual(client.directory, [
    { name: "room", head: 9, unread: 0 }, { name: "quiet", head: 7, unread: 0 },
    { name: "busy", head: 30, unread: 20 }, { name: "new", head: 3, unread: null },
  ]);
});

test("leaving – told, forgotten for the next life, and nothing of it comes back", async () => {
  const storage = new FakeStorage();
  const client = await world.joined("room", { storage });
  client.send("room", "given up");
  await world.pass(1_100);
  assert.ok([...storage.items.keys()].some((key) => key.endsWith(":room:room")));
  client.leave("room");
  assert.deepEqual(world.socket.all("leave").map(({ payload }) => payload), [{ room: "room" }]);
  world.socket.say("message", message(1));
  client.close();
  const after = world.client({ storage });
  assert.deepEqual([...after.rooms.keys()], []);
});
