// The script of a report (reports/templates/page.js): an address opens what it leads into, and hurts nothing otherwise.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runInNewContext } from "node:vm";

const SCRIPT = readFileSync(new URL("../../reports/templates/page.js", import.meta.url), "utf-8");

/** A report with one story, folded away in a box, as it is opened at an address. */
function opened(hash) {
  const box = { open: false, parentElement: { closest: () => null } };
  const story = { shown: 0, closest: () => box, scrollIntoView: () => (story.shown += 1) };
  const listeners = {};
  const report = {
    location: { hash },
    document: { querySelectorAll: () => [], getElementById: (id) => (id === "story-1 é" ? story : null) },
    addEventListener: (kind, listener) => (listeners[kind] = listener),
  };
  runInNewContext(SCRIPT, report);
  return { box, story, go: (to) => ((report.location.hash = to), listeners.hashchange()) };
}

test("a report's address – of a folded story, escaped as browsers do – opens and shows it", () => {
  const { box, story } = opened("#story-1%20%C3%A9");
  assert.deepEqual([box.open, story.shown], [true, 1]);
});

for (const hash of ["#%", "#%e", "#%E9", "#story-1%20%", "#", ""]) {
  test(`a report's address – ${JSON.stringify(hash)}, which names nothing – is shown as it is, and links work on`, () => {
    const { box, story, go } = opened(hash);
    assert.deepEqual([box.open, story.shown], [false, 0]);
    go("#story-1%20%C3%A9");
    go(hash);
    assert.deepEqual([box.open, story.shown], [true, 1], "nor does it hurt when one goes there");
  });
}
