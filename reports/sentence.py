"""The verdict in one sentence, and numbers as people read them."""

from collections import Counter
from dataclasses import dataclass

from harness.records.plan import Plan, Role
from harness.records.verdict import Property, RunVerdict, Verdict
from reports.run import Run
from reports.spans import FaultRecord, fault_records

# Which violation tells most, the worst first; a guarantee that is not here comes after these.
_WORST = ("acked-durable", "complete-delivery", "integrity", "no-duplicates", "total-order", "gapless-resume")
_REASONS_SHOWN = 2
_REASON = 120  # characters of one


@dataclass(frozen=True, kw_only=True, slots=True)
class Headline:
    """The verdict for people: `lead` is the word ("Failed as expected"), `rest` what stands behind it."""

    verdict: Verdict
    lead: str
    rest: str

    @property
    def sentence(self) -> str:
        """The whole sentence."""
        return f"{self.lead}: {self.rest}."


def headline(run: Run) -> Headline:
    """Say what came out of the run, and why."""
    verdict = run.verdict
    if verdict.verdict is Verdict.PASS:
        return Headline(verdict=verdict.verdict, lead=_passed(verdict), rest=_achievement(run))
    if verdict.verdict is Verdict.FAIL:
        return Headline(verdict=verdict.verdict, lead=_failed(verdict), rest=_violations(run))
    return Headline(verdict=verdict.verdict, lead="Unknown", rest=_doubts(run))


def _passed(verdict: RunVerdict) -> str:
    return "Passed" if verdict.as_expected else "Passed, not as expected"


def _failed(verdict: RunVerdict) -> str:
    if verdict.as_expected:
        return "Failed as expected"
    return "Failed" if verdict.expected == "pass" else "Failed, but not as expected"


def _achievement(run: Run) -> str:
    acked = plural(run.verdict.stats.sends.acked, "acknowledged message")
    return f"{acked}{_nothing_lost(run.verdict)}, {_through(run)}{_everyone_back(run.verdict)}"


def _nothing_lost(verdict: RunVerdict) -> str:
    passed = {p.name for p in verdict.properties if p.verdict is Verdict.PASS}
    return ", none lost" if {"acked-durable", "complete-delivery"} <= passed else ""


def _through(run: Run) -> str:
    if not run.plan.faults:
        return "with no fault injected"
    proved = [record for record in fault_records(run.plan, run.faults) if record.proved]
    return f"through {faults_in_words(run.plan, proved)}" if proved else "with no fault proved"


def faults_in_words(plan: Plan, records: list[FaultRecord]) -> str:
    """Return "1 node kill and 2 Redis pauses": each target of each injection counts, or the injection."""
    kinds = Counter(
        f"{_role(plan, target)} {record.fault.removeprefix('redis-')}".strip()
        for record in records
        for target in record.targets or ("",)
    )
    return joined([plural(count, kind) for kind, count in kinds.items()])


def _role(plan: Plan, target: str) -> str:
    if target == plan.cluster.redis:
        return "Redis"
    return Role.NODE.value if target in plan.cluster.nodes else target


def _everyone_back(verdict: RunVerdict) -> str:
    ways = verdict.reconnections
    if not ways:
        return "; nobody was cut off" if verdict.stats.reconnections.count == 0 else ""
    if any(way.back_ns is None for way in ways):
        return ""
    slowest_ms = max((way.back_ns or 0) - way.lost_ns for way in ways) / 1e6
    return f"; everyone was back in {milliseconds(slowest_ms)}"


