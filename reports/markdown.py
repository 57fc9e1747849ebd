"""`summary.md`: the verdict for pull requests and CI pages."""

import re

from harness.records.verdict import Finding, Property, Quantiles, Verdict
from reports.run import Run
from reports.sections import kept
from reports.sentence import (
    headline,
    is_expected_failure,
    milliseconds,
    number,
    plural,
    seconds,
    worst_violation,
)
from reports.text import clipped, one_line, visible

_MARKS = {
    Verdict.PASS: "✅ pass",
    Verdict.FAIL: "❌ fail",
    Verdict.UNKNOWN: "❓ unknown",
    Verdict.NOT_APPLICABLE: "– n/a",
}
_TEXT_SHOWN = 600
_UNEXPECTED_SHOWN = 40
_FINDINGS_SHOWN = 40  # of a kind, where they pass
_SPECIAL = re.compile(r"([\\`*_\[\]|~$!]|^[-+#=>])")


def render(run: Run) -> str:
    """Return the summary."""
    blocks = [
        f"## {literal(run.plan.scenario)}: {literal(headline(run).sentence)}",
        *_unexpected(run),
        *_story(run),
        _findings(run),
        _figures(run),
        _again(run),
    ]
    return "\n\n".join(blocks) + "\n"


def _unexpected(run: Run) -> list[str]:
    told = [f"- {literal(why)}" for why in run.verdict.unexpected[:_UNEXPECTED_SHOWN]]
    more = len(run.verdict.unexpected) - len(told)
    return ["\n".join([*told, *([f"- and {more:,} more, in verdict.json"] if more else [])])] if told else []


def _story(run: Run) -> list[str]:
    worst = worst_violation(run.verdict)
    if worst is None or not worst.witnesses:
        return []
    return [f"> {literal(worst.witnesses[0].story)}"]


def _findings(run: Run) -> str:
    rows = [_row("guarantee", p, _mark(run, p), _counts(p)) for p in run.verdict.properties]
    for kind, findings in (("coverage", run.verdict.coverage), ("lifecycle", run.verdict.lifecycle)):
        shown, more = kept(findings, _FINDINGS_SHOWN)
        rows += [_row(kind, f, _MARKS[f.verdict], literal(f.evidence)) for _, f in shown]
        rows += [f"| {kind} | and {more:,} more | ✅ pass | in verdict.json |"] if more else []
    return "\n".join(["| kind | finding | verdict | what was seen |", "|---|---|---|---|", *rows])


def _row(kind: str, finding: Property | Finding, mark: str, seen: str) -> str:
    return f"| {kind} | {literal(finding.name)} | {mark} | {seen} |"


def _mark(run: Run, finding: Property) -> str:
    if is_expected_failure(run.plan, run.verdict, finding):
        return "✅ fail, as expected"
    return _MARKS[finding.verdict]


def _counts(finding: Property) -> str:
    if finding.verdict is Verdict.NOT_APPLICABLE:
        return literal(finding.reason)
    parts = [f"{number(finding.checked)} {literal(finding.counted)}", plural(finding.violations, "violation")]
    if finding.excused:
        parts.append(f"{number(finding.excused)} excused")
    if finding.reason:
        parts.append(literal(finding.reason))
    return ", ".join(parts)


def _figures(run: Run) -> str:
    stats = run.verdict.stats
    sends, back = stats.sends, stats.reconnections
    rows = {
        "messages sent": number(sends.attempted),
        "acknowledged": number(sends.acked),
        "rejected": number(sends.rejected),
        "indeterminate": number(sends.indeterminate),
        "indeterminate, seen in the end": number(sends.recovered),
        "deliveries": number(stats.deliveries),
        "reconnections": _times(number(back.count), p50=back.p50_ms, p99=back.p99_ms, max=back.max_ms),
        "acknowledgement latency": _quantiles(stats.ack_latency_ms),
        "delivery latency": _quantiles(stats.delivery_latency_ms),
        "longest wait": "–" if stats.longest_wait_ms is None else milliseconds(stats.longest_wait_ms),
        "duration": "–" if run.duration_s is None else seconds(run.duration_s),
    }
    table = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| figure | value |", "|---|---|", *table])


def _quantiles(q: Quantiles) -> str:
    if not q.count:
        return "–"
    return _times(f"{number(q.count)} samples", p50=q.p50, p90=q.p90, p99=q.p99, max=q.max)


def _times(first: str, **named: float | None) -> str:
    known = [f"{name} {milliseconds(value)}" for name, value in named.items() if value is not None]
    return ", ".join([first, *known])


def _again(run: Run) -> str:
    command = visible(run.meta.command)
    fence = "`" * max(3, 1 + max((len(ticks) for ticks in re.findall("`+", command)), default=0))
    return (
        f"Seed {run.verdict.seed}, backend {literal(run.verdict.backend)}. Run it again:\n\n"
        f"{fence}sh\n{command}\n{fence}"
    )


def literal(text: str) -> str:
    """Return the text so that Markdown and HTML show it as it is, on one line."""
    plain = one_line(visible(clipped(text, _TEXT_SHOWN)))
    marked = _SPECIAL.sub(r"\\\1", plain)
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
