"""The history, read: see `history_format.py` for what it is and how it lies on disk.

Who writes one needs nothing of this: NumPy takes long to import, and the start of a run waits for it.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.records.history_format import (
    FLAG_COMPLETE,
    FLAG_DEFINITE,
    FLAG_DUPLICATE,
    FLAG_FROM_HISTORY,
    FLAG_MORE,
    FLAG_RECOVERED,
    ROW,
    STRING_OPERANDS,
    HistoryWriter,
    Op,
    Row,
    canonical,
    string_ids,
)

__all__ = [
    "EVENT",
    "FLAG_COMPLETE",
    "FLAG_DEFINITE",
    "FLAG_DUPLICATE",
    "FLAG_FROM_HISTORY",
    "FLAG_MORE",
    "FLAG_RECOVERED",
    "ROW",
    "STRING_OPERANDS",
    "HistoryFile",
    "HistoryWriter",
    "Op",
    "Row",
    "canonical",
    "events_of",
    "read_history",
    "read_history_file",
    "string_ids",
    "write_history",
]

EVENT = np.dtype(
    [
        ("t_ns", "<i8"),
        ("op", "u1"),
        ("flags", "u1"),
        ("bot", "<u2"),
        ("conn", "<u4"),
        ("a", "<u4"),
        ("b", "<u4"),
        ("c", "<u4"),
        ("d", "<u4"),
    ]
)
assert ROW.size == EVENT.itemsize == 32


class HistoryFile:
    """What one writer recorded.

    `events` has the rows as one array of `EVENT`s (32 bytes each; mapped from the file, not copied, where
    there is one); `strings[0]` is `None`; `torn` counts the bytes left out at the end.
    """

    __slots__ = ("events", "name", "strings", "torn")

    def __init__(
        self, *, name: str, strings: Sequence[str | None], events: NDArray[np.void], torn: int = 0
    ) -> None:
        self.name = name
        self.strings = strings
        self.events = events
        self.torn = torn

    @classmethod
    def of_rows(
        cls, *, name: str, strings: Sequence[str | None], rows: Iterable[Row], torn: int = 0
    ) -> "HistoryFile":
        """Make one of rows: for tests and for tools that make histories."""
        return cls(name=name, strings=strings, events=events_of(rows), torn=torn)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The events one by one: convenient, and much too slow for millions."""
        return tuple(
            Row(t_ns=t_ns, op=Op(op), flags=flags, bot=bot, conn=conn, a=a, b=b, c=c, d=d)
            for t_ns, op, flags, bot, conn, a, b, c, d in self.events.tolist()
        )

    def text(self, string_id: int) -> str:
        """Return the string of an id that a row requires to be there."""
        text = self.strings[string_id]
        if text is None:
            raise ValueError(f"history {self.name}: string id 0 where a string is required")
        return text


def events_of(rows: Iterable[Row]) -> NDArray[np.void]:
    """Return rows as an array of `EVENT`s."""
    return np.array(
        [(r.t_ns, int(r.op), r.flags, r.bot, r.conn, r.a, r.b, r.c, r.d) for r in rows], dtype=EVENT
    )


def read_history(folder: Path) -> tuple[HistoryFile, ...]:
    """Read every writer's files in the `history/` folder, in the order of their names."""
    shared: dict[str, str] = {}
    return tuple(read_history_file(path, shared) for path in sorted(folder.glob("*.events")))


def read_history_file(events: Path, shared: dict[str, str] | None = None) -> HistoryFile:
    """Read one writer's files; a torn tail is cut off and counted, never guessed at.

    Strings that several files have are kept once, in `shared`.
    """
    strings = _read_strings(events.with_suffix(".strings"), {} if shared is None else shared)
    size = events.stat().st_size
    whole = size // EVENT.itemsize
    rows = np.memmap(events, dtype=EVENT, mode="r", shape=(whole,)) if whole else np.empty(0, EVENT)
    sound = _sound(rows, len(strings))
    return HistoryFile(
        name=events.stem, strings=strings, events=rows[:sound], torn=size - sound * EVENT.itemsize
    )


def write_history(folder: Path, name: str, rows: Iterable[Row], strings: Iterable[str]) -> None:
    """Write a whole history at once: for tests and for tools that make histories."""
    writer = HistoryWriter(folder, name)
    for text in strings:
        writer.intern(text)
    for r in rows:
        writer.record(r.t_ns, r.op, flags=r.flags, bot=r.bot, conn=r.conn, a=r.a, b=r.b, c=r.c, d=r.d)
    writer.close()


_CHUNK = 1 << 18  # rows that are looked at together: they stay in the processor's cache


def _sound(events: NDArray[np.void], strings: int) -> int:
    """Return how many events there are before the first that is of no operation or lacks a string."""
    for start in range(0, len(events), _CHUNK):
        part = events[start : start + _CHUNK]
        op = part["op"]
        bad = ~_KNOWN[op]
        for operand, used in _USES.items():
            bad |= used[op] & (part[operand] >= strings)
        if bad.any():
            return start + int(bad.argmax())
    return len(events)


def _by_op(is_so: Callable[[Op], bool]) -> NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[[int(op) for op in Op if is_so(op)]] = True
    return table


_KNOWN = _by_op(lambda op: True)
_USES = {
    operand: _by_op(lambda op, operand=operand: operand in STRING_OPERANDS[op])  # type: ignore[misc]
    for operand in "abc"
}


def _read_strings(path: Path, shared: dict[str, str]) -> tuple[str | None, ...]:
    """Read the strings up to the first line that is none.

    Lines are decoded many at once, which is exact: a raw line break is no part of any JSON string.
    """
    lines = path.read_bytes().split(b"\n")[:-1]
    strings: list[str | None] = [None]
    for start in range(0, len(lines), 10_000):
        part = lines[start : start + 10_000]
        found = _decoded(part)
        strings += [shared.setdefault(text, text) for text in found]
        if len(found) < len(part):
            break
    return tuple(strings)


def _decoded(lines: list[bytes]) -> list[str]:
    try:
        found = json.loads(b"[" + b",\n".join(lines) + b"]")
    except (ValueError, RecursionError):
        found = None
    if found is not None and len(found) == len(lines) and all(type(text) is str for text in found):
        return list(found)
    strings: list[str] = []
    for line in lines:
        try:
            text = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(text, str):
            break
        strings.append(text)
    return strings
