// What the cluster view knows, and the one who talks: without a browser and without nodes.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Cluster, byName, roundTrip, stateOf } from "../../cluster/page/js/cluster.js";
import { InStep } from "../../cluster/page/js/in_step.js";
import { Rounds } from "../../cluster/page/js/rounds.js";
import { TALK_S, Talker } from "../../cluster/page/js/talker.js";

/** Nodes that answer as they are told to, and count what they were asked. */
class FakeNodes {
  asked = [];

  constructor(...names) {
    this.up = new Set(names);
    this.names = names;
  }

  url = (name) => `http://${name}`;

  ask = async (url) => {
    const { host, pathname } = new URL(url);
    this.asked.push(`${host}${pathname}`);
    if (!this.up.has(host)) throw new Error("refused");
    return this[pathname.slice(1)](host);
  };

  info = (name) => ({ server_id: name, url: this.url(name), draining: false, connections: 3 });
  health = () => ({ redis: { up: true, reason: null }, tail_lag: { entries: 0 } });
  peers = (name) => ({
    peers: this.names.filter((other) => other !== name).map((other) => ({
      server_id: other, url: this.url(other), state: this.up.has(other) ? "alive" : "dead", round_trip_ms: 2.5,
    })),
  });

  count(name) {
    return this.asked.filter((each) => each === `${name}/info`).length;
  }
}

async function settled() {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
}

async function rounds(count) {
  for (let round = 0; round < count; round++) {
    mock.timers.tick(2000);
    await settled();
  }
}

async function watching(nodes) {
  mock.timers.enable({ apis: ["setTimeout"] });
  const cluster = new Cluster(nodes.url(nodes.names[0]), nodes.ask);
  cluster.start();
  await settled();
  await rounds(1);
  return cluster;
}

const stateNamed = (cluster, name) => stateOf(cluster.nodes.find((node) => node.name === name)).word;

test("the cluster – known from one node – every node, by its own word and its peers'", async (t) => {
  t.after(() => mock.timers.reset());
  const cluster = await watching(new FakeNodes("node-1", "node-2", "node-10"));
  assert.deepEqual(cluster.nodes.map(({ name }) => name), ["node-1", "node-2", "node-10"]);
  assert.ok(cluster.nodes.every((node) => stateOf(node).word === "serving" && roundTrip(node) === 2.5));
  assert.deepEqual([...cluster.nodes[1].heard.keys()].sort(), ["node-1", "node-10"]);
  cluster.stop();
});

test("a node that is down – asked seldom, and at once when a peer says that it is alive", async (t) => {
  t.after(() => mock.timers.reset());
  const nodes = new FakeNodes("node-1", "node-2");
  const cluster = await watching(nodes);
  nodes.up.delete("node-2");
  await rounds(1);
  assert.equal(stateNamed(cluster, "node-2"), "down");
  assert.equal(cluster.nodes[1].connections, null, "what it said is past");
  assert.equal(roundTrip(cluster.nodes[1]), null);
  const asked = nodes.count("node-2");
  await rounds(3);
  assert.equal(nodes.count("node-2"), asked, "nobody says that it is back");
  nodes.up.add("node-2");
  await rounds(2);
  assert.equal(stateNamed(cluster, "node-2"), "serving");
  cluster.stop();
});

test("the cluster – when nobody looks any longer – asks nobody", async (t) => {
  t.after(() => mock.timers.reset());
  const nodes = new FakeNodes("node-1", "node-2");
  const cluster = await watching(nodes);
  cluster.stop();
  const asked = nodes.asked.length;
  await rounds(5);
  assert.equal(nodes.asked.length, asked);
});

