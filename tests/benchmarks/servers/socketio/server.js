// The usual chat server of socket.io with a Redis adapter, written as its documentation says.
// `node server.js PORT REDIS_URL NAME redis|streams`

import { createServer } from "node:http";
import { createAdapter as createRedisAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const [port, redisUrl, name, adapterKind] = process.argv.slice(2);
const EPOCH = "0123456789abcdef"; // as long as WordAround's, so that frames are of one size

async function makeAdapter() {
  const client = createClient({ url: redisUrl });
  await client.connect();
  if (adapterKind === "streams") return createStreamsAdapter(client);
  const subscriber = client.duplicate();
  await subscriber.connect();
  return createRedisAdapter(client, subscriber);
}

const httpServer = createServer();
const io = new Server(httpServer, { adapter: await makeAdapter(), transports: ["websocket"] });
let number = 0;

io.on("connection", (socket) => {
  const { user } = socket.handshake.auth;

  socket.on("join", async ({ room }, acknowledge) => {
    await socket.join(room);
    acknowledge({ ok: true, room });
  });

  socket.on("send_message", ({ room, text, producer, n }, acknowledge) => {
    const seq = ++number;
    const sent_at = Date.now() / 1000;
    io.to(room).emit("message", { seq, room, epoch: EPOCH, producer, n, user, text, sent_at, node: name });
    acknowledge({ ok: true, room, seq });
  });
});

httpServer.listen(Number(port), "127.0.0.1");
