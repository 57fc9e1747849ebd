"""The panels of the picture, each drawn from its own data onto one shared time axis.

A panel takes the frame (the axis and the margins) and the y where it begins, and returns its markup and
how high it is. It knows nothing of its neighbours.

What is drawn can be zoomed by the page's script, which finds all that it needs in `data-` attributes: a group
with `data-panel` has the kind of its scale and the y of its top and bottom, a path with `data-series` names
what it draws, and whatever has `data-t`, or `data-t0` and `data-t1` (seconds), moves with the time axis.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

from markupsafe import Markup

from reports import sentence
from reports.bins import Bins
from reports.figures import Bin, Latency
from reports.populations import Populations
from reports.svg import Scale, Segment, decades, nice_step, step_area, step_band, step_line, tag, ticks, title

GAP = 16.0
_TITLE, _KEY_ROW = 20.0, 14.0  # heights
_LAST_GAP = 12  # what follows a key's name
_EITHER = "p99 or slowest"
CHARACTER = 6.8  # The width of a character of the small type in a wide font, about.


class Drawn(NamedTuple):
    """A finished panel."""

    markup: Markup
    height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """The shared time axis: seconds from the start of the load, onto pixels."""

    x: Scale
    width: float
    plot_height: float
    zero_ns: int
    narrow: bool  # then a panel's keys have rows of their own

    @property
    def prefix(self) -> str:
        """The prefix of the ids in this drawing."""
        return "narrow" if self.narrow else "wide"

    def seconds(self, t_ns: int) -> float:
        """Return a monotonic stamp on the axis."""
        return (t_ns - self.zero_ns) / 1e9

    def at(self, t_ns: int) -> float:
        """Return the pixel of a monotonic stamp."""
        return self.x(self.seconds(t_ns))

    def when(self, t_ns: int) -> str:
        """Return the words for a monotonic stamp."""
        return sentence.moment(self.seconds(t_ns))


def stamp(seconds: float) -> str:
    """Return a moment as a `data-t` attribute has it: to the tenth of a millisecond."""
    return f"{seconds:.4f}".rstrip("0").rstrip(".")


class Key(NamedTuple):
    """One entry of a panel's title row: how a series looks, and its name."""

    kind: str  # CSS class of the swatch
    name: str
    longest: str = ""  # what the script may name it instead

    @property
    def length(self) -> float:
        """What it takes in the row, in pixels."""
        return 20 + max(len(self.name), len(self.longest)) * CHARACTER + _LAST_GAP


def heading(frame: Frame, top: float, name: str, unit: str, keys: Sequence[Key] = ()) -> Drawn:
    """Draw the title row: what is shown, its unit, and the series' names beside their swatches.

    Names that find no room beside the title have rows of their own below it.
    """
    words = tag("tspan", f" {unit}", class_="soft")
    parts = [tag("text", name, words, x=frame.x.start, y=top + 12, class_="name")]
    length = sum(key.length for key in keys)
    if not frame.narrow and length <= frame.x.end - frame.x.start - (len(name) + len(unit) + 4) * CHARACTER:
        parts.append(_keys(keys, frame.x.end - length + 12, top + 12))
        return Drawn(Markup("").join(parts), _TITLE)
    rows = _rows(frame, keys)
    parts += [_keys(row, frame.x.start, top + 12 + (i + 1) * _KEY_ROW) for i, row in enumerate(rows)]
    return Drawn(Markup("").join(parts), _TITLE + len(rows) * _KEY_ROW)


def _rows(frame: Frame, keys: Sequence[Key]) -> list[list[Key]]:
    rows: list[list[Key]] = []
    x = math.inf
    for key in keys:
        if x + key.length > frame.x.end + _LAST_GAP:
            rows.append([])
            x = frame.x.start
        rows[-1].append(key)
        x += key.length
    return rows


def _keys(keys: Sequence[Key], x: float, y: float) -> Markup:
    parts = []
    for key in keys:
        parts.append(tag("rect", x=x, y=y - 8, width=15, height=8, class_=f"swatch {key.kind}"))
        parts.append(tag("text", key.name, x=x + 20, y=y, class_=f"soft key-{key.kind}"))
        x += key.length
    return Markup("").join(parts)


def value_axis(frame: Frame, scale: Scale, marks: Sequence[tuple[float, str]]) -> Markup:
    """Draw hair lines and labels at the given values."""
    return tag(
        "g",
        *(
            tag("line", x1=frame.x.start, x2=frame.x.end, y1=scale(v), y2=scale(v), class_="hair")
            + tag("text", label, x=frame.x.start - 6, y=scale(v) + 3.5, text_anchor="end", class_="soft")
            for v, label in marks
        ),
        class_="values",
    )


