"""What was received, as columns: a row per different content, however many got it (`content.py` parses one).

Each content is looked at once. Most are just what their sender sent, and the first look shows it; the rest
is parsed without trust, and `wrong` says that integrity has something to say about it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.checkers.content import LARGEST, Received, parse_received
from harness.checkers.messages import Outcome
from harness.checkers.names import Names
from harness.checkers.outcomes import OUTCOMES, REJECTED
from harness.checkers.recorded import Recorded
from harness.checkers.sends import Messages
from harness.checkers.sends_reader import wire_users
from harness.records.plan import wire_name

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A row per content; the number of a room, epoch or producer is -1 where there is none.

    `message` is whose whole text this is, -1 for altered, unsent or foreign text. `owner` is the same, but
    only if the content came under the name of the message's own room. A `seq` or `n` of 0 is null.
    """

    raw: Ints  # the global id of the text
    of_raw: NDArray[np.int32]  # the other way round; -1: nobody received it
    room: NDArray[np.int32]
    message: NDArray[np.int32]
    owner: NDArray[np.int32]
    seq: Ints
    epoch: NDArray[np.int32]
    producer: NDArray[np.int32]
    n: Ints
    foreign: Bools
    wrong: Bools
    recorded: Recorded
    run_id: str
    positions: bool

    def __len__(self) -> int:
        return len(self.raw)

    def parse(self, content: int) -> Received:
        """Return one content in full, for a witness."""
        raw = self.recorded.string(int(self.raw[content])) or ""
        return parse_received(raw, self.run_id, positions=self.positions)


def read_contents(
    recorded: Recorded, names: Names, messages: Messages, bots: Mapping[int, str], *, positions: bool
) -> Contents:
    """Read every content that was received or listed."""
    reading = _Reading(recorded, names, messages, bots, positions=positions)
    raws = recorded.received
    for raw in raws.tolist():
        reading.read(recorded.strings[raw] or "")
    table = np.array(reading.rows, np.int64).reshape(-1, 7)
    message = table[:, 1].astype(np.int32)
    room = table[:, 0].astype(np.int32)
    own = message >= 0
    own[own] = messages.room[message[own]] == room[own]
    of_raw = np.full(len(recorded.strings), -1, np.int32)
    of_raw[raws] = np.arange(len(raws))
    return Contents(
        raw=raws,
        of_raw=of_raw,
        room=room,
        message=message,
        owner=np.where(own, message, -1).astype(np.int32),
        seq=table[:, 2].copy(),
        epoch=table[:, 3].astype(np.int32),
        producer=table[:, 4].astype(np.int32),
        n=table[:, 5].copy(),
        foreign=(table[:, 6] & 1) > 0,
        wrong=(table[:, 6] & 2) > 0,
        recorded=recorded,
        run_id=names.run_id,
        positions=positions,
    )


class _Reading:
    """Reads contents one by one into rows of room, message, seq, epoch, producer, n, foreign + 2 × wrong."""

    def __init__(
        self,
        recorded: Recorded,
        names: Names,
        messages: Messages,
        bots: Mapping[int, str],
        *,
        positions: bool,
    ) -> None:
        self.rows: list[tuple[int, int, int, int, int, int, int]] = []
        self._names = names
        self._messages = messages
        self._positions = positions
        self._users = wire_users(bots, names.run_id)
        self._wire_rooms = {room: wire_name(room, names.run_id) for room in names.rooms.names}
        self._bots = messages.bot.tolist()
        self._first = messages.attempts.content[messages.attempts_from[:-1]].tolist()
        self._rejected = (messages.outcome == REJECTED).tolist()
        self._places: dict[tuple[str, str], int] = {}

    def read(self, raw: str) -> None:
        self.rows.append(self._as_sent(raw) or self._in_full(raw))

    def _as_sent(self, raw: str) -> tuple[int, int, int, int, int, int, int] | None:
        """Return the row of a content that is, in every field, what its sender sent; else `None`."""
        try:
            found = json.loads(raw)
            message = self._messages.by_text[found["text"]]
            sent = self._messages.sent[self._first[message]]
            seq, n, epoch = found["seq"], found["n"], found["epoch"]
            if (
                found["user"] == self._users[self._bots[message]]
                and found["room"] == self._wire_rooms[sent.room]
                and found["producer"] == sent.producer
                and n == sent.n
                and type(n) is int
                and type(seq) is int
                and 0 < seq <= LARGEST
                and type(epoch) is str
                and type(found["node"]) is str
                and type(found["sent_at"]) in (int, float)
                and found.get("reply_to") is None
                and sent.reply_to == "null"
                and not self._rejected[message]
            ):
                names = self._names
                return (
                    names.rooms.number(sent.room),
                    message,
                    seq,
                    names.epochs.number(epoch),
                    names.producers.number(sent.producer),
                    n,
                    0,
                )
        except (ValueError, TypeError, LookupError, RecursionError):
            return None  # `_in_full` says what it is.
        return None

    def _in_full(self, raw: str) -> tuple[int, int, int, int, int, int, int]:
        content = parse_received(raw, self._names.run_id, positions=self._positions)
        names = self._names
        message = -1 if content.token is None else self._messages.by_text.get(content.text, -1)
        wrong = not content.foreign and bool(self._wrong(content, message))
        return (
            names.rooms.number(content.room),
            message,
            content.seq,
            names.epochs.number(content.epoch),
            names.producers.number(content.producer),
            content.n or 0,
            content.foreign + 2 * wrong,
        )

    def _wrong(self, content: Received, message: int) -> bool:
        """Whether integrity may have something to say (`integrity.py` says what)."""
        if content.malformed or message < 0 or self._rejected[message]:
            return True
        sent = self._messages.sent_as(message)
        return (
            content.user != self._users[self._bots[message]]
            or (content.producer, content.n) not in self._messages.identities(message)
            or content.reply_to != sent.reply_to
            or content.wire_room != self._wire_rooms.get(sent.room)
        )


def outcome(messages: Messages, message: int) -> Outcome:
    """Return a message's outcome."""
    return OUTCOMES[int(messages.outcome[message])]
