"""Judging a saved run: reads the folder, writes nothing."""

from pathlib import Path
from typing import TypeVar

from harness.errors import HarnessError
from harness.judge.judgement import judge
from harness.records.bots import BotsMetrics
from harness.records.codec import read_json
from harness.records.folder import RunFolder
from harness.records.history import HistoryFile, read_history
from harness.records.journal import FaultEntry, MemberEntry, read_journal
from harness.records.meta import Meta
from harness.records.plan import Plan
from harness.records.verdict import RunVerdict

T = TypeVar("T")
SCHEMA = 1


def judge_folder(folder: RunFolder) -> RunVerdict:
    """Judge a saved run.

    Raises:
        HarnessError: this is not the folder of a run, or a file in it is missing, damaged or foreign.
    """
    if not folder.path.is_dir():
        raise HarnessError(f"{folder.path} is not a folder; give the folder of a run (runs/…)")
    meta = _record(Meta, folder.meta)
    if meta.schema != SCHEMA:
        raise HarnessError(
            f"{folder.meta} has schema {meta.schema}, and this version reads {SCHEMA}; "
            "judge it with the version that made the run (meta.json names it)"
        )
    return judge(
        plan=_record(Plan, folder.plan),
        meta=meta,
        histories=_histories(folder),
        faults=_journal(FaultEntry, folder.faults),
        members=_journal(MemberEntry, folder.members),
        generator_lag_ms=_generator_lag_ms(folder.metrics / "bots.json"),
    )


def _record(kind: type[T], path: Path) -> T:
    try:
        return read_json(kind, path)
    except FileNotFoundError as error:
        raise HarnessError(
            f"{path} is missing: {path.parent} is not the folder of a run, or the run broke off before "
            "it was written"
        ) from error
    except (OSError, ValueError) as error:
        raise HarnessError(_foreign(path, error)) from error


def _histories(folder: RunFolder) -> tuple[HistoryFile, ...]:
    if not folder.history.is_dir():
        raise HarnessError(f"{folder.history} is missing: there is no history to judge")
    try:
        return read_history(folder.history)
    except (OSError, ValueError) as error:
        raise HarnessError(_foreign(folder.history, error)) from error


def _journal(kind: type[T], path: Path) -> tuple[T, ...]:
    try:
        return read_journal(kind, path)
    except (OSError, ValueError) as error:
        raise HarnessError(_foreign(path, error)) from error


def _generator_lag_ms(path: Path) -> float | None:
    return _record(BotsMetrics, path).p99_lag_ms if path.exists() else None


def _foreign(path: Path, error: Exception) -> str:
    what = " ".join(str(error).split())
    return f"{path} cannot be read: it was damaged, or another version made it ({what})"
