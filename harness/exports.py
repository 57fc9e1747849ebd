"""A run's history for other tools: as JSON lines, or as one Parquet file."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import HarnessError, UsageError
from harness.records.folder import RunFolder
from harness.records.history import STRING_OPERANDS, HistoryFile, Op, read_history
from harness.records.jsonl import lines
from harness.records.reading import Unreadable, told

FORMATS = ("jsonl", "parquet")


def check_format(name: str) -> None:
    """Raise a `UsageError` for a format that there is not."""
    if name not in FORMATS:
        raise UsageError(f"--format wants one of {', '.join(FORMATS)}, not {name!r}")


def histories(folder: RunFolder) -> tuple[HistoryFile, ...]:
    """Return a run's history files.

    Raises:
        HarnessError: the folder has none, or they are none.
    """
    if not folder.history.is_dir():
        raise HarnessError(f"{folder.history} is missing: {folder.path} is not the folder of a run")
    try:
        found = told(folder.history, read_history)
    except Unreadable as error:
        raise HarnessError(str(error)) from error
    if not found:
        raise HarnessError(f"{folder.history} is empty: the run wrote no history")
    return found


def jsonl(files: tuple[HistoryFile, ...]) -> Iterator[str]:
    """Yield all events, one writer after the other."""
    for file in files:
        yield from lines(file)


def parquet(files: tuple[HistoryFile, ...], path: Path) -> int:
    """Write one table: the columns of the events, the writer, and the strings; returns the number of rows.

    Raises:
        HarnessError: pyarrow is not installed.
    """
    try:
        arrow: Any = importlib.import_module("pyarrow")
        store: Any = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise HarnessError(
            "Parquet wants pyarrow, which is not installed: pip install 'wordaround[parquet]'"
        ) from error
    tables = [_table(arrow, file) for file in files]
    table = arrow.concat_tables(tables).unify_dictionaries()
    store.write_table(table, path)
    return int(table.num_rows)


def _table(arrow: Any, file: HistoryFile) -> Any:
    events = file.events
    columns: dict[str, Any] = {
        "writer": arrow.array([file.name] * len(events)).dictionary_encode(),
        "t_ns": arrow.array(np.ascontiguousarray(events["t_ns"])),
        "op": _named(arrow, events["op"].astype(np.int32), _op_names()),
    }
    for name in ("flags", "bot", "conn", "a", "b", "c", "d"):
        columns[name] = arrow.array(np.ascontiguousarray(events[name]))
    texts = [(text or "").encode("utf-8", "replace").decode() for text in file.strings]
    for operand in "abc":
        uses = np.zeros(256, np.bool_)
        uses[[int(op) for op, operands in STRING_OPERANDS.items() if operand in operands]] = True
        ids = np.where(uses[events["op"]], events[operand], 0).astype(np.int32)
        columns[f"{operand}_text"] = _named(arrow, ids, texts, absent=ids == 0)
    return arrow.table(columns)


def _named(arrow: Any, ids: Any, names: list[str], absent: Any = None) -> Any:
    indices = arrow.array(ids, type=arrow.int32(), mask=absent)
    return arrow.DictionaryArray.from_arrays(indices, arrow.array(names, type=arrow.string()))


def _op_names() -> list[str]:
    names = [""] * (max(Op) + 1)
    for op in Op:
        names[op] = op.name
    return names
