"""A run folder, read once. Everything else in the reports works on the `Run` that comes out."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from harness.records.codec import in_words, read_json, schema_of
from harness.records.folder import RunFolder
from harness.records.history import HistoryFile, read_history
from harness.records.journal import FaultEntry, MemberEntry, read_journal
from harness.records.meta import Meta
from harness.records.metrics import SUFFIX, Sample, read_samples
from harness.records.plan import Plan
from harness.records.verdict import RunVerdict
from reports.log_extracts import Extract, extract
from reports.text import clipped, without_ansi

T = TypeVar("T")

SCHEMA = 1  # of meta.json and verdict.json
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
    _check_schema(folder.meta, "report with the version that made the run (meta.json names it)")
    meta = _record(Meta, folder.meta)
    _check_schema(folder.verdict, f"`wordaround check {folder.path}` judges the run anew")
    verdict = _record(RunVerdict, folder.verdict)
    run = Run(
        name=folder.path.name,
        plan=_record(Plan, folder.plan),
        meta=meta,
        verdict=verdict,
        faults=_journal(FaultEntry, folder.faults),
        members=_journal(MemberEntry, folder.members),
        history=_history(folder.history) if whole else (),
        scenario=folder.scenario.read_text("utf-8", errors="replace") if folder.scenario.exists() else None,
        logs=tuple(_tail(path) for path in sorted(folder.logs.glob("*.log"))) if whole else (),
    )
    return replace(run, usage=_usage(folder, run.plan), extracts=_extracts(folder, run)) if whole else run


def _record(kind: type[T], path: Path) -> T:
    try:
        return read_json(kind, path)
    except FileNotFoundError as error:
        raise ReportError(_missing(path)) from error
    except (OSError, ValueError) as error:
        raise ReportError(_foreign(path, error)) from error


def _missing(path: Path) -> str:
    if path.name == "verdict.json" and path.parent.exists():
        return f"{path} is missing: the run was not judged yet; `wordaround check {path.parent}` judges it"
    return f"{path} is missing: the folder is not that of a run, or the run broke off before it was written"


def _foreign(path: Path, error: Exception) -> str:
    mend = f"; `wordaround check {path.parent}` judges the run anew" if path.name == "verdict.json" else ""
    return (
        f"{path} is damaged, or was made by another version of WordAround than this one: "
        f"{in_words(error)}{mend}"
    )


def _check_schema(path: Path, mend: str) -> None:
    schema = schema_of(path)
    if schema not in (SCHEMA, None):
        raise ReportError(
            f"{path} has schema {clipped(repr(schema), 40)}; "
            f"this version of WordAround reads schema {SCHEMA}: {mend}"
        )


def _journal(kind: type[T], path: Path) -> tuple[T, ...]:
    try:
        return read_journal(kind, path)
    except (OSError, ValueError) as error:
        raise ReportError(_foreign(path, error)) from error


def _history(folder: Path) -> tuple[HistoryFile, ...]:
    try:
        return read_history(folder)
    except (OSError, ValueError) as error:
        raise ReportError(_foreign(folder, error)) from error


def _usage(folder: RunFolder, plan: Plan) -> Mapping[str, Usage]:
    files = {member: folder.metrics / f"{member}{SUFFIX}" for member in _plain_names(plan)}
    return {member: _samples(path) for member, path in files.items() if path.is_file()}


def _samples(path: Path) -> Usage:
    """Read samples; without them the rest of the run can be reported on all the same."""
    try:
        return Usage(samples=read_samples(path))
    except (OSError, ValueError) as error:
        return Usage(trouble=clipped(_foreign(Path(path.name), error), 300))


def _extracts(folder: RunFolder, run: Run) -> Mapping[str, Extract]:
    files = {member: folder.logs / f"{member}.log" for member in _plain_names(run.plan)}
    try:
        return {m: extract(path, run.meta, run.faults) for m, path in files.items() if path.is_file()}
    except OSError as error:
        raise ReportError(_foreign(folder.logs, error)) from error


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
