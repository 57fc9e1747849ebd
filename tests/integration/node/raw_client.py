"""A WebSocket client that can say anything: sound frames, unsound ones, and bytes that are none.

What it hears is parsed strictly (wsproto): a frame of the node's that is torn or out of place fails the test.
"""

import base64
import os
import socket
import struct
import time
from collections.abc import Callable

import wsproto
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import CloseConnection, Ping, Pong, TextMessage

HOST = "127.0.0.1"
PATIENCE_S = 8.0
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(
    opcode: int,
    payload: bytes,
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    claimed: int | None = None,
) -> bytes:
    """Return the bytes of a frame; `claimed` is the length that it says it has."""
    size = len(payload) if claimed is None else claimed
    first = (0x80 if fin else 0) | (reserved & 7) << 4 | (opcode & 15)
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, mask_bit | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first, mask_bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, size)
    return head + (b"\0\0\0\0" if masked else b"") + payload  # A mask of zeroes changes nothing.


class RawClient:
    """One TCP connection to a node, after its WebSocket handshake."""

    def __init__(self, port: int, *, user: str | None = "fuzz") -> None:
        self.sock = socket.create_connection((HOST, port), timeout=PATIENCE_S)
        self.sock.sendall(handshake(port))
        self._parser = Connection(ConnectionType.CLIENT)
        self._begin()
        self.heard: list[str] = []  # Engine.IO packets, without pings
        self.pongs: list[bytes] = []
        self.code: int | None = None  # of the WebSocket's end
        self.closed = False
        self._text = ""
        if user is not None:
            self.say(f'40{{"user":"{user}"}}')
            self.wait(lambda: any(packet.startswith("40{") for packet in self.heard), "welcome")

    def say(self, text: str | bytes) -> None:
        """Send a text frame."""
        self.send(frame(TEXT, text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text))

    def send(self, data: bytes) -> None:
        """Send bytes; that the node has hung up is no error."""
        try:
            self.sock.sendall(data)
        except OSError:
            self.closed = True

    def answer(self, ack_id: int) -> str | None:
        """Wait for an acknowledgement and return it, `None` where the connection ended instead."""
        begins = f"43{ack_id}["
        found: list[str] = []

        def answered() -> bool:
            found.extend(packet for packet in self.heard if packet.startswith(begins))
            return bool(found) or self.closed

        self.wait(answered, f"an answer to {ack_id}")
        return found[0][len(begins) - 1 :] if found else None

    def wait(self, condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        """Hear what the node says until a condition holds."""
        until_s = time.monotonic() + patience_s
        while not condition():
            left_s = until_s - time.monotonic()
            assert left_s > 0, f"not within {patience_s} s: {what}; heard: {self.heard[-3:]}"
            assert not self.closed, f"closed ({self.code}) before {what}; heard: {self.heard[-3:]}"
            self._hear(left_s)

    def hear_for(self, quiet_s: float) -> None:
        """Hear what comes within a time, or to the end of the connection."""
        until_s = time.monotonic() + quiet_s
        while not self.closed and (left_s := until_s - time.monotonic()) > 0:
            self._hear(left_s)

    def close(self) -> None:
        """Go without a good-bye."""
        self.sock.close()

    def _begin(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            more = self.sock.recv(65_536)
            assert more, f"no WebSocket: {head!r}"
            head += more
        head, _, rest = head.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        self._rest = rest

    def _hear(self, patience_s: float) -> None:
        data, self._rest = self._rest, b""
        if not data:
            self.sock.settimeout(max(patience_s, 0.001))
            try:
                data = self.sock.recv(65_536)
            except TimeoutError:
                return
            except OSError:
                data = b""
        if not data:
            self.closed = True
            return
        self._parser.receive_data(data)
        for event in self._parser.events():
            self._take(event)

    def _take(self, event: wsproto.events.Event) -> None:
        match event:
            case TextMessage(data=data, message_finished=finished):
                self._text += data
                if finished:
                    self._packet(self._text)
                    self._text = ""
            case Ping(payload=payload):
                self.send(frame(PONG, bytes(payload)))
            case Pong(payload=payload):
                self.pongs.append(bytes(payload))
            case CloseConnection(code=code, reason=reason):
                torn = self._parser.state is ConnectionState.OPEN
                assert not torn, f"what the node wrote is no WebSocket frame: {reason}"
                self.code = code
                self.send(frame(CLOSE, struct.pack("!H", 1000)))
                self.closed = True
            case other:
                raise AssertionError(f"a node never sends {other!r}")

    def _packet(self, packet: str) -> None:
        if packet == "2":
            self.say("3")
        else:
            self.heard.append(packet)


def handshake(port: int, *, path: str = "/socket.io/?EIO=4&transport=websocket") -> bytes:
    """Return the HTTP request that begins a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
