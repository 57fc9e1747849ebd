"""A WebSocket client that writes exactly the bytes it is told to, and shows exactly what came back."""

import base64
import hashlib
import json
import os
import re
import socket
import struct
import time
import zlib
from dataclasses import dataclass
from typing import Any

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
PATIENCE_S = 10.0
PATH = "/socket.io/?EIO=4&transport=websocket"
_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PACKET = re.compile(r"(?P<engine>\d)(?P<kind>\d?)(?P<namespace>(/[^,]*,)?)(?P<id>\d*)(?P<json>.*)", re.S)


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame from the server, as it was on the wire, its length in so many extra bytes (0, 2 or 8)."""

    fin: bool
    rsv: int
    opcode: int
    masked: bool
    length_bytes: int
    payload: bytes

    @property
    def text(self) -> str:
        """Return the payload of a text frame."""
        assert self.opcode == TEXT, self
        return self.payload.decode()

    def is_plain(self) -> bool:
        """Tell whether it is whole, unmasked, uncompressed, with its length as short as can be."""
        size = len(self.payload)
        shortest = 0 if size < 126 else 2 if size < 65536 else 8
        return self.fin and not self.rsv and not self.masked and self.length_bytes == shortest


class Ended(Exception):
    """The server has closed the connection."""


def frame(
    payload: "bytes | str", *, opcode: int = TEXT, fin: bool = True, rsv: int = 0, masked: bool = True
) -> bytes:
    """Return the bytes of a client's frame; a text's opcode is the default."""
    data = payload.encode() if isinstance(payload, str) else payload
    head = bytes([fin << 7 | rsv << 4 | opcode])
    mask_bit = masked << 7
    if len(data) < 126:
        head += bytes([mask_bit | len(data)])
    elif len(data) < 65536:
        head += struct.pack("!BH", mask_bit | 126, len(data))
    else:
        head += struct.pack("!BQ", mask_bit | 127, len(data))
    if not masked:
        return head + data
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(data))


class RawClient:
    """A connection. `status` and `headers` are those of the answer to its upgrade."""

    def __init__(self, port: int, *, path: str = PATH, **headers: str) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        key = base64.b64encode(os.urandom(16))
        self.accept = base64.b64encode(hashlib.sha1(key + _ACCEPT).digest()).decode()
        fields = {
            "Host": f"127.0.0.1:{port}", "Upgrade": "websocket", "Connection": "Upgrade",
            "Sec-WebSocket-Key": key.decode(), "Sec-WebSocket-Version": "13",
        }  # fmt: skip
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value)]
        self.write("\r\n".join([*lines, "", ""]).encode())
        self._read_head()
        self._inflate = zlib.decompressobj(-15) if self.deflates else None

    @property
    def deflates(self) -> bool:
        """Tell whether compression was agreed upon."""
        return "permessage-deflate" in self.headers.get("sec-websocket-extensions", "")

    def write(self, data: bytes) -> None:
        """Write bytes, in one segment as far as TCP allows."""
        self._sock.sendall(data)

    def send(self, *texts: str) -> None:
        """Write whole text frames, all in one go."""
        self.write(b"".join(map(frame, texts)))

    def dribble(self, data: bytes, size: int) -> None:
        """Write bytes in many segments."""
        for start in range(0, len(data), size):
            self.write(data[start : start + size])
            time.sleep(0.002)  # So that each becomes a segment of its own.

    def frame(self) -> Frame:
        """Return the next frame.

        Raises:
            Ended: there is none any more.
            TimeoutError: none came in time.
        """
        first, second = self._take(2)
        length, length_bytes = second & 127, 0
        if length > 125:
            length_bytes = 2 if length == 126 else 8
            length = int.from_bytes(self._take(length_bytes))
        assert not second & 128, "a server must not mask"
        return Frame(
            fin=bool(first & 128), rsv=first >> 4 & 7, opcode=first & 15, masked=bool(second & 128),
            length_bytes=length_bytes, payload=self._take(length),
        )  # fmt: skip

    def text(self) -> str:
        """Return the next frame's text, which has to be whole."""
        found = self.frame()
        assert found.fin
        if found.rsv == 4 and self._inflate is not None:
            return self._inflate.decompress(found.payload + b"\0\0\xff\xff").decode()
        assert found.is_plain(), found
        return found.text

    def packet(self, *unless: str) -> "Packet":
        """Return the next packet that is not one of these events."""
        while True:
            found = Packet.parse(self.text())
            if found.event not in unless:
                return found

    def until_end(self) -> list[Frame]:
        """Return all frames up to the end of the connection."""
        frames = []
        try:
            while True:
                frames.append(self.frame())
        except Ended:
            return frames

    def until_close_frame(self) -> Frame:
        """Return the frame that begins or answers the closing handshake."""
        while True:
            found = self.frame()
            if found.opcode == CLOSE:
                return found

    def connect(self, auth: str = '{"user":"ann"}') -> "RawClient":
        """Read the open packet, connect to the namespace, read the answer and the `server_info`."""
        self.send(f"40{auth}")
        assert [self.packet().prefix, self.packet().prefix] == ["0", "40"]
        assert self.packet().event == "server_info"
        return self

    def close(self) -> None:
        """Close without a word."""
        self._sock.close()

    def _read_head(self) -> None:
        while b"\r\n\r\n" not in self._buffer:
            self._receive()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split(" ")[1])
        self.headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}

    def body(self) -> str:
        """Return the body of an answer that is no upgrade."""
        return self._take(int(self.headers["content-length"])).decode()

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._receive()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _receive(self) -> None:
        try:
            data = self._sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Ended
        self._buffer += data


@dataclass(frozen=True, kw_only=True, slots=True)
class Packet:
    """An Engine.IO packet: the bytes before its JSON, and the JSON with what is free masked by its type."""

    prefix: str
    json: Any

    @classmethod
    def parse(cls, text: str) -> "Packet":
        """Split and mask a text."""
        match = _PACKET.fullmatch(text)
        assert match is not None, text
        content = match["json"]
        return cls(
            prefix=text[: len(text) - len(content)], json=_masked(json.loads(content)) if content else None
        )

    @property
    def event(self) -> str | None:
        """Return the event's name, `None` for every other packet."""
        return self.json[0] if self.prefix.startswith("42") else None


# What is random, or another server's own, and the words of errors, which are for people.
_FREE = frozenset(
    {"sid", "session_id", "server_id", "epoch", "sent_at", "node", "producer", "peers", "message"}
)


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if isinstance(value, dict):
        return {k: type(v).__name__ if k in _FREE else _masked(v) for k, v in value.items()}
    return value
