"""What nodes say, read from JSON into typed values: the bots' own reading of protocol version 1.

Nothing that a node sends may crash a bot, and nothing odd may pass unseen: what has not the shape that the
protocol gives it raises `Malformed`, which the bot records. A chat message is recorded as received whatever
it looks like, because the judge is to see it; what is wrong with it only keeps it from moving a cursor.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.bots.outbox import SendError
from harness.records.history_format import canonical

Json = Any
Position = tuple[str | None, int | None]

LARGEST_SEQ = 2**32 - 2  # The history keeps a cursor as `seq` + 1, in 32 bits.
LONGEST_RETRY_MS = 3_600_000  # Above an hour it is no pause that anybody means; clocks overflow in the end.


class Malformed(ValueError):
    """A node sent what the protocol does not know; the message says what."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """A chat message as received: `content` is the history's id of its canonical JSON.

    `room` is empty where the message names none.
    """

    content: int
    room: str
    epoch: str | None
    seq: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryChunk:
    """One `message_history`."""

    room: str
    epoch: str | None
    sightings: tuple[Sighting, ...]
    recovered: bool
    more: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Ack:
    """A positive acknowledgement of join, leave or send."""

    epoch: str | None
    seq: int | None
    recovered: bool = False
    duplicate: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """Another node, as `server_info` tells of it."""

    name: str
    url: str
    state: str


class Reader:
    """Reads events. `intern` gives the history's id of a text.

    A room's recipients on one node get byte for byte the same frame, so the text of a `message` frame is
    parsed once and remembered (the bots of one worker share a reader).
    """

    REMEMBERED = 4096
    MESSAGE_PREFIX = '2["message",'

    def __init__(self, intern: Callable[[str], int]) -> None:
        self._intern = intern
        self._seen: dict[str, Sighting] = {}

    def message_frame(self, frame: str) -> Sighting:
        """Read the text of a Socket.IO frame that begins with `MESSAGE_PREFIX`."""
        found = self._seen.get(frame)
        if found is None:
            if len(self._seen) >= self.REMEMBERED:
                self._seen.clear()
            found = self._seen[frame] = self.message(_only_argument(frame[1:]))
        return found

    def message(self, value: Json) -> Sighting:
        """Read one message object, from a live event, a history or a REST page."""
        content = self._intern(canonical(value))
        room = value.get("room") if isinstance(value, dict) else None
        if not isinstance(room, str):
            return Sighting(content=content, room="", epoch=None, seq=None)
        epoch, seq = position(value)
        return Sighting(content=content, room=room, epoch=epoch, seq=seq)

    def history(self, value: Json) -> HistoryChunk:
        """Read a `message_history`."""
        if not isinstance(value, dict) or not isinstance(value.get("room"), str):
            raise Malformed(f"a message_history has no room: {clip(value)}")
        messages = value.get("messages")
        if not isinstance(messages, list):
            raise Malformed(f"a message_history has no list of messages: {clip(value)}")
        return HistoryChunk(
            room=value["room"],
            epoch=position(value)[0],
            sightings=tuple(map(self.message, messages)),
            recovered=value.get("recovered") is True,
            more=value.get("more") is True,
        )


def ack(value: Json) -> Ack | SendError:
    """Read an acknowledgement of join, leave or send."""
    if not isinstance(value, dict) or not isinstance(value.get("ok"), bool):
        raise Malformed(f"an acknowledgement says neither yes nor no: {clip(value)}")
    if not value["ok"]:
        return _error(value.get("error"))
    epoch, seq = position(value)
    return Ack(
        epoch=epoch,
        seq=seq,
        recovered=value.get("recovered") is True,
        duplicate=value.get("duplicate") is True,
    )


def peers(server_info: Json) -> tuple[Peer, ...]:
    """Read the peers of a `server_info`; entries that are none are left out."""
    listed = server_info.get("peers") if isinstance(server_info, dict) else None
    if not isinstance(listed, list):
        raise Malformed(f"a server_info has no list of peers: {clip(server_info)}")
    return tuple(
        Peer(name=p["server_id"], url=p["url"], state=p["state"])
        for p in listed
        if isinstance(p, dict) and all(isinstance(p.get(k), str) for k in ("server_id", "url", "state"))
    )


def position(value: dict[str, Json]) -> Position:
    """Read `epoch` and `seq`; what is no position is null."""
    epoch, seq = value.get("epoch"), value.get("seq")
    return (epoch if isinstance(epoch, str) else None, _count(seq, LARGEST_SEQ))


def clip(value: Json) -> str:
    """Return a value's JSON, or the beginning of it, for a sentence."""
    text = canonical(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _only_argument(packet: str) -> Json:
    try:
        event = json.loads(packet)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"an event is no JSON ({error}): {packet[:200]}") from error
    if len(event) != 2:
        raise Malformed(f"an event has {len(event) - 1} arguments, not one: {packet[:200]}")
    return event[1]


def _error(value: Json) -> SendError:
    if not isinstance(value, dict) or not isinstance(value.get("code"), str):
        raise Malformed(f"a negative acknowledgement has no error code: {clip(value)}")
    return SendError(
        code=value["code"],
        message=str(value.get("message", "")),
        definite=value.get("definite") is True,
        retry_after_ms=_count(value.get("retry_after_ms"), LONGEST_RETRY_MS),
        expected=_count(value.get("expected"), LARGEST_SEQ),
    )


def _count(value: Json, largest: int) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest
    return value if is_count else None