test("rounds – stopped and started again while a look is under way – go on once, not twice", async (t) => {
  t.after(() => mock.timers.reset());
  mock.timers.enable({ apis: ["setTimeout"] });
  const ends = [];
  let looked = 0;
  const rounds = new Rounds(() => new Promise((end) => ends.push(end)), () => ++looked && 2000);
  rounds.start();
  rounds.stop();
  rounds.start();
  for (const end of ends.splice(0)) end();
  await settled();
  assert.equal(looked, 1, "the look of before is past");
  mock.timers.tick(2000);
  assert.equal(ends.length, 1);
  rounds.stop();
  ends[0]();
  await settled();
  assert.equal(looked, 1, "nobody watches");
});

test("a server_info – that says the same again – asks nobody, and another one asks soon", async (t) => {
  t.after(() => mock.timers.reset());
  const nodes = new FakeNodes("node-1", "node-2");
  const cluster = await watching(nodes);
  const told = (state) => cluster.told(
    { server_id: "node-1", draining: false, peers: [{ server_id: "node-2", url: "http://node-2", state }] }, "http://node-1");
  told("alive");
  mock.timers.tick(500);
  await settled();
  const asked = nodes.asked.length;
  told("alive");
  mock.timers.tick(500);
  await settled();
  assert.equal(nodes.asked.length, asked);
  told("suspect");
  mock.timers.tick(500);
  await settled();
  assert.ok(nodes.asked.length > asked);
  cluster.stop();
});

test("a node's state – in a word – its own word before that of others", () => {
  const node = (more) => ({ answers: true, draining: false, redis: { up: true }, heard: new Map(), ...more });
  assert.equal(stateOf(node({ answers: null })).word, "not asked yet");
  assert.equal(stateOf(node({ heard: new Map([["x", { state: "dead" }]]) })).word, "serving");
  assert.equal(stateOf(node({ draining: true })).word, "draining");
  assert.equal(stateOf(node({ redis: { up: false } })).word, "without Redis");
  assert.equal(stateOf(node({ answers: false })).word, "down");
  assert.equal(stateOf(node({ answers: false, heard: new Map([["x", { state: "suspect" }]]) })).word, "silent");
  assert.deepEqual(["node-10", "node-2", "a"].sort(byName), ["a", "node-2", "node-10"]);
});

test("views in step – one lags – it is behind by what the furthest has, and late by the clock", () => {
  let now = 0;
  const inStep = new InStep(() => now);
  for (const key of ["a", "b"]) inStep.reached(key, 10);
  for (let head = 11; head <= 15; head++) {
    inStep.reached("a", head);
    now += 4;
    inStep.reached("b", head);
  }
  assert.deepEqual([inStep.furthest, inStep.behind("a"), inStep.behind("b")], [15, 0, 0]);
  assert.deepEqual([inStep.delay("a"), inStep.delay("b")], [0, 4]);
  inStep.reached("a", 28);
  assert.equal(inStep.behind("b"), 13);
  now += 9000;
  inStep.reached("b", 28, { live: false });
  assert.deepEqual([inStep.behind("b"), inStep.delay("b")], [0, 4], "a resume is no delay of delivery");
  inStep.left("a");
  assert.equal(inStep.furthest, 28);
  assert.equal(inStep.delay("a"), null);
});

test("the talker – started – lets all talk in turn, slowly, and stops by itself", (t) => {
  mock.timers.enable({ apis: ["setInterval"] });
  t.after(() => mock.timers.reset());
  const views = ["a", "b", "c"].map((name) => ({ name, waiting: 0, said: [], send(text) { this.said.push(text); } }));
  const talker = new Talker(() => views);
  mock.timers.tick(5000);
  assert.equal(talker.talking, false, "off until it is asked for");
  talker.start();
  talker.start();
  views[2].waiting = 5;
  mock.timers.tick(10_000);
  assert.deepEqual(views.map(({ said }) => said.length), [7, 7, 0], "two a second, and nobody who cannot send");
  mock.timers.tick(TALK_S * 1000);
  assert.equal(talker.talking, false);
  const said = views[0].said.length;
  mock.timers.tick(60_000);
  assert.equal(views[0].said.length, said);
  assert.equal(new Set(views.flatMap((view) => view.said)).size, views.flatMap((view) => view.said).length, "no text twice");
});
