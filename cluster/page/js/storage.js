// What the browser keeps. It may be full, or forbidden, where looking at it is an error already: then nothing is kept.

/** The storage that outlives the browser; undefined where there is none. */
export const storage = () => quietly(() => localStorage);

/** The one that lasts as long as the tab. */
export const tabStorage = () => quietly(() => sessionStorage);

/** What is kept under a name, or null. */
export const kept = (place, name) => quietly(() => place?.getItem(name)) ?? null;

/** Keep a text under a name, where that can be; null forgets it. */
export function keep(place, name, text) {
  quietly(() => (text === null ? place?.removeItem(name) : place?.setItem(name, text)));
}

function quietly(act) {
  try {
    return act();
  } catch {
    return undefined; // Nothing that is kept here is worth more than the page; what would be forgotten, the page says.
  }
}
