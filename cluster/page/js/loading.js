// Loading the page's files. Where one does not come the page says so, and is loaded anew: a browser may remember for as
// long as a page lives that a module could not be had. It does so by itself a few times, and only while its node
// answers, since of one that does not the browser would show nothing but its own page of errors.

import { keep, kept } from "./storage.js";

export const PAUSES_MS = [1_000, 2_000, 4_000, 8_000];
const TRIES = "wordaround:loads"; // How many pauses of these this tab has waited since all files came.
const CUT = "Some of the page’s files did not come from this node.";

/**
 * What `load` brings; where it fails this never resolves, and somebody is told.
 *
 * @param {object} options
 * @param {() => Promise<any>} options.load
 * @param {() => Promise<boolean>} options.answers  whether the node answers
 * @param {Storage|undefined} options.place  outlives a reload
 * @param {(sentence: string) => void} options.say
 * @param {() => void} options.reload
 */
export async function loaded({ load, answers, place, say, reload }) {
  try {
    const files = await load();
    keep(place, TRIES, null);
    return files;
  } catch (error) {
    console.warn("The page could not be loaded:", error.message);
  }
  await again({ answers, place, say });
  reload();
  return new Promise(() => {}); // The reload ends all that waits for it.
}

/** Resolves when the page is to be loaded anew; never, where that is left to a person. */
async function again({ answers, place, say }) {
  for (let waited = Number(kept(place, TRIES)); waited < PAUSES_MS.length && count(place, waited + 1); waited += 1) {
    say(`${CUT} The next try is in ${PAUSES_MS[waited] / 1_000} s.`);
    await new Promise((resolve) => setTimeout(resolve, PAUSES_MS[waited]));
    if (await answers()) return;
  }
  keep(place, TRIES, null); // Who loads it again begins anew.
  say(`${CUT} Load it again later, or open it at another node.`);
  await new Promise(() => {});
}

/** Returns whether it could be kept: without that a page would load itself for ever. */
function count(place, tries) {
  keep(place, TRIES, `${tries}`);
  return kept(place, TRIES) === `${tries}`;
}
