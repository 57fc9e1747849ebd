"""Two append-only JSON-lines files: `faults.jsonl` (what was done) and `members.jsonl` (what was seen).

Every line is synced before the call returns: the journal is what a later `heal` trusts.
"""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeVar

from pydantic import ValidationError

from harness.records.codec import dump_json, is_no_json, load_json

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultEntry:
    """One step in the life of an injected fault.

    `undo` is written before the inject, and names what would have to be undone. `injected` and `healed`
    are stamped when the step *began* (`t_ns`) and when it was over (`done_ns`). `proved` and
    `heal_proved` carry the evidence; `failed` says what went wrong. A fault without a heal of its own
    (a kill whose member stays down) ends with `proved`.
    """

    t_ns: int
    done_ns: int
    fault_id: str
    fault: str
    step: Literal["undo", "injected", "proved", "healed", "heal_proved", "failed"]
    targets: tuple[str, ...]
    evidence: dict[str, str] = field(default_factory=dict)
    undo: tuple[
        tuple[str, ...], ...
    ] = ()  # of an `undo` entry: commands that end the fault without the harness


class MemberState(StrEnum):
    """What the runner saw of a member."""

    STARTING = "starting"
    READY = "ready"
    NOT_READY = "not-ready"  # alive, but its `/ready` says no or does not answer
    PAUSED = "paused"  # alive, and stopped where it stands
    DOWN = "down"


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberEntry:
    """A member was seen in a new state, or with a new identity."""

    t_ns: int
    member: str
    role: Literal["node", "redis"]
    state: MemberState
    identity: str  # "pid 4711 started 123456" or "container 3f2a… pid 4711 started 2026-…"; "" when down


class Journal:
    """Appends records as JSON lines, synced one by one. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Open it, to go on after its last whole line: one that a crash cut off is removed."""
        self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        _cut_torn_line(self._file)
        self._lock = threading.Lock()

    def append(self, record: FaultEntry | MemberEntry) -> None:
        """Write one record and wait until it is on disk.

        Raises:
            ValueError: the journal is closed.
        """
        with self._lock:
            if self._file is None:
                raise ValueError("the journal is closed")
            os.write(self._file, dump_json(record, indent=None) + b"\n")
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                os.close(file)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


def _cut_torn_line(file: int) -> None:
    size = os.fstat(file).st_size
    written = os.pread(file, size, 0)
    whole = written.rfind(b"\n") + 1
    if whole < size:
        os.ftruncate(file, whole)


def read_journal(kind: type[T], path: Path) -> tuple[T, ...]:
    """Read a journal; a line cut off at the end by a crash is left out."""
    return tuple(_records(kind, path)) if path.exists() else ()


def _records(kind: type[T], path: Path) -> Iterator[T]:
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines):
        if not line:
            continue
        try:
            record = load_json(kind, line)
        except ValidationError as error:
            if number == len(lines) - 1 and is_no_json(error):
                return
            raise
        yield record
