"""`metrics/<member>.jsonl`: what a member used and held, about once a second while the run went on.

A moment at which a member was down, or could not be asked, has no line: a gap is no error. Nothing is
synced and nothing waits for it; a crash may cut the last line off, and the reader leaves it out.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.records.codec import load_json

SUFFIX = ".jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeFigures:
    """What a node said of itself (`/metrics`, docs/metrics.md); `None`: it has no such figure."""

    connections: int | None = None  # Socket.IO sessions
    buffered_bytes: int | None = None  # wait for connections to read
    tail_lag: int | None = None  # entries of the shard logs not yet handed on
    tail_silent_s: float | None = None  # since Redis last answered the tail
    commits_waiting: int | None = None  # messages that wait for the committer


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One look at one member.

    `cpu` is in cores: seconds of CPU a second since the sample before, `None` in the first of an incarnation
    and where nobody can tell. `memory` is resident, in bytes. `node` is `None` of Redis, and of a node that
    did not answer.
    """

    t_ns: int  # monotonic, when it was taken
    identity: str  # of the incarnation, as in members.jsonl
    cpu: float | None = None
    memory: int | None = None
    node: NodeFigures | None = None


class SampleWriter:
    """Appends samples. One thread owns it."""

    def __init__(self, folder: Path, member: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._file = os.open(folder / f"{member}{SUFFIX}", flags, 0o644)

    def append(self, sample: Sample) -> None:
        """Hand one sample to the operating system, in one write."""
        os.write(self._file, json.dumps(asdict(sample), separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Close the file; nothing is written after it."""
        os.close(self._file)


def read_samples(path: Path) -> tuple[Sample, ...]:
    """Read a member's samples; a last line that was cut off is left out.

    Raises:
        ValueError: another line is no sample.
        OSError: there is no such file, or it cannot be read.
    """
    return tuple(_samples(path.read_bytes().split(b"\n")))


def _samples(lines: list[bytes]) -> Iterator[Sample]:
    for line in lines[:-1]:  # What stands behind the last line break is empty, or was cut off.
        yield load_json(Sample, line)
