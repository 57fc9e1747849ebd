"""Two sets of runs to lay side by side, paired by their scenarios.

A set is what one side of `wordaround diff` names: one run, or many of several scenarios. Runs of one scenario
are compared with runs of the same; where each side has just one scenario they are compared whatever their
names are, since that is what was asked for (a fix under another name, the durable variant and the usual one).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from reports.run import Run


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSet:
    """One side: what the user called it, and its runs, in the order of their beginning."""

    label: str
    runs: tuple[Run, ...]

    @property
    def scenarios(self) -> tuple[str, ...]:
        """The names of its scenarios, in the order of their first run."""
        return tuple(dict.fromkeys(run.plan.scenario for run in self.runs))

    def of(self, scenario: str) -> "RunSet":
        """Return its runs of one scenario."""
        own = tuple(run for run in self.runs if run.plan.scenario == scenario)
        return RunSet(label=self.label, runs=own)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Runs to compare: the same scenario on both sides, or the only one that each side has."""

    scenario: str
    before: RunSet
    after: RunSet


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairing:
    """All pairs, and the scenarios that only one side has."""

    pairs: tuple[Pair, ...]
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()


def run_set(label: str, runs: Iterable[Run]) -> RunSet:
    """Return a set of runs, the oldest first."""
    return RunSet(label=label, runs=tuple(sorted(runs, key=lambda run: (run.meta.began, run.name))))


def paired(before: RunSet, after: RunSet) -> Pairing:
    """Pair two sets by their scenarios, in the order of the first one."""
    ours, theirs = before.scenarios, after.scenarios
    if len(ours) == len(theirs) == 1:
        return Pairing(pairs=(Pair(scenario=_named(ours[0], theirs[0]), before=before, after=after),))
    return Pairing(
        pairs=tuple(
            Pair(scenario=name, before=before.of(name), after=after.of(name))
            for name in ours
            if name in theirs
        ),
        only_before=tuple(name for name in ours if name not in theirs),
        only_after=tuple(name for name in theirs if name not in ours),
    )


def _named(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"
