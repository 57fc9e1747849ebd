"""All writers' events under one numbering of rows and strings; the one place that looks into a history.

A *row number* counts the events of all files, one file after the other. A bot belongs to one writer, so its
row numbers rise in the order of its recording. Should several writers have recorded one bot, all files are
merged by time first. A history may come from a crash or from elsewhere: an id that leads nowhere reads as
absent.

Deliveries are millions, everything else is few: deliveries stay where they are (in the mapped file), the
rest is taken out, with its strings' ids made global.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.records.history import EVENT, STRING_OPERANDS, HistoryFile, Op

Column = NDArray[np.generic]
CHUNK = 1 << 18  # events that are looked at together: they stay in the processor's cache

SENDS = (Op.SEND, Op.SEND_OK, Op.SEND_FAILED, Op.SEND_LOST)
BULK = (Op.DELIVERY, Op.FINAL_READ, Op.SERVER_INFO)


@dataclass(frozen=True, slots=True)
class Part:
    """One file: its events, the number of its first row, and global ids by its own."""

    first_row: int
    events: NDArray[np.void]
    ids: NDArray[np.int32]

    def globally(self, own: NDArray[np.uint32]) -> NDArray[np.int32]:
        """Return the global ids of the file's own; what leads nowhere is absent (0)."""
        found: NDArray[np.int32] = self.ids[np.minimum(own, len(self.ids) - 1)]
        return found


@dataclass(frozen=True, slots=True)
class Taken:
    """Events taken out, with their row numbers; string operands are global ids."""

    row: NDArray[np.int64]
    events: NDArray[np.void]

    def of(self, *ops: Op) -> "Taken":
        """Return those of some operations."""
        chosen = np.isin(self.events["op"], [int(op) for op in ops])
        return Taken(self.row[chosen], self.events[chosen])


