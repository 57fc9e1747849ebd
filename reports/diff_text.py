"""A comparison for the terminal."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from harness.records.verdict import Verdict
from reports import diff_words as words
from reports.diff import Comparison, Diff
from reports.diff_findings import FindingChange
from reports.diff_measures import Measure
from reports.diff_plans import Settings
from reports.sentence import plural
from reports.text import clipped, one_line, visible

_COLOURS = {
    Verdict.PASS: ("✔", "green"),
    Verdict.FAIL: ("✘", "red"),
    Verdict.UNKNOWN: ("?", "yellow"),
    Verdict.NOT_APPLICABLE: ("·", "dim"),
}
_STORY_SHOWN = 500
_VALUE_SHOWN = 60
_FINDINGS_SHOWN = 16  # that are no guarantees
_SETTINGS_SHOWN = 40


def render(found: Diff) -> RenderableType:
    """Return the comparison as something that rich prints."""
    parts: list[RenderableType] = []
    for comparison in found.comparisons:
        parts += _comparison(comparison)
    parts += _notes(found)
    lead, rest = words.headline(found)
    glyph, colour = _COLOURS[Verdict.FAIL if found.worse else Verdict.PASS]
    parts.append(Text.assemble((f"{glyph} {lead}", f"bold {colour}"), f": {_safe(rest)}"))
    return Group(*parts)


def _comparison(comparison: Comparison) -> Iterator[RenderableType]:
    yield Text(_safe(comparison.scenario), "bold")
    for name, side, runs in zip(
        "AB", (comparison.before, comparison.after), words.runs(comparison), strict=True
    ):
        yield Text.assemble(f"  {name}  ", (_safe(side.label), "bold"), f"  {_safe(side.backend)}, {runs}")
    yield Text()
    changed, more = words.changed(comparison, _FINDINGS_SHOWN)
    for finding in changed:
        yield from _finding(finding)
    if more:
        yield Text(f"    and {plural(more, 'more finding')}, in --json", "dim")
    if not changed:
        yield Text("  every finding is the same on both sides", "dim")
    yield Text()
    yield from _measures(comparison.measures)
    yield from _settings("plan", comparison.plan)
    yield from _settings("environment", comparison.environment)
    yield Text()


def _finding(finding: FindingChange) -> Iterator[Text]:
    glyph, colour = _COLOURS[words.mark(finding)]
    line = Text.assemble((f"  {glyph} ", colour), (f"{finding.change:<11} ", colour))
    line.append(f"{_safe(finding.name):<18} ", "bold")
    yield line.append(f"{words.outcome(finding.before)}  →  {words.outcome(finding.after)}")
    if finding.story and finding.change in ("new", "more often", "still", "less often", "gone"):
        yield Text(f"      {_safe(finding.story.text, _STORY_SHOWN)}", "dim")


def _measures(measures: tuple[Measure, ...]) -> Iterator[Text]:
    """Align the columns by hand: a table would cut what a narrow terminal has no room for."""
    rows = [_row(measure) for measure in measures]
    widths = [max((len(row[place]) for row in rows), default=0) for place in range(4)]
    several = any(measure.ranges for measure in measures)
    heads = ("", "A", "B", "change")
    yield Text(_aligned(heads, widths) + ("  ranges" if several else ""), "dim")
    group = ""
    for measure, row in zip(measures, rows, strict=True):
        if measure.group != group:
            group = measure.group
            yield Text(f"  {group}", "bold")
        line = Text(_aligned(row, widths))
        colour = {"worse": "red", "better": "green", "": "dim"}[measure.verdict]
        yield line.append(f"  {words.ranges(measure)}", colour) if several else line


def _row(measure: Measure) -> tuple[str, str, str, str]:
    before, after = (words.spread(side, measure.unit) for side in (measure.before, measure.after))
    return measure.name, before, after, words.factor(measure)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, *others = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"    {name}  " + "  ".join(f"{cell.strip():>{len(cell)}}" for cell in others)


def _settings(what: str, settings: Settings) -> Iterator[Text]:
    if not settings.differing and not settings.varying:
        yield Text(f"  {what}: the same", "dim")
        return
    yield Text(f"  {what}", "bold")
    for setting in settings.differing[:_SETTINGS_SHOWN]:
        values = f"{_safe(setting.before, _VALUE_SHOWN)}  →  {_safe(setting.after, _VALUE_SHOWN)}"
        yield Text(f"    {_safe(setting.key)}: {values}")
    if (more := len(settings.differing) - _SETTINGS_SHOWN) > 0:
        yield Text(f"    and {plural(more, 'more key')}, in --json", "dim")
    if settings.varying:
        named = ", ".join(map(_safe, settings.varying[:12]))
        rest = f" and {len(settings.varying) - 12} more" if len(settings.varying) > 12 else ""
        yield Text(f"    differs from run to run: {named}{rest}", "dim")


def _notes(found: Diff) -> Iterator[Text]:
    for side, names in (("A", found.only_before), ("B", found.only_after)):
        if names:
            yield Text(f"only in {side}, not compared: {', '.join(map(_safe, names))}", "yellow")
    if found.on_both:
        yield Text(f"on both sides: {', '.join(map(_safe, found.on_both))}", "yellow")
    for left in found.left_out:
        yield Text(f"left out: {_safe(left.folder)}: {_safe(left.why)}", "yellow")


def _safe(text: str, most: int = 300) -> str:
    return one_line(visible(clipped(text, most)))