def _violations(run: Run) -> str:
    failed = [p for p in run.verdict.properties if p.verdict is Verdict.FAIL]
    broken = [f"{p.name} {'' if i else 'was violated '}{times(p.violations)}" for i, p in enumerate(failed)]
    acked = plural(run.verdict.stats.sends.acked, "acknowledged message")
    return f"{joined(broken) or 'no guarantee says why'} among {acked}, {_through(run)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """Why nothing can be said: the finding, and its words in full."""

    name: str
    words: str

    @property
    def short(self) -> str:
        """The finding with the first thing that it says."""
        first = self.words.partition("; ")[0].strip().rstrip(".")
        return f"{self.name} ({first if len(first) <= _REASON else first[: _REASON - 1] + '…'})"


def doubts(run: Run) -> tuple[Doubt, ...]:
    """Return why nothing can be said: first what the run does not show, then the guarantees."""
    verdict = run.verdict
    wrong = (Verdict.FAIL, Verdict.UNKNOWN)
    found = [f for kind in (verdict.lifecycle, verdict.coverage) for f in kind if f.verdict in wrong]
    return (
        *(Doubt(name=f.name, words=f.evidence) for f in found),
        *(Doubt(name=p.name, words=p.reason) for p in verdict.properties if p.verdict is Verdict.UNKNOWN),
    )


def _doubts(run: Run) -> str:
    reasons = [f"the run broke off ({run.meta.aborted})"] if run.meta.aborted else []
    reasons += [doubt.short for doubt in doubts(run)]
    shown = reasons[:_REASONS_SHOWN]
    more = len(reasons) - len(shown)
    return joined(shown + ([plural(more, "more reason")] if more else [])) or "no finding says why"


def worst_violation(verdict: RunVerdict) -> Property | None:
    """Return the violated guarantee whose story tells most, `None` where nothing was violated."""
    return next(iter(worst_first(verdict)), None)


def worst_first(verdict: RunVerdict) -> list[Property]:
    """Return the violated guarantees, those first whose stories tell most."""
    failed = [p for p in verdict.properties if p.verdict is Verdict.FAIL]
    order = {name: rank for rank, name in enumerate(_WORST)}
    return sorted(failed, key=lambda p: order.get(p.name, len(order)))


def is_expected_failure(plan: Plan, verdict: RunVerdict, finding: Property) -> bool:
    """Say whether the scenario foretold that this guarantee is violated, and the run went as foretold."""
    foretold = (
        plan.expect.verdict == "fail" and finding.name in plan.expect.violates + plan.expect.may_violate
    )
    return finding.verdict is Verdict.FAIL and foretold and verdict.as_expected


def number(value: float) -> str:
    """Return 1412 as "1,412", 2.5 as "2.5", 60.0 as "60": three decimals at most."""
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def seconds(value: float) -> str:
    """Return a duration: "83 ms", "0.81 s", "12.4 s", "2 min 5 s"."""
    if abs(value) < 0.0995:
        return milliseconds(value * 1000)
    if abs(value) < 9.995:
        return f"{value:.2f} s"
    if abs(value) < 99.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes:,} min {rest} s"


def milliseconds(value: float) -> str:
    """Return a duration that is given in milliseconds: "0.42 ms", "3.1 ms", "83 ms", "0.81 s"."""
    if abs(value) >= 99.5:
        return seconds(value / 1000)
    decimals = 0 if abs(value) >= 9.95 or value == 0 else 1 if abs(value) >= 0.95 else 2
    return f"{value:.{decimals}f} ms"


def moment(value_s: float) -> str:
    """Return a moment on the run's own axis, to the millisecond: "6.021 s", "−0.300 s"."""
    return f"{value_s:,.3f} s".replace("-", "−")


def plural(count: int, noun: str, nouns: str = "") -> str:
    """Return "1 node kill", "1,412 node kills"; `nouns` where the plural is not made by an s."""
    several = nouns or f"{noun}{'es' if noun.endswith('s') else 's'}"
    return f"{count:,} {noun if count == 1 else several}"


def times(count: int) -> str:
    """Return "once", "twice", "37 times"."""
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def joined(parts: list[str]) -> str:
    """Return "a", "a and b", "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def bound_percent(checked: int) -> str:
    """Return the 95 % bound of "0 of N" as a percentage: the rule of three, 3/N."""
    percent = min(100.0, 300 / checked)
    if percent < 0.0001:
        return "below 0.0001 %"
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"
