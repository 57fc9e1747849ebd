"""How the two forms for people say what a comparison found: the same words in both."""

from harness.records.verdict import Verdict
from reports.diff import Comparison, Diff
from reports.diff_findings import FindingChange, Tally
from reports.diff_measures import Measure, Spread, Unit
from reports.sentence import joined, milliseconds, number, plural


def headline(found: Diff) -> tuple[str, str]:
    """Return the lead ("B is worse") and what stands behind it."""
    if found.worse:
        worse = [comparison for comparison in found.comparisons if comparison.regressions]
        rest = sum(len(comparison.regressions) for comparison in worse) - 1
        more = f"; and {plural(rest, 'more reason')}" if rest else ""
        return "B is worse", f"{worse[0].regressions[0]}{more}"
    gone = [f.name for c in found.comparisons for f in c.findings if f.change == "gone"]
    if gone:
        return "B is not worse", f"{joined(gone)} {'is' if len(gone) == 1 else 'are'} no longer violated"
    return "B is not worse", "no violation is new, and no verdict is worse"


def runs(comparison: Comparison) -> tuple[str, str]:
    """Return what each side consists of: "3 runs: 3 pass"."""
    whole = comparison.findings[0]
    return tuple(f"{plural(tally.runs, 'run')}: {verdicts(tally)}" for tally in (whole.before, whole.after))  # type: ignore[return-value]


def verdicts(tally: Tally) -> str:
    """Return how a finding came out: "pass" of one run, "2 pass, 1 fail" of several."""
    if not tally.runs:
        return "not checked"
    if tally.runs == 1:
        return next(iter(tally.verdicts))
    return ", ".join(f"{count} {word}" for word, count in tally.verdicts.items())


def outcome(tally: Tally) -> str:
    """Return the same with the violations, where there are any."""
    words = verdicts(tally)
    return f"{words}, {plural(tally.violations, 'violation')}" if tally.violations else words


def mark(finding: FindingChange) -> Verdict:
    """Return with which verdict's glyph and colour a change is shown."""
    if finding.regression or finding.change in ("new", "more often", "worse"):
        return Verdict.FAIL if finding.after.failed else Verdict.UNKNOWN
    if finding.change == "still":
        return Verdict.FAIL
    return Verdict.PASS if finding.change in ("gone", "less often", "better") else Verdict.NOT_APPLICABLE


def changed(comparison: Comparison, most: int) -> tuple[tuple[FindingChange, ...], int]:
    """Return what there is to tell of the findings, and how many of these are left out.

    That is all but those that are the same and well. Every guarantee is among them; of the others, of which a
    repeated fault brings one an injection, so many at most: those first that came out badly.
    """
    found = [f for f in comparison.findings[1:] if f.change != "same"]
    worst = sorted(range(len(found)), key=lambda i: _rank(found[i]))
    guarantees = sum(f.kind == "guarantee" for f in found)
    shown = sorted(worst[: guarantees + most])
    return tuple(found[i] for i in shown), len(found) - len(shown)


def _rank(finding: FindingChange) -> int:
    if finding.kind == "guarantee":
        return 0
    return 1 if finding.before.undecided or finding.after.undecided else 2


def value(amount: float, unit: Unit) -> str:
    """Return a figure with its unit."""
    if unit == "ms":
        return milliseconds(amount)
    rounded = round(amount) if amount >= 100 or unit == "" else round(amount, 1)
    return f"{number(rounded)}{' /s' if unit == '/s' else ''}"


def spread(of: Spread | None, unit: Unit) -> str:
    """Return "12 ms" of one run, "12 ms (9.8–15)" of several."""
    return " ".join(filter(None, (median(of, unit), extent(of, unit))))


def median(of: Spread | None, unit: Unit) -> str:
    """Return the value of one run, the median of several."""
    return "–" if of is None else value(of.median, unit)


def extent(of: Spread | None, unit: Unit) -> str:
    """Return the range in brackets; empty of one run."""
    if of is None or of.count == 1:
        return ""
    low, high = (_without_unit(value(each, unit), like=median(of, unit)) for each in (of.low, of.high))
    return f"({low}–{high})"


def _without_unit(text: str, *, like: str) -> str:
    """Return the number alone where its unit is the same as that of the text before it."""
    amount, _, unit = text.partition(" ")
    return amount if like.partition(" ")[2] == unit else text


def factor(measure: Measure) -> str:
    """Return how B's median compares: "+12 %", "× 3.4", "≈"."""
    if measure.factor is None:
        return ""
    if measure.hardly:
        return "≈"
    if measure.factor >= 2 or measure.factor <= 0.5:
        return f"× {measure.factor:.2g}" if measure.factor < 10 else f"× {number(round(measure.factor))}"
    return f"{(measure.factor - 1) * 100:+.0f} %".replace("-", "−")


def ranges(measure: Measure) -> str:
    """Return what the ranges of both sides say."""
    if measure.ranges is None:
        return ""
    if measure.ranges == "overlap":
        return "overlap"
    return f"apart: {measure.verdict}" if measure.verdict else "apart"
