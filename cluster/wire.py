"""From stored messages to packets: every message is encoded once, however many get it.

A message is stored as a JSON object without its `seq`, which only the commit script knows. Its wire
form is made by putting the `seq` in front, as text; history chunks are made by joining such texts.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cluster.transport import frames

Frame = bytes
CHUNK_MESSAGES = 200
CHUNK_CHARACTERS = 256 * 1024


@dataclass(frozen=True, slots=True)
class Stored:
    """A message at its place in a room's log; `text` is its JSON on the wire."""

    seq: int
    text: str


def dumps(value: object) -> str:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":"))


def loads(text: str | bytes) -> Any:
    """Parse JSON."""
    return json.loads(text)


def body(fields: dict[str, Any]) -> str:
    """Return what is stored of a message: everything but its `seq`."""
    return dumps(fields)


def stored(seq: int, body_json: bytes) -> Stored:
    """Return the message that a log entry holds."""
    return Stored(seq, f'{{"seq":{seq},{body_json.decode()[1:]}')


def event(name: str, payload_json: str) -> Frame:
    """Return the frame of an event whose one argument is already JSON. May be sent to many."""
    return frames.text_frame(f'42["{name}",{payload_json}]'.encode())


def live(messages: Iterable[Stored]) -> Frame:
    """Return the frames that bring messages live, in order, as one. May be sent to many."""
    return b"".join([event("message", message.text) for message in messages])


def history(
    room: str, epoch: str | None, messages: Iterable[Stored], *, recovered: bool, more: bool = False
) -> Iterator[Frame]:
    """Yield the `message_history` frames, at least one; all but the last say `more`, which says `more`."""
    chunks = list(_chunks(messages)) or [[]]
    for number, chunk in enumerate(chunks, 1):
        goes_on = more or number < len(chunks)
        head = dumps({"room": room, "epoch": epoch, "recovered": recovered, "more": goes_on})
        yield event("message_history", f'{head[:-1]},"messages":[{",".join(chunk)}]}}')


def _chunks(messages: Iterable[Stored]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for message in messages:
        if chunk and (len(chunk) == CHUNK_MESSAGES or size + len(message.text) > CHUNK_CHARACTERS):
            yield chunk
            chunk, size = [], 0
        chunk.append(message.text)
        size += len(message.text)
    if chunk:
        yield chunk
