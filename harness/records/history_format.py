"""The history: what every client saw, in the order in which it saw it.

One writer (a bot worker, or the runner's final reader) owns two append-only files:

    NAME.strings   one JSON string a line; its line number, from 1, is the string's id; id 0 is "absent"
    NAME.events    fixed rows of 32 bytes, little-endian:
                   t_ns i64 · op u8 · flags u8 · bot u16 · conn u32 · a u32 · b u32 · c u32 · d u32

`t_ns` is the machine's monotonic clock. `bot` is the bot's ordinal in the plan (0: the runner). `conn`
numbers a bot's connections from 1 (0: none). What a, b, c and d hold is the operation's own affair:

    op              a            b              c               d                  flags
    CONNECT         node         -              -               -
    DISCONNECT      reason       -              -               -
    JOIN            room         cursor epoch   cursor seq + 1  -                  (c = 0: no cursor)
    JOIN_OK         room         epoch          seq             -                  1 = recovered
    JOIN_FAILED     room         error          -               -
    LEAVE           room         -              -               -
    LEAVE_OK        room         epoch          seq             -
    SEND            content      attempt        key             -
    SEND_OK         key          attempt        epoch           seq                1 = duplicate
    SEND_FAILED     key          attempt        error           -                  1 = definite
    SEND_LOST       key          attempt        reason          -
    HISTORY         room         epoch          count           -                  1 = recovered, 2 = more
    DELIVERY        content      -              -               -                  1 = from history
    USER_LIST       content      -              -               -
    SERVER_INFO     content      -              -               -
    FINAL_READ      content      node           source          round
    FINAL_READ_END  room         node           source          round              1 = read to its end
    BOT_ERROR       text         -              -               -

`content` is the id of the JSON text (`canonical`) of what was sent or received, one id for equal texts: a
message that ten recipients got unaltered is stored once, and one that was altered on its way shows as
another id. `key` numbers a bot's messages from 1: all attempts of one message share it. `seq` of 0
means null (the pub/sub cluster has no positions).

**Order on disk.** A string is written before the first row that uses it. Rows of invokes (JOIN, LEAVE,
SEND) reach the operating system before the frame reaches the socket (`flush=True`); the others at most
a second later. After a crash the end of the file may be torn: the reader stops at the first row that is
incomplete or names a string that is not there, and says so (`torn`).
"""

import json
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType

ROW = struct.Struct("<qBBHIIIII")


class Op(IntEnum):
    """The operations of a history."""

    CONNECT = 1
    DISCONNECT = 2
    JOIN = 3
    JOIN_OK = 4
    JOIN_FAILED = 5
    LEAVE = 6
    LEAVE_OK = 7
    SEND = 8
    SEND_OK = 9
    SEND_FAILED = 10
    SEND_LOST = 11
    HISTORY = 12
    DELIVERY = 13
    USER_LIST = 14
    SERVER_INFO = 15
    FINAL_READ = 16
    FINAL_READ_END = 17
    BOT_ERROR = 18


FLAG_RECOVERED = FLAG_DUPLICATE = FLAG_DEFINITE = FLAG_FROM_HISTORY = FLAG_COMPLETE = 1
FLAG_MORE = 2


def canonical(value: object) -> str:
    """Return the one JSON text that equal values have in a history.

    Raises:
        TypeError, ValueError: the value is nothing that JSON has.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One recorded operation; see the table in the module's docstring."""

    t_ns: int
    op: Op
    flags: int = 0
    bot: int = 0
    conn: int = 0
    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0


# Which operands of an operation are ids of strings.
STRING_OPERANDS: Mapping[Op, str] = MappingProxyType(
    {
        Op.CONNECT: "a",
        Op.DISCONNECT: "a",
        Op.JOIN: "ab",
        Op.JOIN_OK: "ab",
        Op.JOIN_FAILED: "ab",
        Op.LEAVE: "a",
        Op.LEAVE_OK: "ab",
        Op.SEND: "a",
        Op.SEND_OK: "c",
        Op.SEND_FAILED: "c",
        Op.SEND_LOST: "c",
        Op.HISTORY: "ab",
        Op.DELIVERY: "a",
        Op.USER_LIST: "a",
        Op.SERVER_INFO: "a",
        Op.FINAL_READ: "abc",
        Op.FINAL_READ_END: "abc",
        Op.BOT_ERROR: "a",
    }
)


def string_ids(row: Row) -> Iterator[int]:
    """Yield the string ids that a row uses."""
    for operand in STRING_OPERANDS[row.op]:
        yield getattr(row, operand)


class HistoryWriter:
    """Appends rows and strings. Not thread-safe: one greenlet world, or one thread, owns a writer."""

    def __init__(self, folder: Path, name: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._strings_file = os.open(folder / f"{name}.strings", flags, 0o644)
        self._events_file = os.open(folder / f"{name}.events", flags, 0o644)
        self._ids: dict[str, int] = {}
        self._strings = bytearray()
        self._rows = bytearray()

    def intern(self, text: str | None) -> int:
        """Return the id of a string, a new one at its first use; `None` is 0."""
        if text is None:
            return 0
        found = self._ids.get(text)
        if found is None:
            found = self._ids[text] = len(self._ids) + 1
            self._strings += json.dumps(text).encode("ascii") + b"\n"
        return found

    def record(
        self, t_ns: int, op: Op, *, flags: int = 0, bot: int = 0, conn: int = 0,
        a: int = 0, b: int = 0, c: int = 0, d: int = 0, flush: bool = False,
    ) -> None:  # fmt: skip
        """Add a row. With `flush` it has reached the operating system when this returns."""
        self._rows += ROW.pack(t_ns, op, flags, bot, conn, a, b, c, d)
        if flush:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system, strings first."""
        if self._strings:
            _write_all(self._strings_file, self._strings)
            self._strings.clear()
        if self._rows:
            _write_all(self._events_file, self._rows)
            self._rows.clear()

    def close(self) -> None:
        """Flush, sync and close."""
        self.flush()
        for file in (self._strings_file, self._events_file):
            os.fsync(file)
            os.close(file)


def _write_all(file: int, data: bytearray) -> None:
    with memoryview(data) as view:
        written = 0
        while written < len(view):
            written += os.write(file, view[written:])
