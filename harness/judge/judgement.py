"""The verdict on a run, from its plan and its record alone: no clock, no files, no network.

The rules, in the order in which they apply:

1. Each check of the plan gives a finding. One that has no meaning in this mode is n/a, or unknown when the
   scenario named it: a named check must not be skipped in silence.
2. Violations of safety stand. Any other violation becomes unknown while something is in doubt: a fault not
   healed, a member not recovered, a final read incomplete (a tail's is none to those who ask the store
   alone), the generator overloaded, a part of the history lost. Its witnesses stay.
3. One failed property makes the run fail. Else an unknown property, or coverage or a lifecycle finding that
   did not pass, makes it unknown. Else it passes. n/a counts for nothing.
4. A run is as expected when its verdict is the expected one; an expected failure moreover must violate all
   that the scenario says, nothing beyond what it allows, and its coverage must have passed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from harness.checkers.findings import not_applicable
from harness.checkers.registry import CHECKERS, OF_THE_STORE, SAFETY
from harness.checkers.view import View, prepare
from harness.judge.coverage import GENERATOR, coverage
from harness.judge.figures import reconnections, stats
from harness.judge.lifecycle import lifecycle, unrecovered
from harness.records.guarantees import NOT_APPLICABLE
from harness.records.history import HistoryFile
from harness.records.journal import FaultEntry, MemberEntry
from harness.records.meta import Meta
from harness.records.plan import Plan
from harness.records.verdict import Finding, Property, RunVerdict, Verdict

SETTLED = frozenset({Verdict.PASS, Verdict.NOT_APPLICABLE})


def judge(
    *,
    plan: Plan,
    meta: Meta,
    histories: Sequence[HistoryFile],
    faults: Sequence[FaultEntry],
    members: Sequence[MemberEntry],
    generator_lag_ms: float | None = None,
) -> RunVerdict:
    """Judge a run. Never raises on what the histories hold.

    `generator_lag_ms` is the p99 of how late the bots' own event loop ran, `None` when nobody knows.
    """
    view = prepare(plan=plan, meta=meta, histories=histories, faults=faults, members=members)
    covered = coverage(view, generator_lag_ms)
    lived = lifecycle(view)
    properties = tuple(_in_doubt(_property(view, name), _doubt(view, covered, name)) for name in plan.checks)
    verdict = _overall(properties, (*covered, *lived))
    unexpected = tuple(_unexpected(plan, verdict, properties, covered))
    return RunVerdict(
        verdict=verdict,
        expected=plan.expect.verdict,
        as_expected=not unexpected,
        unexpected=unexpected,
        scenario=plan.scenario,
        seed=plan.seed,
        backend=meta.backend,
        properties=properties,
        coverage=covered,
        lifecycle=lived,
        stats=stats(view),
        reconnections=reconnections(view),
    )


def _property(view: View, name: str) -> Property:
    check = CHECKERS.get(name)
    if reason := NOT_APPLICABLE[view.plan.cluster.delivery].get(name):
        found = not_applicable(name, reason)
    else:
        found = check(view) if check else not_applicable(name, "this version has no checker for it")
    if found.verdict is Verdict.NOT_APPLICABLE and view.plan.checks_named:
        reason = f"the scenario names this check, but it does not apply: {found.reason}"
        return replace(found, verdict=Verdict.UNKNOWN, reason=reason)
    return found


def _doubt(view: View, covered: Iterable[Finding], name: str) -> tuple[str, ...]:
    reads = view.unsettled_stores if name in OF_THE_STORE else view.unsettled
    overloaded = [f.evidence for f in covered if f.name == GENERATOR and f.verdict is Verdict.FAIL]
    return (*unrecovered(view), *reads, *overloaded, *view.lost_evidence)


def _in_doubt(found: Property, doubt: Sequence[str]) -> Property:
    if found.verdict is not Verdict.FAIL or found.name in SAFETY or not doubt:
        return found
    reason = f"violations were seen, but they may come from an unfinished run: {doubt[0]}"
    return replace(found, verdict=Verdict.UNKNOWN, reason=reason)


def _overall(properties: Iterable[Property], findings: Iterable[Finding]) -> Verdict:
    words = {found.verdict for found in properties}
    if Verdict.FAIL in words:
        return Verdict.FAIL
    if Verdict.PASS not in words:
        return Verdict.UNKNOWN  # Nothing was judged at all.
    settled = words <= SETTLED and {found.verdict for found in findings} <= SETTLED
    return Verdict.PASS if settled else Verdict.UNKNOWN


def _unexpected(
    plan: Plan, verdict: Verdict, properties: Sequence[Property], covered: Iterable[Finding]
) -> Iterator[str]:
    """Yield why the run is not as expected, a sentence each."""
    expect = plan.expect
    failed = {found.name for found in properties if found.verdict is Verdict.FAIL}
    if verdict != expect.verdict:
        yield f"The verdict is {verdict}, and the scenario expects {expect.verdict}."
    if expect.verdict == "pass":
        for name in sorted(failed):
            yield f"{name} failed: {_count(properties, name)}."
        return
    for name in expect.violates:
        if name not in failed:
            yield f"The scenario expects a violation of {name}, but {_said(properties, name)}."
    for name in sorted(failed - {*expect.violates, *expect.may_violate}):
        yield f"{name} failed, which the scenario does not allow: {_count(properties, name)}."
    for found in covered:
        if found.verdict not in SETTLED:
            yield f"Coverage did not pass, so a failure proves nothing: {found.name} ({found.evidence})."


def _count(properties: Iterable[Property], name: str) -> str:
    found = next(found for found in properties if found.name == name)
    return f"{found.violations} violation{'s' if found.violations != 1 else ''}"


def _said(properties: Iterable[Property], name: str) -> str:
    found = next((found for found in properties if found.name == name), None)
    if found is None:
        return "it was not checked"
    return f"its finding is {found.verdict}" + (f": {found.reason}" if found.reason else "")