@dataclass(frozen=True, slots=True)
class Listed:
    """The entries of final reads (FINAL_READ), as columns; `content`, `node` and `source` are global ids."""

    row: NDArray[np.int64]
    content: NDArray[np.int32]
    node: NDArray[np.int32]
    source: NDArray[np.int32]
    round: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Everything that was recorded.

    `strings[0]` is `None`. `taken` has all events that are neither deliveries nor entries of final reads.
    `received` has the global ids of all contents that a bot of the plan received or a final read listed.
    """

    strings: list[str | None]
    parts: tuple[Part, ...]
    taken: Taken
    listed: Listed
    received: NDArray[np.int64]
    bots: frozenset[int]
    last_ns: int

    def string(self, string_id: int) -> str | None:
        """Return the string of a global id."""
        return self.strings[string_id]

    def text(self, string_id: int) -> str:
        """Return the string of a global id, empty where it is absent, printable in every encoding."""
        return (self.strings[string_id] or "").encode("utf-8", "replace").decode()

    def t_ns(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the stamps of row numbers."""
        return self.column("t_ns", rows)

    def column(self, name: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what the events of row numbers have in a column."""
        found = np.zeros(len(rows), np.int64)
        for part in self.parts:
            own = (rows >= part.first_row) & (rows < part.first_row + len(part.events))
            if own.all():
                return part.events[name][rows - part.first_row].astype(np.int64)
            found[own] = part.events[name][rows[own] - part.first_row]
        return found

    def event(self, row: int) -> NDArray[np.void]:
        """Return one event as it was recorded."""
        part = next(p for p in reversed(self.parts) if p.first_row <= row)
        found: NDArray[np.void] = part.events[row - part.first_row]
        return found


def record(histories: Sequence[HistoryFile], known: Iterable[int]) -> Recorded:
    """Take the histories in. `known`: the bots of the plan; what others received is not looked into."""
    if _shared_bots(histories):
        histories = (_merged(histories),)
    strings, parts = _numbered(histories)
    taking = _Taking(len(strings), known)
    for part in parts:
        for start in range(0, len(part.events), CHUNK):
            taking.look_at(part, start, part.events[start : start + CHUNK])
    taken = taking.taken.joined()
    return Recorded(
        strings=strings,
        parts=parts,
        taken=taken,
        listed=_listed(taking.listed),
        received=np.flatnonzero(taking.received),
        bots=frozenset(np.flatnonzero(taking.bots).tolist()),
        last_ns=taking.last_ns,
    )


class _Pile:
    def __init__(self) -> None:
        self._rows: list[NDArray[np.int64]] = []
        self._events: list[NDArray[np.void]] = []

    def add(self, part: Part, start: int, chosen: NDArray[np.bool_], chunk: NDArray[np.void]) -> None:
        at = np.flatnonzero(chosen)
        if len(at):
            self._rows.append(at + (part.first_row + start))
            self._events.append(_global(part, chunk[at]))

    def joined(self) -> Taken:
        if not self._rows:
            return Taken(np.empty(0, np.int64), np.empty(0, EVENT))
        return Taken(np.concatenate(self._rows), np.concatenate(self._events))


class _Taking:
    """One pass over all events."""

    def __init__(self, strings: int, known: Iterable[int]) -> None:
        self.taken = _Pile()
        self.listed: list[Listed] = []
        self.received = np.zeros(strings, np.bool_)
        self.bots = np.zeros(1 << 16, np.bool_)
        self.last_ns = 0
        self._known = np.zeros(1 << 16, np.bool_)
        self._known[list(known)] = True

    def look_at(self, part: Part, start: int, chunk: NDArray[np.void]) -> None:
        op = chunk["op"]
        self.bots[chunk["bot"]] = True
        self.last_ns = max(self.last_ns, int(chunk["t_ns"].max()))
        self.taken.add(part, start, ~_IS_BULK[op], chunk)
        listed = op == Op.FINAL_READ
        if listed.any():
            self.listed.append(_entries(part, start, chunk, np.flatnonzero(listed & (chunk["bot"] == 0))))
            self.received[part.globally(chunk["a"][listed])] = True
        delivered = (op == Op.DELIVERY) & self._known[chunk["bot"]]
        self.received[part.globally(chunk["a"][delivered])] = True


def _entries(part: Part, start: int, chunk: NDArray[np.void], at: NDArray[np.int64]) -> Listed:
    own = chunk[at]
    return Listed(
        row=at + (part.first_row + start),
        content=part.globally(own["a"]),
        node=part.globally(own["b"]),
        source=part.globally(own["c"]),
        round=own["d"].astype(np.int32),
    )


def _listed(pieces: Sequence[Listed]) -> Listed:
    none = np.empty(0, np.int32)
    return Listed(
        row=np.concatenate([np.empty(0, np.int64), *(piece.row for piece in pieces)]),
        content=np.concatenate([none, *(piece.content for piece in pieces)]),
        node=np.concatenate([none, *(piece.node for piece in pieces)]),
        source=np.concatenate([none, *(piece.source for piece in pieces)]),
        round=np.concatenate([none, *(piece.round for piece in pieces)]),
    )


def _ops(ops: Iterable[Op]) -> NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[[int(op) for op in ops]] = True
    return table


_IS_BULK = _ops(BULK)
_NAMES = {
    operand: _ops(op for op, operands in STRING_OPERANDS.items() if operand in operands) for operand in "abc"
}


def _global(part: Part, events: NDArray[np.void]) -> NDArray[np.void]:
    for operand, ops in _NAMES.items():
        named = ops[events["op"]]
        events[operand][named] = part.globally(events[operand][named])
    return events


def _numbered(histories: Sequence[HistoryFile]) -> tuple[list[str | None], tuple[Part, ...]]:
    strings: list[str | None] = [None]
    known: dict[str, int] = {}
    parts = []
    row = 0
    for file in histories:
        ids = np.zeros(max(1, len(file.strings)), np.int32)
        for own, text in enumerate(file.strings):
            if not isinstance(text, str):
                continue
            found = known.setdefault(text, len(strings))
            if found == len(strings):
                strings.append(text)
            ids[own] = found
        parts.append(Part(row, file.events, ids))
        row += len(file.events)
    return strings, tuple(parts)


def _shared_bots(histories: Sequence[HistoryFile]) -> bool:
    seen: set[int] = set()
    for file in histories:
        own = set(_bots_of(file))
        if seen & own:
            return True
        seen |= own
    return False


def _bots_of(file: HistoryFile) -> Iterator[int]:
    present = np.zeros(1 << 16, np.bool_)
    if len(histories_events := file.events):
        for start in range(0, len(histories_events), CHUNK):
            present[histories_events["bot"][start : start + CHUNK]] = True
    yield from np.flatnonzero(present).tolist()


def _merged(histories: Sequence[HistoryFile]) -> HistoryFile:
    """Return one file of all: its events in the order of time, each file's own order kept."""
    strings, parts = _numbered(histories)
    events = np.concatenate([_global(part, np.array(part.events)) for part in parts])
    return HistoryFile(
        name="+".join(file.name for file in histories),
        strings=strings,
        events=events[np.argsort(events["t_ns"], kind="stable")],
        torn=sum(file.torn for file in histories),
    )
