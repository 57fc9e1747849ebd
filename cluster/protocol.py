"""The words of the chat protocol, version 1: error codes, limits, requests and their strict parsing.

Whatever a client sends goes through one of the `parse_*` functions, which return a frozen request or
raise `Refusal` with the error that the client is to get. A field that the protocol does not know is an
error, too: a misspelt `cursor` that is ignored would lose messages in silence.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

VERSION = 1
MAX_TEXT_BYTES = 8 * 1024
MAX_NAME = 64  # characters of a user or a producer
MAX_INTEGER = 2**53 - 1  # what every JSON reader keeps exactly
SNAPSHOT_MESSAGES = 50
RESULTS_KEPT = 1024  # per producer and room
RESULTS_KEPT_S = 2 * 3600
PAGE_DEFAULT = 100
PAGE_MOST = 1000
_ROOM = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Code(StrEnum):
    """Every error that a client can get."""

    BAD_REQUEST = "bad_request"
    ROOM_INVALID = "room_invalid"
    TEXT_TOO_LONG = "text_too_long"
    NOT_JOINED = "not_joined"
    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"
    STORE_UNAVAILABLE = "store_unavailable"
    OUT_OF_ORDER = "out_of_order"
    KEY_REUSED = "key_reused"
    RESULT_EXPIRED = "result_expired"
    DRAINING = "draining"


class Refusal(Exception):
    """A request is not done. `definite`: this attempt had and will have no effect."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        definite: bool = True,
        retry_after_ms: int | None = None,
        expected: int | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.definite = definite
        self.retry_after_ms = retry_after_ms
        self.expected = expected
        super().__init__(f"{code}: {message}")

    def answer(self) -> dict[str, Any]:
        """Return the acknowledgement that the client gets."""
        error: dict[str, Any] = {
            "code": self.code.value,
            "message": self.message,
            "definite": self.definite,
        }
        if self.retry_after_ms is not None:
            error["retry_after_ms"] = self.retry_after_ms
        if self.expected is not None:
            error["expected"] = self.expected
        return {"ok": False, "error": error}


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """A place in a room's log; `seq` 0 is before the first message (its epoch may then be absent)."""

    epoch: str | None
    seq: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectRequest:
    """The Socket.IO `auth` of a connection."""

    user: str | None
    token: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinRequest:
    """`join`."""

    room: str
    user: str | None
    cursor: Position | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaveRequest:
    """`leave`."""

    room: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SendRequest:
    """`send_message`; `producer` and `n` are both there or both absent."""

    room: str
    text: str
    producer: str | None
    n: int | None
    reply_to: Position | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TypingRequest:
    """`typing`: whether the user of a connection writes just now."""

    room: str
    typing: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadRequest:
    """`read`: up to where the user of a connection has read a room."""

    room: str
    position: Position


def parse_connect(auth: object) -> ConnectRequest:
    """Parse the `auth` of a connect; no auth at all is an anonymous connection."""
    if auth is None:
        return ConnectRequest(user=None, token=None)
    fields = _fields((auth,), "auth", ("user", "token"))
    token = fields.get("token")
    if token is not None and not isinstance(token, str):
        raise _bad("token must be a string")
    return ConnectRequest(user=_name(fields, "user"), token=token)


def parse_join(args: tuple[object, ...]) -> JoinRequest:
    """Parse what came with a `join`."""
    fields = _fields(args, "join", ("room", "user", "cursor"))
    return JoinRequest(
        room=_room(fields),
        user=_name(fields, "user"),
        cursor=_position(fields, "cursor", least=0),
    )


def parse_leave(args: tuple[object, ...]) -> LeaveRequest:
    """Parse what came with a `leave`."""
    return LeaveRequest(room=_room(_fields(args, "leave", ("room",))))


