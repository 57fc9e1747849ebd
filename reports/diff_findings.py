"""What two sets of runs found: which violations are new or gone, and whose verdict changed.

**Worse** is a finding of B that A has in no run: a guarantee that is violated, or that could not be decided,
or a run's verdict below any of A's. Where A has it too, but seldom, B is worse when it has it so much more
often that chance would seldom do it: Fisher's exact test, one-sided, at 5 % (R. A. Fisher, The Design of
Experiments, 1935). More violations in a run that had some already are told, and are not worse by this rule:
their number hangs on what the bots happened to send in that moment.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from harness.records.verdict import Property, Verdict
from reports.diff_sets import Pair, RunSet
from reports.run import Run
from reports.sentence import plural

SIGNIFICANT = 0.05

Kind = Literal["verdict", "guarantee", "coverage", "lifecycle"]
Change = Literal[
    "new", "more often", "still", "less often", "gone", "worse", "better", "only in A", "only in B", "same"
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """How one finding came out in the runs of one side. `runs` are those that have it."""

    runs: int
    verdicts: dict[str, int]  # by the verdict's word, the worst first; none that is zero
    violations: int = 0  # of all runs together

    def count(self, *words: Verdict) -> int:
        """Return in how many runs it came out as one of these."""
        return sum(self.verdicts.get(word.value, 0) for word in words)

    @property
    def failed(self) -> int:
        """In how many runs it failed."""
        return self.count(Verdict.FAIL)

    @property
    def undecided(self) -> int:
        """In how many runs it failed, or could not be decided."""
        return self.count(Verdict.FAIL, Verdict.UNKNOWN)

    @property
    def decided(self) -> int:
        """In how many runs it had a meaning."""
        return self.runs - self.count(Verdict.NOT_APPLICABLE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """A violation for people, and the run that it is from."""

    text: str
    run: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingChange:
    """One finding on both sides. `regression` is why B is worse, a sentence; empty: it is not."""

    kind: Kind
    name: str
    sentence: str  # what the guarantee says; empty for the others
    change: Change
    before: Tally
    after: Tally
    regression: str = ""
    story: Story | None = None  # of B where it is violated there, else of A


_WORST_FIRST = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS, Verdict.NOT_APPLICABLE)


def changes(pair: Pair) -> tuple[FindingChange, ...]:
    """Return every finding of either side: the run's verdict, then guarantees, coverage and lifecycle."""
    return (_whole(pair), *_guarantees(pair), *_others(pair, "coverage"), *_others(pair, "lifecycle"))


def _whole(pair: Pair) -> FindingChange:
    before, after = (_tally(run.verdict.verdict for run in side.runs) for side in (pair.before, pair.after))
    return FindingChange(
        kind="verdict",
        name="verdict",
        sentence="",
        change=_change_of_verdict(before, after),
        before=before,
        after=after,
        regression=_regression("the verdict is", before, after, "fail"),
    )


def _guarantees(pair: Pair) -> Iterable[FindingChange]:
    for name in _names(pair, lambda run: run.verdict.properties):
        ours, theirs = _properties(pair.before, name), _properties(pair.after, name)
        before, after = _property_tally(ours), _property_tally(theirs)
        change = _change(before, after)
        yield FindingChange(
            kind="guarantee",
            name=name,
            sentence=(theirs or ours)[0][1].sentence,
            change=change,
            before=before,
            after=after,
            regression=_regression(f"{name} is", before, after, "violated"),
            story=_story(theirs) or _story(ours),
        )


def _others(pair: Pair, kind: Literal["coverage", "lifecycle"]) -> Iterable[FindingChange]:
    """Compare findings that are no promises of the cluster: the run's verdict has what follows from them."""
    for name in _names(pair, lambda run: getattr(run.verdict, kind)):
        before, after = (
            _tally(f.verdict for run in side.runs for f in getattr(run.verdict, kind) if f.name == name)
            for side in (pair.before, pair.after)
        )
        yield FindingChange(
            kind=kind,
            name=name,
            sentence="",
            change=_change_of_verdict(before, after),
            before=before,
            after=after,
        )


