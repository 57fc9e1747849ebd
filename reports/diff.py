"""Two sets of runs laid side by side: what `wordaround diff` tells, in the terminal, as HTML and as JSON.

    diff_sets.py       which runs are compared with which
    diff_findings.py   new and gone violations, changed verdicts, and what counts as worse
    diff_measures.py   latency, recovery and throughput, with their spread
    diff_plans.py      plans, versions and machines, key by key
    diff_text.py, diff_html.py   the two forms for people

Everything here is pure: `Run` records in, one `Diff` out, of plain data that `dump_json` writes.
"""

from dataclasses import dataclass

from reports.diff_findings import FindingChange, changes
from reports.diff_measures import Measure, measures
from reports.diff_plans import Settings, environment_settings, plan_settings
from reports.diff_sets import Pair, RunSet, paired
from reports.run import Run

SCHEMA = 1


class NothingToCompare(ValueError):
    """The two sides have no scenario in common. The message names those that they have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OneRun:
    """A run of a side, as a list of them shows it."""

    name: str  # of its folder
    seed: int
    verdict: str
    as_expected: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One side of a comparison."""

    label: str
    scenario: str
    backend: str
    runs: tuple[OneRun, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One scenario on both sides. `regressions` are the sentences that say why B is worse."""

    scenario: str
    before: Side
    after: Side
    regressions: tuple[str, ...]
    findings: tuple[FindingChange, ...]
    measures: tuple[Measure, ...]
    plan: Settings
    environment: Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """A folder that was not compared, and why."""

    folder: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Diff:
    """All of it. `worse`: some comparison has a regression."""

    schema: int = SCHEMA
    worse: bool
    before: str  # as the user named it
    after: str
    comparisons: tuple[Comparison, ...]
    only_before: tuple[str, ...]  # scenarios
    only_after: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()
    on_both: tuple[str, ...] = ()  # folders that both sides have: a pattern may match more than was meant


def diff(
    before: RunSet,
    after: RunSet,
    left_out: tuple[LeftOut, ...] = (),
    on_both: tuple[str, ...] = (),
) -> Diff:
    """Compare two sets of runs.

    Raises:
        NothingToCompare: they have no scenario in common.
    """
    pairing = paired(before, after)
    if not pairing.pairs:
        raise NothingToCompare(
            f"the two sides have no scenario in common: {before.label} has {', '.join(before.scenarios)}; "
            f"{after.label} has {', '.join(after.scenarios)}"
        )
    comparisons = tuple(map(_compared, pairing.pairs))
    return Diff(
        worse=any(comparison.regressions for comparison in comparisons),
        before=before.label,
        after=after.label,
        comparisons=comparisons,
        only_before=pairing.only_before,
        only_after=pairing.only_after,
        left_out=left_out,
        on_both=on_both,
    )


def _compared(pair: Pair) -> Comparison:
    findings = changes(pair)
    return Comparison(
        scenario=pair.scenario,
        before=_side(pair.before),
        after=_side(pair.after),
        regressions=_regressions(findings),
        findings=findings,
        measures=measures(pair),
        plan=plan_settings(pair),
        environment=environment_settings(pair),
    )


def _regressions(findings: tuple[FindingChange, ...]) -> tuple[str, ...]:
    """Return why B is worse: what it violates; its verdict says no more, unless it is all that there is."""
    whole, *others = (found.regression for found in findings)
    return tuple(filter(None, others)) or ((whole,) if whole else ())


def _side(side: RunSet) -> Side:
    return Side(
        label=side.label,
        scenario=side.scenarios[0],
        backend=", ".join(dict.fromkeys(run.meta.backend for run in side.runs)),
        runs=tuple(map(_one, side.runs)),
    )


def _one(run: Run) -> OneRun:
    verdict = run.verdict
    return OneRun(
        name=run.name, seed=verdict.seed, verdict=verdict.verdict.value, as_expected=verdict.as_expected
    )
