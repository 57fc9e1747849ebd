// socket.io's own JavaScript client, driven by lines of JSON; `driven.py` has the words.
//
//     node driver.mjs FOLDER      FOLDER holds the node_modules that package.json names

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { io } = createRequire(`${process.argv[2]}/`)("socket.io-client");

const RECONNECTION = { reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 500 };

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

let socket;
let home; // the node that was connected last, or is to be connected first
let peers = []; // the nodes that `server_info` last called alive
let tries = 0;

// The same rule as in driver.py: the peers in turn, then the node that was lost, and so round.
function nextUrl() {
  const urls = [...peers, home];
  return urls[tries++ % urls.length];
}

function learn(info) {
  peers = info.peers.filter((peer) => peer.state === "alive").map((peer) => peer.url);
}

function connect({ url, auth }) {
  home = url;
  socket = io(url, { transports: ["websocket"], auth, ...RECONNECTION });
  // The client has no public way to reconnect to another address; this is what applications write.
  socket.io.on("reconnect_attempt", () => (socket.io.uri = nextUrl()));
  socket.io.on("reconnect_error", (error) => say({ is: "retrying", message: error.message }));
  socket.on("connect", () => {
    home = socket.io.uri;
    tries = 0;
    say({ is: "connected", url: home, sid: socket.id });
  });
  socket.on("disconnect", (reason) => say({ is: "disconnected", reason }));
  socket.on("connect_error", (error) => {
    // Active: the client tries again by itself, and nothing was refused.
    if (!socket.active) say({ is: "refused", message: error.message, data: error.data ?? null });
  });
  socket.onAny((name, ...args) => {
    if (name === "server_info") learn(args[0]);
    say({ is: "event", name, args });
  });
}

function emit({ id, event, args }) {
  if (!socket.connected) {
    if (id !== null) say({ is: "lost", id });
  } else if (id === null) {
    socket.emit(event, ...args);
  } else {
    socket.emit(event, ...args, (...answer) => say({ is: "ack", id, args: answer }));
  }
}

const orders = { connect, emit, disconnect: () => socket.disconnect() };

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const order = JSON.parse(line);
  orders[order.do](order);
});
lines.on("close", () => process.exit(0));