def _names(pair: Pair, of: Callable[[Run], Iterable[object]]) -> tuple[str, ...]:
    runs = (*pair.before.runs, *pair.after.runs)
    return tuple(dict.fromkeys(getattr(found, "name") for run in runs for found in of(run)))  # noqa: B009


def _properties(side: RunSet, name: str) -> list[tuple[Run, Property]]:
    return [(run, found) for run in side.runs for found in run.verdict.properties if found.name == name]


def _property_tally(found: list[tuple[Run, Property]]) -> Tally:
    return _tally((prop.verdict for _, prop in found), violations=sum(prop.violations for _, prop in found))


def _tally(verdicts: Iterable[Verdict], *, violations: int = 0) -> Tally:
    counts = Counter(verdicts)
    return Tally(
        runs=sum(counts.values()),
        verdicts={word.value: counts[word] for word in _WORST_FIRST if counts[word]},
        violations=violations,
    )


def _story(found: list[tuple[Run, Property]]) -> Story | None:
    return next(
        (
            Story(text=prop.witnesses[0].story, run=run.name)
            for run, prop in found
            if prop.verdict is Verdict.FAIL and prop.witnesses
        ),
        None,
    )


_FAILED: Callable[[Tally], int] = attrgetter("failed")
_UNDECIDED: Callable[[Tally], int] = attrgetter("undecided")

# --- what changed ----------------------------------------------------------------------------------------


def _change(before: Tally, after: Tally) -> Change:
    if after.failed and not before.failed:
        return "new"
    if before.failed and not after.failed:
        return "gone" if after.decided else "only in A"
    if before.failed and after.failed:
        more = after.failed * before.runs - before.failed * after.runs
        return "more often" if more > 0 else "less often" if more < 0 else "still"
    return _change_of_verdict(before, after)


def _change_of_verdict(before: Tally, after: Tally) -> Change:
    """Compare what the runs came to, by shares: the sides may have different numbers of runs."""
    if not before.decided or not after.decided:
        return "only in A" if before.decided else "only in B" if after.decided else "same"
    for bad in (_FAILED, _UNDECIDED):
        more = bad(after) * before.decided - bad(before) * after.decided
        if more:
            return "worse" if more > 0 else "better"
    return "same"


def _regression(what: str, before: Tally, after: Tally, failed: str) -> str:
    for word, bad in ((failed, _FAILED), ("not decided", _UNDECIDED)):
        had, has = bad(before), bad(after)
        # What had no meaning before cannot have become undecided; a violation counts whatever was before.
        comparable = before.decided > 0 or word == failed
        if has and comparable and _worse(had, before.runs, has, after.runs):
            return f"{what} {word} in {_compared(had, before.runs, has, after.runs)}"
    return ""


def _compared(had: int, of_before: int, has: int, of_after: int) -> str:
    if of_before == of_after == 1:
        return "B and not in A"
    return f"{_share(has, of_after)}, in A in {_share(had, of_before)}"


def _worse(had: int, of_before: int, has: int, of_after: int) -> bool:
    return not had or chance(had, of_before, has, of_after) < SIGNIFICANT


def _share(count: int, of: int) -> str:
    if of == 0:
        return "none, which does not check it"
    return f"{count or 'none'} of {plural(of, 'run')}"


def chance(had: int, of_before: int, has: int, of_after: int) -> float:
    """Return the probability that B has it in `has` runs or more, if both sides had it equally often.

    Fisher's exact test, one-sided: of all ways to deal the bad runs to both sides, those that are no better
    for B.
    """
    bad, total = had + has, of_before + of_after
    ways = sum(
        math.comb(of_after, k) * math.comb(of_before, bad - k) for k in range(has, min(bad, of_after) + 1)
    )
    return ways / math.comb(total, bad)
