"""A history as JSON lines: one object an event, every operand under its name, every string in full.

    {"t_ns":12,"op":"JOIN_OK","bot":1,"conn":1,"room":"room-1.0a1b2c3d","epoch":"e1","seq":7,"recovered":true}

It says exactly what the rows say (`history.py` has their table), is as easy to write as to read, and is many
times larger. `docs/history.md` documents it for others.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from harness.records.history import (
    FLAG_COMPLETE,
    FLAG_DEFINITE,
    FLAG_DUPLICATE,
    FLAG_FROM_HISTORY,
    FLAG_MORE,
    FLAG_RECOVERED,
    STRING_OPERANDS,
    HistoryFile,
    Op,
    Row,
)

COMMON = ("t_ns", "op", "bot", "conn")
LARGEST = {"t_ns": 2**63 - 1, "bot": 2**16 - 1}


class NotHistory(ValueError):
    """A line that is no event; the message says which line, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The names of an operation's operands, and of its flags."""

    operands: Mapping[str, str]  # a, b, c or d, and the name
    flags: Mapping[str, int]


def _shape(flags: Mapping[str, int] | None = None, **operands: str) -> Shape:
    return Shape(operands, flags or {})


SHAPES: Mapping[Op, Shape] = MappingProxyType(
    {
        Op.CONNECT: _shape(a="node"),
        Op.DISCONNECT: _shape(a="reason"),
        Op.JOIN: _shape(a="room", b="cursor_epoch", c="cursor_seq"),
        Op.JOIN_OK: _shape({"recovered": FLAG_RECOVERED}, a="room", b="epoch", c="seq"),
        Op.JOIN_FAILED: _shape(a="room", b="error"),
        Op.LEAVE: _shape(a="room"),
        Op.LEAVE_OK: _shape(a="room", b="epoch", c="seq"),
        Op.SEND: _shape(a="content", b="attempt", c="key"),
        Op.SEND_OK: _shape({"duplicate": FLAG_DUPLICATE}, a="key", b="attempt", c="epoch", d="seq"),
        Op.SEND_FAILED: _shape({"definite": FLAG_DEFINITE}, a="key", b="attempt", c="error"),
        Op.SEND_LOST: _shape(a="key", b="attempt", c="reason"),
        Op.HISTORY: _shape({"recovered": FLAG_RECOVERED, "more": FLAG_MORE}, a="room", b="epoch", c="count"),
        Op.DELIVERY: _shape({"from_history": FLAG_FROM_HISTORY}, a="content"),
        Op.USER_LIST: _shape(a="content"),
        Op.SERVER_INFO: _shape(a="content"),
        Op.FINAL_READ: _shape(a="content", b="node", c="source", d="round"),
        Op.FINAL_READ_END: _shape({"complete": FLAG_COMPLETE}, a="room", b="node", c="source", d="round"),
        Op.BOT_ERROR: _shape(a="text"),
    }
)


def lines(file: HistoryFile) -> Iterator[str]:
    """Yield the events of a history file as JSON."""
    for row in file.rows:
        yield json.dumps(_object(file, row), separators=(",", ":"))


def _object(file: HistoryFile, row: Row) -> dict[str, Any]:
    shape = SHAPES[row.op]
    found: dict[str, Any] = {"t_ns": row.t_ns, "op": row.op.name, "bot": row.bot, "conn": row.conn}
    for operand, name in shape.operands.items():
        value: int | str | None = getattr(row, operand)
        if operand in STRING_OPERANDS[row.op]:
            value = file.strings[int(value or 0)]
        elif name == "cursor_seq":
            value = row.c - 1 if row.c else None
        found[name] = value
    for name, flag in shape.flags.items():
        found[name] = bool(row.flags & flag)
    return found


def read_lines(name: str, text: Iterable[str]) -> HistoryFile:
    """Read a history back; a last line that is cut off is left out and counted as torn.

    Raises:
        NotHistory: another line is no event.
    """
    ids: dict[str, int] = {}
    rows: list[Row] = []
    torn = 0
    for number, line in enumerate(text, 1):
        if torn:
            raise NotHistory(f"{name}, line {number - 1}: it is no JSON, and not the last line")
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            torn = len(line.encode("utf-8", "replace"))
            continue
        rows.append(_row(f"{name}, line {number}", value, ids))
    return HistoryFile.of_rows(name=name, strings=(None, *ids), rows=rows, torn=torn)


def _row(where: str, value: object, ids: dict[str, int]) -> Row:
    if not isinstance(value, dict):
        raise NotHistory(f"{where}: it is no object")
    op = Op.__members__.get(str(value.get("op")))
    if op is None:
        raise NotHistory(f"{where}: there is no operation {value.get('op')!r}")
    shape = SHAPES[op]
    unknown = value.keys() - {*COMMON, *shape.operands.values(), *shape.flags}
    if unknown:
        raise NotHistory(f"{where}: {op.name} has no {sorted(unknown)[0]!r}")
    numbers = {name: _number(where, value, name) for name in ("t_ns", "bot", "conn")}
    for operand, name in shape.operands.items():
        if operand in STRING_OPERANDS[op]:
            numbers[operand] = _text(where, value.get(name), name, ids)
        else:
            shift = name == "cursor_seq" and value.get(name) is not None
            numbers[operand] = _number(where, value, name) + shift
    flags = sum(flag for name, flag in shape.flags.items() if _truth(where, value, name))
    return Row(op=op, flags=flags, **numbers)


def _number(where: str, value: Mapping[str, object], name: str) -> int:
    found = value.get(name)
    if found is None:
        found = 0
    if isinstance(found, bool) or not isinstance(found, int):
        raise NotHistory(f"{where}: {name} is no whole number: {found!r}")
    if not 0 <= found < LARGEST.get(name, 2**32 - 1):
        raise NotHistory(f"{where}: {name} is out of its range: {found}")
    return found


def _text(where: str, found: object, name: str, ids: dict[str, int]) -> int:
    if found is None:
        return 0
    if not isinstance(found, str):
        raise NotHistory(f"{where}: {name} is no text: {found!r}")
    return ids.setdefault(found, len(ids) + 1)


def _truth(where: str, value: Mapping[str, object], name: str) -> bool:
    found = value.get(name, False)
    if not isinstance(found, bool):
        raise NotHistory(f"{where}: {name} is neither true nor false: {found!r}")
    return found
