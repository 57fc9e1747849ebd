// The buttons that kill and restart members: what they say when that is refused, or nobody answers.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Control } from "../../cluster/page/js/control.js";
import { MemberButtons } from "../../cluster/page/js/views/member_buttons.js";
import { element, fakeDocument } from "./fake_dom.mjs";

const member = (state) => ({ name: "node-1", role: "node", state });
const answer = (status, body) => async () => ({ ok: status < 400, status, json: async () => body });
const cut = async () => {
  throw new TypeError("Failed to fetch");
};

/** What each path answers; and all that the buttons tell. */
let answers;
let told;
let slot;
let buttons;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  fakeDocument();
  mock.method(globalThis, "fetch", async (url) => answers[new URL(url).pathname]());
  told = { said: [], failed: "", changed: [] };
  slot = element();
});

afterEach(() => {
  buttons.stop();
  mock.timers.reset();
  mock.restoreAll();
});

async function settled() {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** The button of a member in this state, once somebody answers for it. */
async function shown(state) {
  answers = { "/members": answer(200, { members: [member(state)] }) };
  buttons = new MemberButtons(new Control({ url: "http://127.0.0.1:1", token: "t" }), {
    say: (text) => told.said.push(text), fail: (text) => (told.failed = text), changed: (names) => told.changed.push(...names),
  });
  buttons.fill("node-1", slot);
  buttons.start();
  await settled();
  return slot.querySelector("button");
}

/** Press a button that asks back, twice. */
async function confirm(t, button) {
  let now = 0;
  t.mock.method(performance, "now", () => now);
  await button.click();
  now = 1_000;
  await button.click();
}

test("a kill – refused – the owner's sentence is said beside the member's name, and the button is there again", async (t) => {
  const button = await shown("ready");
  answers["/members/node-1/kill"] = answer(409, { error: "it is down already; restart it first" });
  await confirm(t, button);
  assert.equal(told.failed, "node-1: it is down already; restart it first");
  assert.ok(!told.said.includes("node-1 was killed."), "nothing is said to be done");
  assert.deepEqual([button.disabled, button.textContent], [false, "Kill"]);
  mock.timers.tick(2_000);
  await settled();
  assert.equal(told.failed, "node-1: it is down already; restart it first", "a look at the members leaves it there");
  answers["/members/node-1/kill"] = answer(200, { member: member("down") });
  await confirm(t, button);
  assert.deepEqual([told.failed, told.said.at(-1)], ["", "node-1 was killed."], "the next press takes it away");
});

test("a restart – refused – the owner's sentence is said, and the button can be pressed again", async () => {
  const button = await shown("down");
  answers["/members/node-1/restart"] = answer(409, { error: "the cluster is ending" });
  await button.click();
  await settled();
  assert.equal(told.failed, "node-1: the cluster is ending");
  assert.deepEqual([button.disabled, button.textContent, told.said], [false, "Restart", []]);
});

for (const [action, state] of [["kill", "ready"], ["restart", "down"]]) {
  test(`a ${action} – not answered – it is said that nobody knows, in words of this page`, async (t) => {
    const button = await shown(state);
    for (const failing of [cut, async () => ({ ok: true, status: 200, json: async () => JSON.parse("<html>") })]) {
      answers[`/members/node-1/${action}`] = failing;
      await (action === "kill" ? confirm(t, button) : button.click());
      await settled();
      t.mock.restoreAll();
      const unknown = "node-1: whoever started this cluster did not answer, so whether it was done is not known: see its state";
      assert.equal(told.failed, unknown);
    }
    assert.equal(button.disabled, false);
  });
}

test("the owner – gone, then back – said for as long as it is so, and without buttons", async () => {
  await shown("ready");
  const { "/members": there } = answers;
  answers["/members"] = cut;
  mock.timers.tick(2_000);
  await settled();
  assert.match(told.failed, /no longer answers, so nothing can be killed or restarted from here/);
  assert.equal(slot.querySelector("button"), null);
  answers["/members"] = there;
  mock.timers.tick(2_000);
  await settled();
  assert.equal(told.failed, "");
  assert.equal(slot.querySelector("button").textContent, "Kill");
});
