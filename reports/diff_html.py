"""A comparison as one page, complete in itself: the look of `report.html`, and as little asked for by it."""

from jinja2 import Environment
from markupsafe import Markup

from harness.records.verdict import Verdict
from reports import diff_words as words
from reports import pages
from reports.diff import Diff
from reports.diff_measures import Measure, Spread
from reports.svg import Scale, tag
from reports.text import clipped

_TEXT_SHOWN = 1_000
_VALUE_SHOWN = 200
_RUNS_SHOWN = 40
_FINDINGS_SHOWN = 60  # that are no guarantees
_SETTINGS_SHOWN = 200

# Of the strip that shows both ranges, in pixels.
_WIDTH, _HEIGHT, _EDGE = 180.0, 24.0, 5.0
_ROWS = {"a": 7.0, "b": 17.0}


def render(found: Diff) -> str:
    """Return the page."""
    lead, rest = words.headline(found)
    return (
        _environment()
        .get_template("diff.html.j2")
        .render(
            diff=found,
            lead=lead,
            rest=rest,
            words=words,
            strip=strip,
            several=any(m.ranges for c in found.comparisons for m in c.measures),
            runs_shown=_RUNS_SHOWN,
            findings_shown=_FINDINGS_SHOWN,
            settings_shown=_SETTINGS_SHOWN,
        )
    )


def _environment() -> Environment:
    environment = pages.environment()
    environment.filters |= {
        "clip": lambda text: clipped(str(text), _TEXT_SHOWN),
        "clip_value": lambda text: clipped(str(text), _VALUE_SHOWN),
        "glyph": lambda verdict: pages.GLYPHS[Verdict(verdict)],
        "word_class": lambda verdict: "na" if verdict == Verdict.NOT_APPLICABLE else Verdict(verdict).value,
    }
    return environment


def strip(measure: Measure) -> Markup:
    """Draw both sides from zero on: a line over the range, a tick for each run, a dot at the median."""
    sides = {"a": measure.before, "b": measure.after}
    highest = max(side.high for side in sides.values() if side)
    scale = Scale(0.0, highest or 1.0, _EDGE, _WIDTH - _EDGE)
    drawn = (_side(name, side, scale) for name, side in sides.items() if side)
    return tag(
        "svg",
        *drawn,
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        width=_WIDTH,
        height=_HEIGHT,
        aria_hidden="true",  # The figures are in the cells beside it.
        class_="strip",
    )


def _side(name: str, side: Spread, scale: Scale) -> Markup:
    y = _ROWS[name]
    ticks = (tag("line", x1=scale(v), x2=scale(v), y1=y - 3, y2=y + 3, class_="run") for v in side.values)
    return tag(
        "g",
        tag("line", x1=scale(0.0), x2=scale(side.median), y1=y, y2=y, class_="from-zero"),
        tag("line", x1=scale(side.low), x2=scale(side.high), y1=y, y2=y, class_="range"),
        *(ticks if side.count > 1 else ()),
        tag("circle", cx=scale(side.median), cy=y, r=3.5),
        class_=name,
    )
