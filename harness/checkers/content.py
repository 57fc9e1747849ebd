"""What was sent and what was received: the JSON of the history's `content`, parsed without trust.

Whatever the cluster sent is evidence, also when it is no JSON at all: nothing here raises. A content
that is no message says so in `malformed`, and becomes a violation of integrity.
"""

import json
import sys
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.records.plan import logical_name
from harness.records.token import Token, parse_text

SHOWN = 60  # characters of foreign text in a story
LARGEST = 2**53 - 1  # beyond it readers of JSON do not agree on a number


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Received:
    """One message object as a recipient or a reader got it.

    `room` is the logical name, `None` for a room that is not of this run. `seq` of 0 means null.
    `token` is only set for a whole text of this run. `foreign` content belongs to other runs or people
    and is nobody's business here.
    """

    raw: str
    malformed: str = ""
    foreign: bool = False
    room: str | None = None
    wire_room: str = ""
    user: str = ""
    text: str = ""
    token: Token | None = None
    producer: str | None = None
    n: int | None = None
    epoch: str | None = None
    seq: int = 0
    node: str = ""
    reply_to: str = "null"

    @property
    def position(self) -> tuple[str | None, int] | None:
        """The place in the room's log, `None` where there is none."""
        return (self.epoch, self.seq) if self.seq else None


class Sent(NamedTuple):
    """What a bot put on the wire; `room` is the logical name. `answers`: the position of what it answers."""

    room: str
    text: str
    producer: str | None
    n: int | None
    reply_to: str
    answers: tuple[str, int] | None = None


class NotSent(ValueError):
    """A SEND row whose content is not what a bot sends: the history is not one of ours."""


def parse_sent(raw: str, run_id: str) -> Sent:
    """Parse what a bot recorded of its own send.

    Raises:
        NotSent: it is no send of this run.
    """
    found = _object(raw)
    if found is None:
        raise NotSent(f"a send whose content is no JSON object: {quoted(raw)}")
    room, text = found.get("room"), found.get("text")
    logical = logical_name(room, run_id) if isinstance(room, str) else None
    if logical is None or not isinstance(text, str):
        raise NotSent(f"a send without a text and a room of this run: {quoted(raw)}")
    producer = _text_or_none(found.get("producer"))
    return Sent(
        room=sys.intern(logical),
        text=text,
        producer=sys.intern(producer) if producer is not None else None,
        n=_number_or_none(found.get("n")),
        reply_to=_canonical(found.get("reply_to")),
        answers=_position(found.get("reply_to")),
    )


def parse_received(raw: str, run_id: str, *, positions: bool) -> Received:
    """Parse what came over the wire. With `positions`, epoch, seq, producer and n must be there."""
    found = _object(raw)
    if found is None:
        return Received(raw=raw, malformed="is no JSON object")
    room, user, text = (_text(found.get(name)) for name in ("room", "user", "text"))
    token = token_of(text, run_id)
    logical = logical_name(room, run_id)
    ours = text.startswith(f"wa1.{run_id}.") or (
        logical is not None and logical_name(user, run_id) is not None
    )
    return Received(
        raw=raw,
        malformed=_malformed(found, positions=positions),
        foreign=not ours and bool(room and user),
        room=logical,
        wire_room=room,
        user=user,
        text=text,
        token=token,
        producer=_text_or_none(found.get("producer")),
        n=_number_or_none(found.get("n")),
        epoch=_text_or_none(found.get("epoch")),
        seq=_number_or_none(found.get("seq")) or 0,
        node=_text(found.get("node")),
        reply_to=_canonical(found.get("reply_to")),
    )


def token_of(text: str, run_id: str) -> Token | None:
    """Return the token of a text of this run, `None` when it has none, another run's or a broken one."""
    try:
        token = parse_text(text)
    except ValueError:  # A lone surrogate, or a number of thousands of digits: no bot writes such a text.
        return None
    return token if token is not None and token.run_id == run_id else None


def quoted(text: str) -> str:
    """Return foreign text for a story: short, in quotation marks, plain ASCII."""
    return ascii(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def writable(text: str) -> str:
    """Return the text with its lone surrogates spelled out: `\\ud800`. No file takes them as they are."""
    return text.encode("utf-8", "backslashreplace").decode()


def _object(raw: str) -> dict[str, Any] | None:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _malformed(found: dict[str, Any], *, positions: bool) -> str:
    for name in ("room", "user", "text", "node"):
        if not isinstance(found.get(name), str):
            return f"has no text as {name}"
    if isinstance(found.get("sent_at"), bool) or not isinstance(found.get("sent_at"), int | float):
        return "has no number as sent_at"
    for name in ("epoch", "producer"):
        if not _allowed(found.get(name), str, null=not positions):
            return f"has no text as {name}"
    for name in ("seq", "n"):
        value = found.get(name)
        if not _allowed(value, int, null=not positions) or (value is not None and value < 1):
            return f"has no number from 1 as {name}"
        if value is not None and value > LARGEST:
            return f"has a number beyond {LARGEST} as {name}"
    if not _allowed(found.get("reply_to"), dict, null=True):
        return "has no position as reply_to"
    return ""


def _allowed(value: object, kind: type, *, null: bool) -> bool:
    return null if value is None else isinstance(value, kind) and not isinstance(value, bool)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number_or_none(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 1 <= value <= LARGEST else None


def _position(value: object) -> tuple[str, int] | None:
    if not isinstance(value, dict):
        return None
    epoch, seq = _text_or_none(value.get("epoch")), _number_or_none(value.get("seq"))
    return None if epoch is None or seq is None else (epoch, seq)


def _canonical(value: object) -> str:
    return "null" if value is None else json.dumps(value, sort_keys=True)
