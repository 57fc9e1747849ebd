"""What servers write to each other: JSON, parsed strictly, since it comes over the network."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cluster import wire
from cluster.members.peers import RedisSeen, Word
from cluster.protocol import MAX_INTEGER, MAX_NAME, Position, valid_room

NOTICE_TYPES = ("joined", "draining", "left", "typing", "read")
LONGEST_URL = 2048


class WrongWord(Exception):
    """It is no word between servers; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """An event; `room`, `user` and `typing` are there for `typing` alone, `room` and `reads` for `read`."""

    type: str
    room: str = ""
    user: str = ""
    typing: bool = False
    reads: tuple[tuple[str, Position], ...] = ()  # user and position


def word_json(word: Word, notices: Iterable[Notice] = ()) -> bytes:
    """Return a word with notices as it goes over the wire."""
    return wire.dumps(
        {
            "server_id": word.server_id,
            "url": word.url,
            "sync_url": word.sync_url,
            "incarnation": word.incarnation,
            "draining": word.draining,
            "redis": {"up": word.redis.up, "age_ms": word.redis.age_ms, "up_ms": word.redis.up_ms},
            "notices": [_notice_fields(notice) for notice in notices],
        }
    ).encode()


def parse_word(body: bytes) -> tuple[Word, tuple[Notice, ...]]:
    """Return a word with its notices; types of notices that are not known are left out.

    Raises:
        WrongWord: it is none.
    """
    try:
        fields = json.loads(body)
        redis = fields["redis"]
        word = Word(
            server_id=_text(fields["server_id"], MAX_NAME),
            url=_url(fields["url"]),
            sync_url=_url(fields["sync_url"]),
            incarnation=_text(fields["incarnation"], MAX_NAME),
            draining=_flag(fields["draining"]),
            redis=RedisSeen(
                up=_flag(redis["up"]), age_ms=_count(redis["age_ms"]), up_ms=_count(redis["up_ms"])
            ),
        )
        notices = tuple(_notice(n) for n in fields["notices"] if n["type"] in NOTICE_TYPES)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise WrongWord(f"{type(error).__name__}: {error}") from error
    return word, notices


def _notice_fields(notice: Notice) -> dict[str, Any]:
    match notice.type:
        case "typing":
            return {"type": "typing", "room": notice.room, "user": notice.user, "typing": notice.typing}
        case "read":
            reads = [{"user": user, "epoch": at.epoch, "seq": at.seq} for user, at in notice.reads]
            return {"type": "read", "room": notice.room, "reads": reads}
        case other:
            return {"type": other}


def _notice(fields: dict[str, Any]) -> Notice:
    if fields["type"] not in ("typing", "read"):
        return Notice(type=fields["type"])
    if not valid_room(fields["room"]):
        raise ValueError("not a room's name")
    if fields["type"] == "read":
        return Notice(type="read", room=fields["room"], reads=tuple(map(_read, fields["reads"])))
    return Notice(
        type="typing",
        room=fields["room"],
        user=_text(fields["user"], MAX_NAME),
        typing=_flag(fields["typing"]),
    )


def _read(fields: dict[str, Any]) -> tuple[str, Position]:
    position = Position(epoch=_text(fields["epoch"], MAX_NAME), seq=_count(fields["seq"]))
    return _text(fields["user"], MAX_NAME), position


def _text(value: object, most: int) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= most:
        raise ValueError(f"not a string of 1 to {most} characters")
    value.encode()  # UnicodeEncodeError is a ValueError: half of a surrogate pair
    return value


def _url(value: object) -> str:
    url = _text(value, LONGEST_URL)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not a URL")
    _ = parts.port  # raises ValueError where it is none
    return url


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("not a boolean")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_INTEGER:
        raise ValueError("not a count")
    return value
