"""A run folder, read once. Everything else in the reports works on the `Run` that comes out."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.records.folder import RunFolder
from harness.records.history import HistoryFile, read_history
from harness.records.journal import FaultEntry, MemberEntry
from harness.records.meta import Meta
from harness.records.metrics import SUFFIX, Sample, read_samples
from harness.records.plan import Plan
from harness.records.reading import Missing, OtherSchema, Unreadable, journal, record, told
from harness.records.verdict import RunVerdict
from reports.log_extracts import Extract, extract
from reports.text import clipped, without_ansi

LOG_LINES = 20
LOG_BYTES = 64 * 1024  # Read from the end of each log: enough for LOG_LINES of any sensible log.


class ReportError(ValueError):
    """The run folder cannot be reported on. The message says which file, why, and how to mend it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogTail:
    """The last lines of one member's log."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """The samples of one member; `trouble`: why there are none, where there should be some."""

    samples: tuple[Sample, ...] = ()
    trouble: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """All that a run folder holds, parsed."""

    name: str  # of the folder
    plan: Plan
    meta: Meta
    verdict: RunVerdict
    faults: tuple[FaultEntry, ...]
    members: tuple[MemberEntry, ...]
    history: tuple[HistoryFile, ...]
    scenario: str | None  # the YAML as given
    logs: tuple[LogTail, ...]
    usage: Mapping[str, Usage] = field(default_factory=dict)  # by member
    extracts: Mapping[str, Extract] = field(default_factory=dict)  # by member that has a log

    def usage_of(self, member: str) -> Usage:
        """Return what a member used; nothing of one that was not sampled."""
        return self.usage.get(member, Usage())

    @property
    def zero_ns(self) -> int:
        """Time zero of every time that is shown: the start of the load, or of a run that never got there."""
        began = self.meta.load_began_ns
        return self.meta.began_ns if began is None else began

    @property
    def duration_s(self) -> float | None:
        """Seconds from the run's first moment to its last; `None` when it has no end."""
        if self.meta.ended_ns is None:
            return None
        return (self.meta.ended_ns - self.meta.began_ns) / 1e9

    @property
    def gaps(self) -> tuple[str, ...]:
        """What the folder should hold and does not, a sentence each: the page lacks what comes of it."""
        torn = [
            f"The history file {file.name} is torn at its end: {file.torn:,} bytes could not be read."
            for file in self.history
            if file.torn
        ]
        lacking = () if self.history else ("The run folder has no history of what the clients saw.",)
        return (*lacking, *torn)

    def at_s(self, t_ns: int) -> float:
        """Return seconds from time zero for a monotonic stamp."""
        return (t_ns - self.zero_ns) / 1e9


def load(folder: RunFolder, *, whole: bool = True) -> Run:
    """Read a run folder; with `whole=False` without what is large: history and logs.

    Raises:
        ReportError: a file that is needed is missing, or is not what its name says.
    """
    if folder.path.exists() and not folder.path.is_dir():
        raise ReportError(f"{folder.path} is not a folder; give the folder of a run (runs/…)")
    try:
        return _load(folder, whole=whole)
    except Unreadable as error:
        raise ReportError(_said(error)) from error


def _load(folder: RunFolder, *, whole: bool) -> Run:
    run = Run(
        name=folder.path.name,
        meta=record(Meta, folder.meta),
        verdict=record(RunVerdict, folder.verdict),
        plan=record(Plan, folder.plan),
        faults=journal(FaultEntry, folder.faults),
        members=journal(MemberEntry, folder.members),
        history=told(folder.history, read_history) if whole else (),
        scenario=told(folder.scenario, _text),
        logs=told(folder.logs, _tails) if whole else (),
    )
    return replace(run, usage=_usage(folder, run.plan), extracts=_extracts(folder, run)) if whole else run


def _said(error: Unreadable) -> str:
    """Return the sentence with how to mend it, where that is known."""
    path = error.path
    if path.name == "verdict.json" and path.parent.exists():
        if isinstance(error, Missing):
            return (
                f"{path} is missing: the run was not judged yet; `wordaround check {path.parent}` judges it"
            )
        return f"{error}; `wordaround check {path.parent}` judges the run anew"
    if isinstance(error, OtherSchema):
        return f"{error}: report with the version that made the run (meta.json names it)"
    return str(error)


def _text(path: Path) -> str | None:
    return path.read_text("utf-8", errors="replace") if path.exists() else None


def _tails(folder: Path) -> tuple[LogTail, ...]:
    return tuple(_tail(path) for path in sorted(folder.glob("*.log")) if path.is_file())


def _usage(folder: RunFolder, plan: Plan) -> Mapping[str, Usage]:
    files = {member: folder.metrics / f"{member}{SUFFIX}" for member in _plain_names(plan)}
    return {member: _samples(path) for member, path in files.items() if path.is_file()}


def _samples(path: Path) -> Usage:
    """Read samples; without them the rest of the run can be reported on all the same."""
    try:
        return Usage(samples=told(path, read_samples))
    except Unreadable as error:
        return Usage(trouble=clipped(f"{path.name} {error.what}", 300))


def _extracts(folder: RunFolder, run: Run) -> Mapping[str, Extract]:
    files = {member: folder.logs / f"{member}.log" for member in _plain_names(run.plan)}
    read: Callable[[Path], Extract] = lambda path: extract(path, run.meta, run.faults)  # noqa: E731
    return {member: told(path, read) for member, path in files.items() if path.is_file()}


def _plain_names(plan: Plan) -> Iterator[str]:
    """Yield the members whose names can be those of files: a foreign plan may name anything."""
    yield from (member for member in plan.cluster.members if Path(member).name == member)


def _tail(path: Path) -> LogTail:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LOG_BYTES))
        text = file.read().decode("utf-8", errors="replace")
    lines = without_ansi(text).splitlines()
    return LogTail(name=path.stem, lines=tuple(lines[-LOG_LINES:]))