def panel(name: str, kind: str, scale: Scale, *parts: Markup) -> Markup:
    """Put a panel's parts together; `kind` tells the script how its values become a height."""
    top, bottom = stamp(scale.end), stamp(scale.start)
    return tag("g", *parts, class_="panel", data_panel=name, data_kind=kind, data_top=top, data_bottom=bottom)


# --- Series by bins --------------------------------------------------------------------------------


class Series(NamedTuple):
    """One line of a rate panel; its kind is its CSS class and its name in the data."""

    kind: str
    name: str
    counts: Sequence[int]
    filled: bool = False
    rare: bool = False  # mostly zero, and then nothing is drawn


def rates(frame: Frame, top: float, name: str, bins: Bins, series: Sequence[Series]) -> Drawn:
    """Draw counts per bin as rates per second, from zero."""
    peak = max((count for one in series for count in one.counts), default=0) / bins.width_s
    head = heading(frame, top, name, "per second", [Key(s.kind, s.name) for s in series])
    y, marks = from_zero(top + head.height, frame.plot_height, max(peak, 1))
    parts = [head.markup, value_axis(frame, y, marks)]
    for one in series:
        heights = [None if one.rare and not count else y(count / bins.width_s) for count in one.counts]
        segments = _segments(frame, bins, heights)
        rare = "" if one.rare else None
        if one.filled:
            area = step_area(segments, y.start)
            parts.append(tag("path", d=area, class_=f"area {one.kind}", data_series=one.kind, data_rare=rare))
        line = step_line(segments)
        parts.append(tag("path", d=line, class_=f"line {one.kind}", data_series=one.kind, data_rare=rare))
    return Drawn(panel(name, "rate", y, *parts), y.start - top + GAP)


