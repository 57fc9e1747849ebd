// The page's chat client without a page, driven by lines of JSON.
//
//     node driver.mjs FOLDER STORAGE      FOLDER holds the official client's node_modules; STORAGE is a file that
//                                         stands in for the browser's localStorage

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

import { ChatClient } from "../../cluster/page/js/client.js";

const [, , folder, file] = process.argv;
const { io } = createRequire(`${folder}/`)("socket.io-client");

class FileStorage {
  #items = new Map(JSON.parse(readFileSync(file, "utf-8") || "[]"));

  get length() {
    return this.#items.size;
  }

  key(i) {
    return [...this.#items.keys()][i] ?? null;
  }

  getItem(key) {
    return this.#items.get(key) ?? null;
  }

  setItem(key, value) {
    this.#items.set(key, value);
    this.#write();
  }

  removeItem(key) {
    this.#items.delete(key);
    this.#write();
  }

  #write() {
    writeFileSync(file, JSON.stringify([...this.#items]));
  }
}

let client;
let talk;
let said = 0;

const rooms = () =>
  Object.fromEntries(
    [...client.rooms.values()].map(({ name, direct, joined, epoch, head, messages, pending, dividers, people, unread, reads, hasOlder }) => [
      name,
      {
        direct, joined, epoch, head, dividers, people, unread, hasOlder, reads: Object.fromEntries(reads),
        messages: messages.map(({ epoch: of, seq, user, text }) => ({ epoch: of, seq, user, text })),
        pending: pending.map(({ key, text, state, error, seq }) => ({ key, text, state, error, seq })),
      },
    ]),
  );

const orders = {
  start({ user, node, fixed = false, join = [] }) {
    client = new ChatClient({ user, node, io, storage: new FileStorage(), fixed });
    for (const room of join) client.join(room);
    client.start();
  },
  call: async ({ method, args }) => {
    await client[method](...args);
    return null;
  },
  talk({ room, everyMs }) {
    talk = setInterval(() => client.send(room, `${client.user} ${++said}`), everyMs);
  },
  hush() {
    clearInterval(talk);
    return said;
  },
  look: () => ({ state: client.state, rooms: rooms(), directory: client.directory }),
};

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { id, order, ...given } = JSON.parse(line);
    let answer;
    try {
      answer = { value: (await orders[order](given)) ?? null };
    } catch (error) {
      answer = { error: `${error.stack}` };
    }
    process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`);
  })
  .on("close", () => process.exit(0));
