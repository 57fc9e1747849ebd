/**
 * SHA-256 (FIPS 180-4). Browsers have it in `crypto.subtle`, but only for pages from https or this machine; a
 * chat in a local network comes from neither.
 */

const FRACTIONS = fractions();

/** @param {string} text @returns {string} the hash of its UTF-8, 64 hexadecimal digits */
export function sha256(text) {
  const bytes = padded(new TextEncoder().encode(text));
  const state = FRACTIONS.start.slice();
  for (let at = 0; at < bytes.byteLength; at += 64) mix(state, new DataView(bytes.buffer, at, 64));
  return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
}

/** The bits of the fractional parts of the square and cube roots of the first primes. */
function fractions() {
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  const bits = (root) => Math.floor((root % 1) * 2 ** 32);
  return {
    start: Uint32Array.from(primes.slice(0, 8), (p) => bits(Math.sqrt(p))),
    rounds: Uint32Array.from(primes, (p) => bits(Math.cbrt(p))),
  };
}

function padded(message) {
  const bytes = new Uint8Array(Math.ceil((message.length + 9) / 64) * 64);
  bytes.set(message);
  bytes[message.length] = 0x80;
  const view = new DataView(bytes.buffer);
  view.setUint32(bytes.length - 8, Math.floor(message.length / 2 ** 29));
  view.setUint32(bytes.length - 4, message.length * 8);
  return bytes;
}

const turn = (word, by) => (word >>> by) | (word << (32 - by));

function mix(state, block) {
  const words = schedule(block);
  let [a, b, c, d, e, f, g, h] = state;
  for (let t = 0; t < 64; t++) {
    const sum1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const sum0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
    const one = (h + sum1 + ((e & f) ^ (~e & g)) + FRACTIONS.rounds[t] + words[t]) | 0;
    const two = (sum0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] += word));
}

function schedule(block) {
  const words = new Uint32Array(64);
  for (let t = 0; t < 16; t++) words[t] = block.getUint32(t * 4);
  for (let t = 16; t < 64; t++) {
    const [near, far] = [words[t - 2], words[t - 15]];
    const s1 = turn(near, 17) ^ turn(near, 19) ^ (near >>> 10);
    const s0 = turn(far, 7) ^ turn(far, 18) ^ (far >>> 3);
    words[t] = s1 + words[t - 7] + s0 + words[t - 16];
  }
  return words;
}