def from_zero(top: float, height: float, peak: float) -> tuple[Scale, list[tuple[float, str]]]:
    """Return a scale from zero to a round value that holds the peak, and its marks."""
    step = nice_step(peak, 3)
    high = step * max(1, -(-peak // step))
    return Scale(0, high, top + height, top), [
        (value, sentence.number(value)) for value in ticks(0, high, round(high / step))
    ]


def latencies(frame: Frame, top: float, name: str, id_: str, bins: Bins, values: Sequence[Latency]) -> Drawn:
    """Draw the median, the p90 and the p99 (or slowest) of each bin on a logarithmic scale."""
    known = [v for one in values for v in (one.p50, one.high) if v is not None]
    if not known:
        head = heading(frame, top, name, "ms")
        words = tag("text", "nothing to measure", x=frame.x.start, y=top + head.height + 12, class_="soft")
        return Drawn(tag("g", head.markup, words), head.height + 16 + GAP)
    keys = [Key("p50", "median"), Key("p90", "p90"), Key("high", high_name(values), longest=_EITHER)]
    head = heading(frame, top, name, "ms, logarithmic", keys)
    low, high = decades(max(min(known), 0.01), max(max(known), 0.02))
    begin = top + head.height
    y = Scale(low, high, begin + frame.plot_height, begin, log=True)
    median, p90, slow = (
        _segments(frame, bins, [None if v is None else y(v) for v in column])
        for column in zip(*((one.p50, one.p90, one.high) for one in values), strict=True)
    )
    return Drawn(
        panel(
            name,
            "latency",
            y,
            head.markup,
            value_axis(frame, y, _decade_marks(low, high)),
            tag("path", d=step_band(median, slow), class_="band", data_series=f"{id_}.p50 {id_}.high"),
            tag("path", d=step_line(slow), class_="line high", data_series=f"{id_}.high"),
            tag("path", d=step_line(p90), class_="line p90", data_series=f"{id_}.p90"),
            tag("path", d=step_line(median), class_="line p50", data_series=f"{id_}.p50"),
        ),
        y.start - top + GAP,
    )


def high_name(values: Sequence[Latency]) -> str:
    """Name the upper line for what it is: a p99 needs 100 samples in its bin."""
    kinds = {one.high_is_p99 for one in values if one.count}
    return {frozenset({True}): "p99", frozenset({False}): "slowest"}.get(frozenset(kinds), _EITHER)


def _decade_marks(low: float, high: float) -> list[tuple[float, str]]:
    marks = []
    value = low
    while value <= high * 1.001:
        marks.append((value, f"{value:,.0f}" if value >= 1 else f"{value:g}"))
        value *= 10
    return marks


def _segments(frame: Frame, bins: Bins, ys: Sequence[float | None]) -> list[Segment]:
    edges = [frame.at(bins.start_ns + i * bins.width_ns) for i in range(bins.count + 1)]
    return [(edges[i], edges[i + 1], y) for i, y in enumerate(ys)]


# --- Populations -----------------------------------------------------------------------------------


def stacked(
    frame: Frame, top: float, name: str, unit: str, shown: Populations, *, keys: Sequence[Key]
) -> Drawn:
    """Draw counts one upon the other, the first at the bottom."""
    head = heading(frame, top, name, unit, keys)
    y, marks = from_zero(top + head.height, frame.plot_height * 0.8, max(1, shown.most))
    parts = [head.markup, value_axis(frame, y, marks)]
    tops = [tuple(accumulate(row)) for row in zip(*shown.columns.values(), strict=True)]
    for i, key in enumerate(keys):
        upper = plateaus(frame, shown.moments_ns, [row[i] for row in tops])
        lower = plateaus(frame, shown.moments_ns, [row[i - 1] if i else 0 for row in tops])
        lows, highs = ([(x0, x1, y(v)) for x0, x1, v in stretch] for stretch in (lower, upper))
        parts.append(
            tag("path", d=step_band(lows, highs), class_=f"area {key.kind}", data_series=f"connected-{i}")
        )
    return Drawn(panel(name, "stack", y, *parts), y.start - top + GAP)


def plateaus(
    frame: Frame, moments_ns: Sequence[int], values: Sequence[int]
) -> list[tuple[float, float, int]]:
    """Return the level stretches of a step series in pixels; of what falls into half a pixel, the last."""
    edge = frame.x.start
    points: list[tuple[float, int]] = [(edge, 0)]
    for t_ns, value in zip(moments_ns, values, strict=True):
        x = max(edge, round(frame.at(t_ns) * 2) / 2)
        if x == points[-1][0]:
            points[-1] = (x, value)
        else:
            points.append((x, value))
    ends = [x for x, _ in points[1:]] + [frame.x.end]
    return [(x0, x1, value) for (x0, value), x1 in zip(points, ends, strict=True) if x1 > x0]


class Return(NamedTuple):
    """A bot's moment of being back, and the words for it."""

    back_ns: int
    words: str


def cut_off(frame: Frame, top: float, shown: Populations, returns: Sequence[Return]) -> Drawn:
    """Draw how many bots are on their way back, and a tick for each return."""
    head = heading(frame, top, "Cut-off bots", "until joined again", [Key("return", "a return")])
    y, marks = from_zero(top + head.height, frame.plot_height * 0.6, max(1, shown.most))
    (values,) = shown.columns.values()
    stretches = plateaus(frame, shown.moments_ns, values)
    segments = [(x0, x1, y(v) if v else None) for x0, x1, v in stretches]
    parts = [
        head.markup,
        value_axis(frame, y, marks),
        tag("path", d=step_area(segments, y.start), class_="area lost", data_series="cut-off"),
        tag("path", d=step_line(segments), class_="line lost", data_series="cut-off"),
        *(_return(frame, y.start, one) for one in returns),
    ]
    return Drawn(panel("Reconnections", "steps", y, *parts), y.start - top + 9 + GAP)


def _return(frame: Frame, y: float, one: Return) -> Markup:
    data = f"M{frame.at(one.back_ns):.1f} {y + 2:.1f}v7"
    return tag("path", title(one.words), d=data, class_="return", data_t=stamp(frame.seconds(one.back_ns)))


# --- Exact values ----------------------------------------------------------------------------------


def probes(frame: Frame, top: float, bottom: float, bins: Bins, words: Callable[[int], str]) -> Markup:
    """Lay an unseen column over each bin that tells its exact values, where there is no script."""
    edges = [frame.at(bins.start_ns + i * bins.width_ns) for i in range(bins.count + 1)]
    return tag(
        "g",
        *(
            tag("rect", title(words(i)), x=x0, y=top, width=x1 - x0, height=bottom - top)
            for i, (x0, x1) in enumerate(pairwise(edges))
        ),
        class_="probes",
    )


def bin_words(bins: Bins, row: Bin, index: int) -> str:
    """Say what one bin holds."""
    start = index * bins.width_s
    lines = [
        f"{start:,.6g} to {start + bins.width_s:,.6g} s",
        f"sends: {row.attempted:,} attempted, {row.acked:,} acknowledged, {row.rejected:,} rejected, "
        f"{row.indeterminate:,} indeterminate, {row.resent:,} resent",
        f"deliveries: {row.live:,} live, {row.resumed:,} from history",
        f"acknowledgement: {_latency_words(row.ack)}",
        f"delivery: {_latency_words(row.delivery)}",
        f"connections lost: {row.lost:,}, bots back: {row.back:,}",
    ]
    return "\n".join(lines)


def _latency_words(latency: Latency) -> str:
    if latency.p50 is None or latency.p90 is None or latency.high is None:
        return "no sample"
    high = "p99" if latency.high_is_p99 else "slowest"
    middle, p90, slow = (sentence.milliseconds(v) for v in (latency.p50, latency.p90, latency.high))
    return f"median {middle}, p90 {p90}, {high} {slow}"
