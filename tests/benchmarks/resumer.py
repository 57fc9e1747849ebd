"""A chat client that comes back: it notices the end of its connection and resumes on another node.

It fails over at once to a node drawn at random, as the bots of the harness do, and stamps in its reader
what a measurement needs. It checks what it receives: every `seq` follows the one before it.
"""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.chat import HANDSHAKE, JOIN_ACK, PING, PONG, TEXT_BYTES, Broken, event
from tests.benchmarks.frames import TEXT, BadStream, cut, masked
from tests.benchmarks.window import parse_ack

STEP_TIMEOUT_S = 2.0
RETRY_S = 0.05
SEND_ACK = 7  # of no interest: what was not taken is not resent


@dataclass(slots=True, eq=False)
class Resumer:
    """One client. Times are of `time.monotonic`."""

    ports: Sequence[int]
    room: str
    user: str
    at: int  # the port it is connected to
    rng: random.Random
    on_message: Callable[["Resumer", dict[str, Any], float], None] = lambda client, message, now_s: None
    cursor: dict[str, Any] | None = None
    resumed_s: float | None = None  # when the newest join was acknowledged; `None`: it is not joined
    resumes: int = 0
    problems: list[str] = field(default_factory=list)
    _writer: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        """Stay in the room until cancelled."""
        while True:
            try:
                await self._stay()
            except (OSError, Broken, BadStream, TimeoutError, asyncio.IncompleteReadError):
                self.resumed_s = None
                others = [port for port in self.ports if port != self.at]
                self.at = self.rng.choice(others)
            finally:
                self._hang_up()

    def send(self, text: str) -> None:
        """Send a message if there is a connection; whether it is taken does not matter here."""
        if self._writer is not None and self.resumed_s is not None:
            payload = {"room": self.room, "text": text.ljust(TEXT_BYTES, "x")}
            self._writer.write(masked(TEXT, event(SEND_ACK, "send_message", payload)))

    async def _stay(self) -> None:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            reader = await self._connect()
        rest = b""
        while True:
            # Until it is joined it is impatient; later the pings of the node show that it lives.
            async with asyncio.timeout(STEP_TIMEOUT_S if self.resumed_s is None else None):
                data = await reader.read(1 << 16)
            if not data:
                raise Broken("the node closed the connection")
            now_s = time.monotonic()
            payloads, consumed = cut(rest + data)
            rest = (rest + data)[consumed:]
            for payload in payloads:
                await self._take(payload, now_s)

    async def _connect(self) -> asyncio.StreamReader:
        try:
            reader, self._writer = await asyncio.open_connection("127.0.0.1", self.at)
        except OSError:
            await asyncio.sleep(RETRY_S * self.rng.uniform(0.5, 1.0))  # Nobody listens: not at once again.
            raise
        self._writer.write(HANDSHAKE.format(port=self.at, key="x" * 22 + "==").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.splitlines()[0]:
            raise Broken(f"no WebSocket: {head[:80]!r}")
        self._write(b"40" + json.dumps({"user": self.user}).encode())
        return reader

    async def _take(self, payload: bytes, now_s: float) -> None:
        if payload == PING:
            assert self._writer is not None
            self._writer.write(PONG)
        elif payload.startswith(b"40"):
            self._join()
        elif payload.startswith(b"41") or payload.startswith(b"44"):
            raise Broken("sent away")
        elif payload.startswith(b"43%d[" % JOIN_ACK):
            await self._joined(payload, now_s)
        elif payload.startswith((b'42["message",', b'42["message_history",')):
            self._received(*json.loads(payload[2:]), now_s)

    def _join(self) -> None:
        cursor = {} if self.cursor is None else {"cursor": self.cursor}
        self._write(event(JOIN_ACK, "join", {"room": self.room, "user": self.user, **cursor}))

    async def _joined(self, payload: bytes, now_s: float) -> None:
        answer = parse_ack(payload)
        assert answer is not None
        if answer[1].get("ok"):
            self.cursor = self.cursor or {"epoch": answer[1]["epoch"], "seq": answer[1]["seq"]}
            self.resumed_s = now_s
            self.resumes += 1
            return
        await asyncio.sleep(answer[1]["error"].get("retry_after_ms", 250) / 1000)
        self._join()

    def _received(self, name: str, payload: dict[str, Any], now_s: float) -> None:
        if name == "message_history":
            if self.cursor is not None and not payload["recovered"]:
                self.cursor = None  # Told honestly: what follows is a snapshot.
                self.problems.append(f"{self.user} was told that it cannot resume")
            for message in payload["messages"]:
                self._advance(message)
            return
        self._advance(payload)
        self.on_message(self, payload, now_s)

    def _advance(self, message: dict[str, Any]) -> None:
        if self.cursor is not None and message["seq"] != self.cursor["seq"] + 1:
            self.problems.append(f"{self.user}: after {self.cursor['seq']} came {message['seq']}")
        self.cursor = {"epoch": message["epoch"], "seq": message["seq"]}

    def _write(self, payload: bytes) -> None:
        assert self._writer is not None
        self._writer.write(masked(TEXT, payload))

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None


@contextlib.asynccontextmanager
async def staying(clients: Sequence[Resumer]) -> Any:
    """Run clients in the background until the end of the context; their bugs are raised there."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.run()) for client in clients]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