def parse_send(args: tuple[object, ...]) -> SendRequest:
    """Parse what came with a `send_message`."""
    fields = _fields(args, "send_message", ("room", "text", "producer", "n", "reply_to"))
    producer, n = _name(fields, "producer"), fields.get("n")
    if (producer is None) != (n is None):
        raise _bad("producer and n come together or not at all")
    return SendRequest(
        room=_room(fields),
        text=_text(fields.get("text")),
        producer=producer,
        n=None if n is None else _integer(n, "n", least=1),
        reply_to=_position(fields, "reply_to", least=1),
    )


def parse_typing(args: tuple[object, ...]) -> TypingRequest:
    """Parse what came with a `typing`."""
    fields = _fields(args, "typing", ("room", "typing"))
    room, typing = _room(fields), fields.get("typing")
    if not isinstance(typing, bool):
        raise _bad("typing must be true or false")
    return TypingRequest(room=room, typing=typing)


def parse_read(args: tuple[object, ...]) -> ReadRequest:
    """Parse what came with a `read`."""
    fields = _fields(args, "read", ("room", "epoch", "seq"))
    room = _room(fields)
    return ReadRequest(room=room, position=_place(fields, "read"))


def valid_room(room: object) -> bool:
    """Tell whether this can be a room's name."""
    return isinstance(room, str) and _ROOM.fullmatch(room) is not None


def _bad(message: str) -> Refusal:
    return Refusal(Code.BAD_REQUEST, message)


def _fields(args: tuple[object, ...], what: str, known: tuple[str, ...]) -> Mapping[str, object]:
    if len(args) != 1 or not isinstance(args[0], dict):
        raise _bad(f"{what} takes exactly one object")
    fields = args[0]
    unknown = sorted(str(name)[:MAX_NAME] for name in fields if name not in known)
    if unknown:
        raise _bad(f"{what} has unknown fields {unknown[:5]}; it knows {', '.join(known)}")
    return fields


def _room(fields: Mapping[str, object]) -> str:
    room = fields.get("room")
    if not isinstance(room, str):
        raise _bad("room must be a string")
    if not valid_room(room):
        raise Refusal(Code.ROOM_INVALID, "room must be 1 to 64 letters, digits, '_', '.' or '-'")
    return room


def _name(fields: Mapping[str, object], field: str) -> str | None:
    name = fields.get(field)
    if name is None:
        return None
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME:
        raise _bad(f"{field} must be a string of 1 to {MAX_NAME} characters")
    _encode(name, field)
    return name


def _text(text: object) -> str:
    if not isinstance(text, str):
        raise _bad("text must be a string")
    if len(_encode(text, "text")) > MAX_TEXT_BYTES:
        raise Refusal(Code.TEXT_TOO_LONG, f"text must be at most {MAX_TEXT_BYTES} bytes of UTF-8")
    return text


def _encode(text: str, field: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:  # JSON can carry half of a surrogate pair; UTF-8 cannot.
        raise _bad(f"{field} holds half of a surrogate pair, which is no Unicode text") from error


def _position(fields: Mapping[str, object], field: str, *, least: int) -> Position | None:
    value = fields.get(field)
    if value is None:
        return None
    return _place(_fields((value,), field, ("epoch", "seq")), field, least=least)


def _place(fields: Mapping[str, object], what: str, *, least: int = 0) -> Position:
    seq = _integer(fields.get("seq"), f"{what}.seq", least=least)
    epoch = fields.get("epoch")
    if epoch is None and seq > 0:
        raise _bad(f"{what}.epoch is missing")
    if epoch is not None and (not isinstance(epoch, str) or not 1 <= len(epoch) <= MAX_NAME):
        raise _bad(f"{what}.epoch must be a string of 1 to {MAX_NAME} characters")
    if epoch is not None:
        _encode(epoch, f"{what}.epoch")
    return Position(epoch=epoch, seq=seq)


def _integer(value: object, field: str, *, least: int) -> int:
    # bool is an int to Python, but not to the protocol.
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MAX_INTEGER:
        raise _bad(f"{field} must be a whole number from {least} to 2^53 - 1")
    return value
