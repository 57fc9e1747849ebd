"""What reached the bots, as columns: a row per received message, 13 bytes each.

Receipts are sorted by room, bot and receive order. What one bot received in one room is a *stay*: rows
`start[s]` to `start[s + 1]`. So a room's receipts lie together, and what a checker needs beside the columns
is never larger than a room. Messages without a room of this run are in stays of room -1.

    content   which content it was                      (`contents.py`)
    row       the number of the event that tells of it  (`recorded.py`)
    join      the join by which it came, -1: by none    (`sessions.py`)
    via       how it came: the place in VIAS
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.checkers.bot_reader import Mark, Marked
from harness.checkers.contents import Contents
from harness.checkers.names import Names
from harness.checkers.recorded import CHUNK, Part, Recorded
from harness.checkers.sessions import Via
from harness.records.history import FLAG_FROM_HISTORY, Op

VIAS = (Via.LIVE, Via.RESUME, Via.SNAPSHOT, Via.PAGED)
LIVE, RESUME, SNAPSHOT, PAGED = range(4)
PIECE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Receipts:
    """All receipts of the plan's bots. `foreign` counts what was left out with them as other runs' own."""

    content: NDArray[np.int32]
    row: NDArray[np.uint32]
    join: NDArray[np.int32]
    via: NDArray[np.uint8]
    stay_room: NDArray[np.int64]
    stay_bot: NDArray[np.int64]
    start: NDArray[np.int64]
    spans: Mapping[int, tuple[int, int]]  # of each join: the rows between which all that came by it lies
    foreign: int

    def __len__(self) -> int:
        return len(self.content)

    def pieces(self) -> Iterator[slice]:
        """Yield all rows in pieces, so that what is computed beside them stays small."""
        for first in range(0, len(self), PIECE):
            yield slice(first, min(len(self), first + PIECE))

    def count(self, of_content: NDArray[np.bool_]) -> int:
        """Return how many receipts there are of the contents that are marked."""
        return sum(int(np.count_nonzero(of_content[self.content[piece]])) for piece in self.pieces())

    def room(self, room: int) -> slice:
        """Return the rows of a room."""
        first, last = np.searchsorted(self.stay_room, [room, room + 1])
        return slice(int(self.start[first]), int(self.start[last]))

    def stays(self, room: int) -> Iterator[tuple[int, slice]]:
        """Yield each bot that received anything in a room, and the rows of its stay."""
        first, last = np.searchsorted(self.stay_room, [room, room + 1])
        starts = self.start[first : last + 1].tolist()
        for bot, begin, end in zip(self.stay_bot[first:last].tolist(), starts[:-1], starts[1:], strict=True):
            yield bot, slice(begin, end)

    def stay(self, bot: int, room: int) -> slice:
        """Return the rows of a bot in a room: an empty slice where there are none."""
        first, last = np.searchsorted(self.stay_room, [room, room + 1])
        at = first + int(np.searchsorted(self.stay_bot[first:last], bot))
        if at < last and self.stay_bot[at] == bot:
            return slice(int(self.start[at]), int(self.start[at + 1]))
        return slice(0, 0)

    def by_join(self, join: int) -> NDArray[np.int64]:
        """Return the rows that came by a join."""
        first, end = self.spans.get(join, (0, 0))
        return np.flatnonzero(self.join[first:end] == join) + first

    def stay_of(self, receipt: int) -> int:
        """Return the stay that a row belongs to."""
        return int(np.searchsorted(self.start, receipt, side="right")) - 1


def read_receipts(
    recorded: Recorded, contents: Contents, names: Names, bots: Sequence[int], marks: Mapping[int, list[Mark]]
) -> Receipts:
    """Sort all deliveries into stays, and apply the marks of their bots."""
    sorting = _Sorting(recorded, contents, names, bots)
    sorting.count()
    sorting.place()
    _apply(sorting, names, marks)
    return Receipts(
        content=sorting.content,
        row=sorting.row,
        join=sorting.join,
        via=sorting.via,
        stay_room=sorting.stay_room,
        stay_bot=sorting.stay_bot,
        start=sorting.start,
        spans=sorting.spans,
        foreign=sorting.foreign,
    )


class _Sorting:
    """A counting sort in two passes over the events: how many are in each stay, then each to its place."""

    def __init__(self, recorded: Recorded, contents: Contents, names: Names, bots: Sequence[int]) -> None:
        self._recorded = recorded
        self._contents = contents
        self._foreign_room = contents.foreign & (contents.room < 0)
        self._width = len(bots)
        self._bots = np.array(sorted(bots), np.int64)
        self._index = np.full(1 << 16, -1, np.int64)
        self._index[self._bots] = np.arange(len(bots))
        self._rooms = len(names.rooms)
        self.spans: dict[int, tuple[int, int]] = {}
        self.foreign = 0

    def count(self) -> None:
        counts = np.zeros((self._rooms + 1) * self._width, np.int64)
        for _, _, _, _, code in self._chunks():
            counts += np.bincount(code, minlength=len(counts))
        present = np.flatnonzero(counts)
        self._stay = np.full(len(counts), -1, np.int32)
        self._stay[present] = np.arange(len(present))
        width = max(1, self._width)
        self.stay_room = present // width - 1
        self.stay_bot = self._bots[present % width] if len(present) else np.empty(0, np.int64)
        self.start = np.concatenate([[0], np.cumsum(counts[present])]).astype(np.int64)

    def place(self) -> None:
        size = int(self.start[-1])
        self.content = np.empty(size, np.int32)
        self.row = np.empty(size, np.uint32)
        self.join = np.empty(size, np.int32)  # the connection, until the marks are applied
        self.via = np.empty(size, np.uint8)
        free = self.start[:-1].copy()
        small = np.uint16 if len(free) < 1 << 16 else np.int32  # two bytes are sorted by radix
        for part, start, events, content, code in self._chunks():
            stay = self._stay[code]
            order = np.argsort(stay.astype(small), kind="stable")
            stay = stay[order]
            counts = np.bincount(stay, minlength=len(free))
            begins = np.cumsum(counts) - counts
            at = free[stay] + (np.arange(len(stay)) - begins[stay])
            free += counts
            self.content[at] = content[order]
            self.row[at] = events[order] + (part.first_row + start)
            chunk = part.events[start : start + CHUNK]
            self.join[at] = chunk["conn"][events][order].view(np.int32)
            self.via[at] = (chunk["flags"][events][order] & FLAG_FROM_HISTORY) * PAGED

    def _chunks(self) -> Iterator[tuple[Part, int, NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]]:
        """Yield part, start, and of its deliveries that count: place in the chunk, content, stay code."""
        self.foreign = 0
        for part in self._recorded.parts:
            of_own = self._contents.of_raw[part.ids]
            for start in range(0, len(part.events), CHUNK):
                chunk = part.events[start : start + CHUNK]
                events = np.flatnonzero(chunk["op"] == Op.DELIVERY)
                if not len(events):
                    continue
                bot = self._index[chunk["bot"][events]]
                content = of_own[np.minimum(chunk["a"][events], len(of_own) - 1)]
                if bot.min() < 0:
                    kept = bot >= 0
                    events, bot, content = events[kept], bot[kept], content[kept]
                self.foreign += int(np.count_nonzero(self._contents.foreign[content]))
                left_out = self._foreign_room[content]
                if left_out.any():
                    events, bot, content = events[~left_out], bot[~left_out], content[~left_out]
                room = self._contents.room[content].astype(np.int64) + 1
                yield part, start, events, content, room * self._width + bot


# Marks


def _apply(sorting: _Sorting, names: Names, marks: Mapping[int, list[Mark]]) -> None:
    """Replace connections by joins, and say of what came from history how it came."""
    by_stay: dict[tuple[int, int], dict[int, list[Mark]]] = defaultdict(lambda: defaultdict(list))
    for bot, own in marks.items():
        for mark in own:
            by_stay[names.rooms.number(mark.room), bot][mark.conn].append(mark)
    stays = zip(sorting.stay_room.tolist(), sorting.stay_bot.tolist(), strict=True)
    for stay, key in enumerate(stays):
        rows = slice(int(sorting.start[stay]), int(sorting.start[stay + 1]))
        _apply_to_stay(sorting, rows, by_stay.get(key, {}))


def _apply_to_stay(sorting: _Sorting, stay: slice, by_conn: Mapping[int, list[Mark]]) -> None:
    conns = sorting.join[stay].view(np.uint32).copy()
    sorting.join[stay] = -1
    for conn, marks in by_conn.items():
        at = np.flatnonzero(conns == conn) + stay.start
        if len(at):
            places = np.searchsorted(sorting.row[at], [mark.row for mark in marks])
            _apply_to_connection(sorting, at, list(zip(marks, places.tolist(), strict=True)))


def _apply_to_connection(sorting: _Sorting, at: NDArray[np.int64], marks: Sequence[tuple[Mark, int]]) -> None:
    """`at`: the connection's receipts; with each mark goes the first of them that comes after it."""
    joined = [(mark, place) for mark, place in marks if mark.kind in (Marked.JOINED, Marked.LEFT)]
    for (mark, place), end in zip(joined, _ends(joined, len(at)), strict=True):
        if mark.kind is Marked.JOINED and place < end:
            sorting.join[at[place:end]] = mark.value
            sorting.spans[mark.value] = (int(at[place]), int(at[end - 1]) + 1)
    coming = [(mark, place) for mark, place in marks if mark.kind is not Marked.LEFT]
    for (mark, place), end in zip(coming, _ends(coming, len(at)), strict=True):
        if mark.kind is Marked.HISTORY:
            old = at[place:end][sorting.via[at[place:end]] == PAGED][: mark.value]
            sorting.via[old] = VIAS.index(mark.via)


def _ends(marks: Sequence[tuple[Mark, int]], length: int) -> Iterable[int]:
    return [*(place for _, place in marks[1:]), length]
