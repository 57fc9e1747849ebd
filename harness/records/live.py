"""`live.jsonl`: what a run shows of itself while it goes on, for whoever follows it by its folder alone.

Two kinds of line: a moment (about twice a second, and at every change of phase, members or faults), and a
sentence that the run said. Nothing is synced; a reader leaves a line out that is not whole yet.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.records.codec import load_json
from harness.records.journal import MemberState


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """One moment. Rates are messages a second over the last second or so; the totals are since the start."""

    t_ns: int
    phase: str
    at_s: float  # since time zero of the plan
    of_s: float | None  # when the load ends, as planned; `None`: by hand
    members: Mapping[str, MemberState] = field(default_factory=dict)
    faults: tuple[str, ...] = ()  # injected and not yet seen healed
    joined: int = 0  # bots in their rooms
    bots: int = 0
    acked: int = 0
    delivered: int = 0
    acked_per_s: float = 0.0
    delivered_per_s: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """A sentence of the run, for people."""

    t_ns: int
    text: str


class LiveWriter:
    """Appends lines, each in one write, so that several threads may use it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def append(self, line: Moment | Said) -> None:
        """Hand one line to the operating system."""
        os.write(self._file, json.dumps(asdict(line), separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


_LINE: Any = Moment | Said  # For mypy a union is no type.


def read_live(path: Path, *, last_bytes: int) -> tuple[tuple[Moment, ...], tuple[Said, ...]]:
    """Read the moments and the sentences at the end of the file, from that many bytes.

    Raises:
        ValueError: a whole line is neither.
        OSError: the file cannot be read; where there is none, there is nothing.
    """
    if not path.exists():
        return (), ()
    lines = [load_json(_LINE, line) for line in _whole_lines(path, last_bytes)]
    return (
        tuple(line for line in lines if isinstance(line, Moment)),
        tuple(line for line in lines if isinstance(line, Said)),
    )


def _whole_lines(path: Path, last_bytes: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - last_bytes))
        lines = file.read().split(b"\n")
    yield from lines[1 if size > last_bytes else 0 : -1]
