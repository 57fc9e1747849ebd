"""One chat connection of the loader: Socket.IO over Engine.IO over a WebSocket over a plain socket.

It knows the least that it takes: no library of a client, so that no library's cost is measured. Setting
up is blocking, but step by step, so that many connections can take each step together.
"""

import base64
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.frames import CLOSE, TEXT, Scan, frame_bytes, masked, scan
from tests.benchmarks.window import Window, parse_ack

STEP_TIMEOUT_S = 30.0
READ_BYTES = 1 << 17
SAMPLE_EVERY = 100
JOIN_ACK, FIRST_SEND_ACK = 0, 1
PING, PONG = b"2", masked(TEXT, b"3")
TEXT_BYTES = 64
HANDSHAKE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
)


class Broken(Exception):
    """A connection did not do what the protocol says, or ended."""


@dataclass(slots=True, eq=False)
class Chat:
    """A connection and what came through it; `window` and latencies of acknowledgements are a sender's."""

    port: int
    room: str
    user: str
    source: str = "127.0.0.1"  # each source address has its own ports: 28,000 connections to one server
    window: Window | None = None
    sock: socket.socket = field(init=False)
    received: int = 0  # `message` events
    samples: int = 0
    pings: int = 0
    frame_bytes: int = 0
    refused: int = 0
    ping_interval_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    contiguous: bool = False
    _rest: bytes = b""
    _unsent: bytes = b""
    _next_sample: int = 1
    _last: tuple[int, int] | None = None  # (received, seq) at the sample before

    def connect(self) -> None:
        """Connect, and ask for a WebSocket."""
        self.sock = socket.create_connection(("127.0.0.1", self.port), STEP_TIMEOUT_S, (self.source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(HANDSHAKE.format(port=self.port, key=key).encode())

    def open(self) -> None:
        """Read the answer; go on to Socket.IO."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._read()
        head, _, self._rest = head.partition(b"\r\n\r\n")
        if b" 101 " not in head.splitlines()[0]:
            raise Broken(f"no WebSocket: {head[:200]!r}")
        self.sock.sendall(masked(TEXT, b"40" + json.dumps({"user": self.user}).encode()))

    def wait_connected(self) -> None:
        """Wait until Socket.IO's connection is there; from here on the socket does not block."""
        self._wait_for(lambda payload: payload.startswith(b"40"))
        self.sock.setblocking(False)

    def ask_to_join(self) -> None:
        """Ask for the room."""
        self.sock.settimeout(STEP_TIMEOUT_S)
        self.sock.sendall(masked(TEXT, event(JOIN_ACK, "join", {"room": self.room, "user": self.user})))

    def wait_joined(self) -> None:
        """Wait for the join's acknowledgement; from here on the socket does not block."""
        answer = self.wait_for_answer(JOIN_ACK)
        if not answer.get("ok"):
            raise Broken(f"not joined: {answer}")
        self.sock.setblocking(False)

    def wait_for_answer(self, ack_id: int) -> dict[str, Any]:
        """Wait for an acknowledgement; the socket blocks from here on."""
        self.sock.settimeout(STEP_TIMEOUT_S)
        answer = parse_ack(self._wait_for(lambda payload: payload.startswith(b"43%d[" % ack_id)))
        if answer is None or not isinstance(answer[1], dict):
            raise Broken(f"no answer that the protocol knows: {answer}")
        return answer[1]

    def poll(self) -> int:
        """Read once, count, answer pings, take acknowledgements; return how many messages came.

        Raises:
            Broken: the connection has ended.
        """
        try:
            data = self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise Broken(str(error)) from error
        if not data:
            raise Broken("the server closed the connection")
        return self.take(data)

    def take(self, data: bytes) -> int:
        """Do what `poll` does with bytes that were read."""
        found = self._scan(data)
        self.received += found.messages
        if self.received >= self._next_sample and found.last_message is not None:
            self._sample(found.last_message)
        for first, payload in found.others:
            self._other(first, payload)
        return found.messages

    def send_messages(self, now_s: float, count: int) -> None:
        """Send so many messages in one go."""
        assert self.window is not None
        self.write(b"".join(self._message(now_s) for _ in range(count)))

    def write(self, data: bytes) -> None:
        """Write what the socket takes; the rest goes with the next call.

        Of a window of 64 nothing is ever left over: it is a fraction of a socket's buffer.
        """
        self._unsent += data
        try:
            self._unsent = self._unsent[self.sock.send(self._unsent) :] if self._unsent else b""
        except BlockingIOError:
            return
        except OSError as error:
            raise Broken(str(error)) from error

    def close(self) -> None:
        """Close without ceremony."""
        if hasattr(self, "sock"):
            self.sock.close()

    def _message(self, now_s: float) -> bytes:
        assert self.window is not None
        ack_id, n = self.window.send(now_s)
        text = f"{self.user} says {n} ".ljust(TEXT_BYTES, "x")
        payload = {"room": self.room, "text": text, "producer": self.user, "n": n}
        return masked(TEXT, event(ack_id, "send_message", payload))

    def _scan(self, data: bytes) -> Scan:
        if self._rest:
            data = self._rest + data
        found = scan(data)
        self._rest = data[found.consumed :]
        return found

    def _other(self, first: int, payload: bytes) -> None:
        if payload == PING:
            self.pings += 1
            self.write(PONG)
        elif first == CLOSE or payload.startswith(b"41"):
            raise Broken(f"the server said goodbye: {payload[:80]!r}")
        elif self.window is not None and (answer := parse_ack(payload)) is not None:
            self._acked(*answer)

    def _acked(self, ack_id: int, answer: Any) -> None:
        assert self.window is not None
        taken_s = self.window.ack(ack_id, time.monotonic())
        if not (isinstance(answer, dict) and answer.get("ok")):
            self.refused += 1
            self.problems.append(f"refused: {_code(answer)}")
        self.latencies_s.append(taken_s)

    def _sample(self, payload: bytes) -> None:
        """Decode one message in a hundred: it is for this room, and there is no hole before it.

        Between two samples exactly as many messages came as `seq` has risen by, so the check covers all.
        """
        self._next_sample = self.received + SAMPLE_EVERY
        self.samples += 1
        self.frame_bytes = frame_bytes(payload)
        name, message = json.loads(payload[2:])
        if name != "message" or message["room"] != self.room:
            self.problems.append(f"for {self.room} came {payload[:200]!r}")
        if self.contiguous:
            self._check_order(message["seq"])

    def _check_order(self, seq: int) -> None:
        before, self._last = self._last, (self.received, seq)
        if before is not None and seq - before[1] != self.received - before[0]:
            came, risen = self.received - before[0], seq - before[1]
            self.problems.append(f"{self.user}: {came} messages came while seq rose by {risen}")

    def _read(self) -> bytes:
        data = self.sock.recv(READ_BYTES)
        if not data:
            raise Broken("the server closed the connection while it was set up")
        return data

    def _wait_for(self, wanted: Callable[[bytes], bool]) -> bytes:
        until = time.monotonic() + STEP_TIMEOUT_S
        data = b""  # What was read with the step before may hold it already.
        while time.monotonic() < until:
            if match := [payload for payload in self._set_up_frames(data) if wanted(payload)]:
                return match[0]
            data = self._read()
        raise Broken("the server did not answer in time")

    def _set_up_frames(self, data: bytes) -> list[bytes]:
        payloads = [payload for _, payload in self._scan(data).others]
        for payload in payloads:
            if payload == PING:
                self.sock.sendall(PONG)
            elif payload.startswith(b"0{"):
                self.ping_interval_s = json.loads(payload[1:])["pingInterval"] / 1000
            elif payload.startswith(b"44"):
                raise Broken(f"refused: {payload[:200]!r}")
        return payloads


def _code(answer: Any) -> str:
    match answer:
        case {"error": {"code": str(code)}}:
            return code
    return str(answer)[:80]


def event(ack_id: int, name: str, payload: dict[str, Any]) -> bytes:
    """Return the packet of an event that asks for an acknowledgement."""
    return f"42{ack_id}{json.dumps([name, payload], separators=(',', ':'))}".encode()


def set_up(chats: list[Chat], *, join: bool = True) -> None:
    """Take connections through their steps together.

    Raises:
        Broken, OSError: one of them failed.
    """
    steps = [Chat.connect, Chat.open, Chat.wait_connected, Chat.ask_to_join, Chat.wait_joined]
    for step in steps if join else steps[:3]:
        for chat in chats:
            step(chat)
