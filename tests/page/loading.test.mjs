// Loading the page's files: where one does not come, that is said, and tried again for a while.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { PAUSES_MS, loaded } from "../../cluster/page/js/loading.js";
import { FakeStorage } from "./fakes.mjs";

const cut = async () => {
  throw new TypeError("Failed to fetch dynamically imported module");
};
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A tab that loads the page again and again, each time with what `load` and `answers` do then. */
class Tab {
  place = new FakeStorage();
  said = [];
  asked = 0;
  reloads = 0;
  files = undefined;
  load = cut;
  answers = async () => true;

  constructor(t) {
    mock.timers.enable({ apis: ["setTimeout"] });
    t.mock.method(console, "warn", () => {});
    t.after(() => mock.timers.reset());
  }

  async open() {
    loaded({
      load: () => this.load(),
      answers: () => ((this.asked += 1), this.answers()),
      place: this.place,
      say: (sentence) => this.said.push(sentence),
      reload: () => (this.reloads += 1),
    }).then((files) => (this.files = files));
    await settled();
  }

  async pass(ms) {
    mock.timers.tick(ms);
    await settled();
  }
}

test("all files come – they are handed over, and nothing is said", async (t) => {
  const tab = new Tab(t);
  tab.load = async () => ["files"];
  await tab.open();
  assert.deepEqual([tab.files, tab.said, tab.asked, tab.reloads], [["files"], [], 0, 0]);
});

test("a file is cut off – said at once, and loaded anew after the pause, where the node answers", async (t) => {
  const tab = new Tab(t);
  await tab.open();
  assert.deepEqual(tab.said, ["Some of the page’s files did not come from this node. The next try is in 1 s."]);
  await tab.pass(PAUSES_MS[0] - 1);
  assert.deepEqual([tab.asked, tab.reloads], [0, 0]);
  await tab.pass(1);
  assert.deepEqual([tab.asked, tab.reloads, tab.files], [1, 1, undefined], "a reload follows, and nothing else");
  tab.load = async () => ["files"];
  await tab.open();
  assert.deepEqual([tab.files, tab.place.length], [["files"], 0], "the next time counts from the beginning");
});

test("a file is cut off – every time – a few reloads with growing pauses, then a person decides", async (t) => {
  const tab = new Tab(t);
  for (const [i, pause] of PAUSES_MS.entries()) {
    await tab.open();
    assert.match(tab.said.at(-1), new RegExp(`try is in ${pause / 1_000} s\\.`));
    await tab.pass(pause);
    assert.equal(tab.reloads, i + 1);
  }
  assert.ok(PAUSES_MS.every((pause, i) => i === 0 || pause > PAUSES_MS[i - 1]));
  await tab.open();
  assert.match(tab.said.at(-1), /did not come from this node\. Load it again later, or open it at another node\.$/);
  await tab.pass(600_000);
  assert.equal(tab.reloads, PAUSES_MS.length);
  await tab.open(); // The person has.
  assert.match(tab.said.at(-1), /try is in 1 s\./);
});

test("the node is gone – not left for the browser's own error page; asked a few times, then a person decides", async (t) => {
  const tab = new Tab(t);
  tab.answers = async () => false;
  await tab.open();
  for (const pause of PAUSES_MS) await tab.pass(pause);
  assert.deepEqual([tab.asked, tab.reloads], [PAUSES_MS.length, 0]);
  assert.match(tab.said.at(-1), /Load it again/);
  await tab.pass(600_000);
  assert.equal(tab.asked, PAUSES_MS.length);
});

test("the node is gone – and back – loaded anew", async (t) => {
  const tab = new Tab(t);
  tab.answers = async () => tab.asked === 2;
  await tab.open();
  await tab.pass(PAUSES_MS[0]);
  assert.equal(tab.reloads, 0);
  await tab.pass(PAUSES_MS[1]);
  assert.equal(tab.reloads, 1);
});

test("a tab that keeps nothing – a person decides at once, since nobody could count", async (t) => {
  for (const place of [undefined, Object.assign(new FakeStorage(), { full: true })]) {
    const tab = new Tab(t);
    tab.place = place;
    await tab.open();
    assert.match(tab.said.at(-1), /Load it again/);
    await tab.pass(600_000);
    assert.equal(tab.reloads, 0);
    mock.timers.reset();
  }
});
