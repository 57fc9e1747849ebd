"""WebSocket frames (RFC 6455) as a pure codec: bytes in, messages out; no sockets.

A node writes each message to many connections and reads small messages from many, and that is most of what
it does; so frames to be sent are made once, as bytes that any connection can write, and what is received is
unmasked as one big integer. Both are several times cheaper than a general library's events, and the tests
hold them to such a library.

What a server must refuse, it refuses with the close code that the RFC names: 1002 for what breaks
the framing, 1007 for text that is no UTF-8, 1009 for what is too long. After that nothing more is read.
Extensions are never agreed to, so their bits are never set.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import pack
from typing import Final

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_CONTINUATION = 0x0
_FIN, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
_LONGEST_CONTROL = 125
_LONGEST_REASON = 123

NORMAL, GOING_AWAY, PROTOCOL_ERROR, NOT_UTF8, POLICY, TOO_BIG = 1000, 1001, 1002, 1007, 1008, 1009
_NO_STATUS: Final = 1005  # Never on the wire: the peer gave none.
_CODES_ON_THE_WIRE = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


class FrameError(Exception):
    """The peer broke the protocol; `code` is what to close with."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Binary:
    """A whole binary message; nobody here wants to know what is in it."""

    length: int


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping, to be answered with a pong that carries the same payload."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The peer closes; nothing comes after it. `code` 1005: it gave none."""

    code: int


Event = str | Binary | Ping | Close  # A whole text message is its text.


def text_frame(payload: bytes) -> bytes:
    """Return the frame of one text message, as a server sends it (unmasked, one fragment)."""
    return _head(TEXT, len(payload)) + payload


def pong_frame(payload: bytes) -> bytes:
    """Return the answer to a ping."""
    return _head(PONG, len(payload)) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close frame; a reason of more than 123 bytes of UTF-8 is cut. 1005 gives an empty one."""
    if code == _NO_STATUS:
        return _head(CLOSE, 0)
    said = reason.encode()[:_LONGEST_REASON].decode(errors="ignore").encode()
    return _head(CLOSE, 2 + len(said)) + pack("!H", code) + said


def end_of_frame(data: bytes, offset: int) -> int:
    """Return where the frame ends that the byte before `offset` belongs to.

    `data` are whole frames of a server. At the very end of a frame, that is `offset` itself.
    """
    end = 0
    while end < offset:
        end += _length(data, end)
    return end


def _head(opcode: int, length: int) -> bytes:
    if length < 126:
        return bytes((_FIN | opcode, length))
    if length < 65_536:
        return pack("!BBH", _FIN | opcode, 126, length)
    return pack("!BBQ", _FIN | opcode, 127, length)


def _length(data: bytes, at: int) -> int:
    short = data[at + 1]
    if short < 126:
        return 2 + short
    if short == 126:
        return 4 + int.from_bytes(data[at + 2 : at + 4])
    return 10 + int.from_bytes(data[at + 2 : at + 10])


class FrameReader:
    """Reads what one client sends. `limit`: the most bytes that one message may have."""

    __slots__ = ("_buffer", "_fragments", "_held", "_kind", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = b""
        self._fragments: list[bytes] | None = None
        self._held = 0  # bytes of all fragments
        self._kind = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield what has come whole with these bytes, in order; must be run to its end, or never again.

        Raises:
            FrameError: from there on nothing of this client can be understood.
        """
        data = self._buffer + data if self._buffer else data
        at = 0
        while True:
            frame = self._frame(data, at)
            if frame is None:
                self._buffer = data[at:]
                return
            first, payload, at = frame
            event = self._event(first, payload)
            if event is not None:
                yield event

    def _frame(self, data: bytes, at: int) -> tuple[int, bytes, int] | None:
        """Return a frame's first byte, its payload and where the next one begins; `None`: not all is here."""
        have = len(data) - at
        if have < 2:
            return None
        first, second = data[at], data[at + 1]
        length, begins = second & _LENGTH, at + 6
        if length == 126:
            if have < 4:
                return None
            length, begins = int.from_bytes(data[at + 2 : at + 4]), at + 8
        elif length == 127:
            if have < 10:
                return None
            length, begins = int.from_bytes(data[at + 2 : at + 10]), at + 14
        self._check_head(first, second, length)
        ends = begins + length
        if len(data) < ends:
            return None
        return first, _unmask(data[begins:ends], data[begins - 4 : begins]), ends

    def _check_head(self, first: int, second: int, length: int) -> None:
        opcode = first & _OPCODE
        if first & _RESERVED:
            raise FrameError(PROTOCOL_ERROR, "a reserved bit is set, and no extension was agreed to")
        if not second & _MASKED:
            raise FrameError(PROTOCOL_ERROR, "a client's frame is not masked")
        if opcode in (CLOSE, PING, PONG):
            if not first & _FIN or length > _LONGEST_CONTROL:
                raise FrameError(PROTOCOL_ERROR, "a control frame is fragmented or too long")
        elif opcode not in (_CONTINUATION, TEXT, BINARY):
            raise FrameError(PROTOCOL_ERROR, f"there is no opcode {opcode}")
        elif (opcode == _CONTINUATION) == (self._fragments is None):
            raise FrameError(PROTOCOL_ERROR, "a continuation of nothing, or a beginning within a message")
        elif length + self._held > self._limit:
            raise FrameError(TOO_BIG, f"a message is longer than {self._limit} bytes")

    def _event(self, first: int, payload: bytes) -> Event | None:
        opcode = first & _OPCODE
        if opcode >= CLOSE:
            return _control(opcode, payload)
        if first & _FIN and opcode != _CONTINUATION:
            return _whole(opcode, payload)
        if self._fragments is None:
            self._fragments, self._kind = [], opcode
        self._fragments.append(payload)
        self._held += len(payload)
        if not first & _FIN:
            if len(self._fragments) > _MOST_FRAGMENTS:
                raise FrameError(TOO_BIG, f"a message comes in more than {_MOST_FRAGMENTS} fragments")
            return None
        payload, self._fragments, self._held = b"".join(self._fragments), None, 0
        return _whole(self._kind, payload)


_MOST_FRAGMENTS = 4096  # Empty fragments weigh nothing against the limit, and would come for ever.


def _unmask(payload: bytes, mask: bytes) -> bytes:
    length = len(payload)
    key = mask * ((length + 3) // 4)
    whole = int.from_bytes(payload, "little") ^ int.from_bytes(key[:length], "little")
    return whole.to_bytes(length, "little")


def _whole(opcode: int, payload: bytes) -> str | Binary:
    if opcode == BINARY:
        return Binary(len(payload))
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise FrameError(NOT_UTF8, "a text message is no UTF-8") from error


def _control(opcode: int, payload: bytes) -> Event | None:
    if opcode == PING:
        return Ping(payload)
    if opcode == PONG:
        return None
    if not payload:
        return Close(_NO_STATUS)
    code = int.from_bytes(payload[:2])
    if len(payload) < 2 or not (code in _CODES_ON_THE_WIRE or 3000 <= code < 5000):
        raise FrameError(PROTOCOL_ERROR, "a close frame has no code that may be sent")
    try:
        payload[2:].decode()
    except UnicodeDecodeError as error:
        raise FrameError(NOT_UTF8, "the reason of a close frame is no UTF-8") from error
    return Close(code)
