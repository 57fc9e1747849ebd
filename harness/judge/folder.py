"""Judging a saved run: reads the folder, writes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from harness.checkers import steady_state
from harness.checkers.view import prepare
from harness.errors import HarnessError
from harness.judge import early
from harness.judge.judgement import judge
from harness.open_ended import with_bots
from harness.records.bots import BotsMetrics
from harness.records.folder import RunFolder
from harness.records.history import HistoryFile, read_history
from harness.records.journal import FaultEntry, MemberEntry
from harness.records.meta import Meta
from harness.records.plan import Expectation, Plan
from harness.records.reading import OtherSchema, Unreadable, journal, record, told
from harness.records.steady import SteadyBound
from harness.records.verdict import Property, RunVerdict, Verdict

T = TypeVar("T")


def judge_folder(folder: RunFolder, only: tuple[str, ...] = ()) -> RunVerdict:
    """Judge a saved run; `only`: these guarantees alone, with what the scenario expects of them.

    Raises:
        HarnessError: this is not the folder of a run, or a file in it is missing, damaged or foreign.
    """
    if not folder.path.is_dir():
        raise HarnessError(f"{folder.path} is not a folder; give the folder of a run (runs/…)")
    meta = _record(Meta, folder.meta)
    histories = _histories(folder)
    plan = _with_all_bots(_record(Plan, folder.plan), histories)
    verdict = judge(
        plan=replace(plan, checks=only, checks_named=True, expect=_of(plan.expect, only)) if only else plan,
        meta=meta,
        histories=histories,
        faults=_journal(FaultEntry, folder.faults),
        members=_journal(MemberEntry, folder.members),
        generator_lag_ms=_generator_lag_ms(folder.metrics / "bots.json"),
    )
    return _allowed(verdict, plan.expect) if only else verdict


def steady_before(folder: RunFolder, plan: Plan, meta: Meta) -> tuple[tuple[SteadyBound, float | None], ...]:
    """Return every bound of the steady state with what was measured of it before the first fault.

    For a run that still goes on: looks at what was recorded so far.
    """
    view = prepare(
        plan=plan,
        meta=meta,
        histories=_histories(folder),
        faults=(),
        members=_journal(MemberEntry, folder.members),
    )
    window = steady_state.before_faults(view)
    return steady_state.measured(view, window) if window is not None else ()


def violations_so_far(
    folder: RunFolder, plan: Plan, meta: Meta, *, until_ns: int
) -> tuple[tuple[Property, ...], int]:
    """Return what is violated for certain in a run that still goes on, and how many events were looked at.

    `until_ns` was stamped on this machine, a moment ago: see `early.py`.
    """
    histories = _histories(folder)
    found = early.violations(
        plan=_with_all_bots(plan, histories),
        meta=meta,
        histories=histories,
        until_ns=until_ns,
        faults=_journal(FaultEntry, folder.faults),
        members=_journal(MemberEntry, folder.members),
    )
    return found, sum(len(file.events) for file in histories)


def _with_all_bots(plan: Plan, histories: Sequence[HistoryFile]) -> Plan:
    """Add those who came by the user's hand, where the run broke off before its plan could say so."""
    most = max((int(file.events["bot"].max(initial=0)) for file in histories), default=0)
    if not plan.by_hand or most <= len(plan.bots):
        return plan
    if not plan.bots:
        raise HarnessError("the plan has no bot, so nothing says what those were to do that the history has")
    return with_bots(plan, most)


def _of(expect: Expectation, only: tuple[str, ...]) -> Expectation:
    """Return what is expected of some checks: to pass, where none of them must fail."""
    violates = tuple(name for name in expect.violates if name in only)
    may_violate = tuple(name for name in expect.may_violate if name in only)
    if not violates:
        return Expectation()
    return Expectation(verdict="fail", violates=violates, may_violate=may_violate)


def _allowed(verdict: RunVerdict, expect: Expectation) -> RunVerdict:
    """Where none of the checks must fail, take those that failed and may."""
    failed = {found.name for found in verdict.properties if found.verdict is Verdict.FAIL}
    if verdict.expected == "fail" or not failed or not failed <= set(expect.may_violate):
        return verdict
    return replace(verdict, expected="fail", as_expected=True, unexpected=())


def _record(kind: type[T], path: Path) -> T:
    return _or_said(lambda: record(kind, path))


def _journal(kind: type[T], path: Path) -> tuple[T, ...]:
    return _or_said(lambda: journal(kind, path))


def _histories(folder: RunFolder) -> tuple[HistoryFile, ...]:
    if not folder.history.is_dir():
        raise HarnessError(f"{folder.history} is missing: there is no history to judge")
    return _or_said(lambda: told(folder.history, read_history))


def _generator_lag_ms(path: Path) -> float | None:
    return _record(BotsMetrics, path).p99_lag_ms if path.exists() else None


def _or_said(read: Callable[[], T]) -> T:
    try:
        return read()
    except OtherSchema as error:
        raise HarnessError(
            f"{error}: judge it with the version that made the run (meta.json names it)"
        ) from error
    except Unreadable as error:
        raise HarnessError(str(error)) from error
