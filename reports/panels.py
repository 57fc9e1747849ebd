"""The panels of the picture, each drawn from its own data onto one shared time axis.

A panel takes the frame (the axis and the margins) and the y where it begins, and returns its markup and
how high it is. It knows nothing of its neighbours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from markupsafe import Markup

from harness.records.journal import MemberState
from reports import sentence
from reports.bins import Bins
from reports.figures import Bin, Latency, Steps
from reports.spans import StateSpan
from reports.svg import Scale, Segment, decades, nice_step, step_area, step_band, step_line, tag, ticks, title

GAP = 16.0
CHARACTER = 6.8  # The width of a character of the small type in a wide font, about.
_BAR = 6.0


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
    narrow: bool  # then a panel's keys have a row of their own

    @property
    def prefix(self) -> str:
        """The prefix of the ids in this drawing."""
        return "narrow" if self.narrow else "wide"

    @property
    def title_height(self) -> float:
        """What a panel's title row takes."""
        return 34.0 if self.narrow else 20.0

    def at(self, t_ns: int) -> float:
        """Return the pixel of a monotonic stamp."""
        return self.x((t_ns - self.zero_ns) / 1e9)


class Key(NamedTuple):
    """One entry of a panel's title row: how a series looks, and its name."""

    kind: str  # CSS class of the swatch
    name: str


def heading(frame: Frame, top: float, name: str, unit: str, keys: Sequence[Key] = ()) -> Markup:
    """Draw the title row: what is shown, its unit, and the series' names beside their swatches."""
    words = tag("tspan", f" {unit}", class_="soft")
    parts = [tag("text", name, words, x=frame.x.start, y=top + 12, class_="name")]
    lengths = [20 + len(key.name) * CHARACTER + 12 for key in keys]
    x = frame.x.start if frame.narrow else frame.x.end - sum(lengths) + 12
    y = top + (27 if frame.narrow else 12)
    for key, length in zip(keys, lengths, strict=True):
        parts.append(tag("rect", x=x, y=y - 8, width=15, height=8, class_=f"swatch {key.kind}"))
        parts.append(tag("text", key.name, x=x + 20, y=y, class_="soft"))
        x += length
    return Markup("").join(parts)


def value_axis(frame: Frame, scale: Scale, marks: Sequence[tuple[float, str]]) -> Markup:
    """Draw hair lines and labels at the given values."""
    return Markup("").join(
        tag("line", x1=frame.x.start, x2=frame.x.end, y1=scale(v), y2=scale(v), class_="hair")
        + tag("text", label, x=frame.x.start - 6, y=scale(v) + 3.5, text_anchor="end", class_="soft")
        for v, label in marks
    )


# --- Members ---------------------------------------------------------------------------------------


def lane(frame: Frame, top: float, member: str, spans: Sequence[StateSpan], bots: Steps, most: int) -> Drawn:
    """Draw one member: its state as a bar and, above it, how many bots are connected to it."""
    room = 22.0 if most else 8.0
    bar = top + room
    label = tag("text", member, x=frame.x.start - 6, y=bar + _BAR, text_anchor="end", class_="member")
    connections = _connections(frame, bots, Scale(0, most, bar - 1, top + 2)) if bots else Markup("")
    states = Markup("").join(_state(frame, bar, member, span) for span in spans)
    return Drawn(tag("g", label, connections, states), room + _BAR + 6)


def _state(frame: Frame, y: float, member: str, span: StateSpan) -> Markup:
    x0, x1 = frame.at(span.start_ns), frame.at(span.end_ns)
    if x1 <= x0:
        return Markup("")
    words = span.state.value.replace("-", " ")
    when = f"{_when(frame, span.start_ns)} to {_when(frame, span.end_ns)}"
    tip = title(f"{member}: {words}, {when}" + (f"\n{span.identity}" if span.identity else ""))
    bar = tag("rect", tip, x=x0, y=y, width=x1 - x0, height=_BAR, class_=f"state {span.state.value}")
    if span.state is MemberState.READY or x1 - x0 < len(words) * CHARACTER + 4:
        return bar
    return bar + tag("text", words, x=x0 + 3, y=y - 3, class_=f"word {span.state.value}")


def hatches(prefix: str) -> Markup:
    """Return the patterns that tell states apart without colour; the style sheet fills with them."""
    starting = tag("path", d="M-1 5L5 -1M3 9L9 3", class_="hatch starting")
    not_ready = tag("path", d="M2 0V8M6 0V8", class_="hatch not-ready")
    paused = tag("path", d="M0 2H8M0 6H8", class_="hatch paused")
    return tag(
        "defs",
        *(
            tag("pattern", lines, id=f"{prefix}-{state}", width=8, height=8, patternUnits="userSpaceOnUse")
            for state, lines in (("starting", starting), ("not-ready", not_ready), ("paused", paused))
        ),
    )


def _connections(frame: Frame, bots: Steps, y: Scale) -> Markup:
    segments = plateaus(frame, bots)
    area = step_area([(x0, x1, y(v)) for x0, x1, v in segments], y.start)
    labels = [
        tag("text", f"{v:,}", x=x0 + 4, y=min(y(v) + 10, y.start - 2), class_="count")
        for x0, x1, v in segments
        if v and x1 - x0 >= 34
    ]
    return tag("path", d=area, class_="area connected") + Markup("").join(labels)


def plateaus(frame: Frame, steps: Steps) -> list[tuple[float, float, int]]:
    """Return the level stretches of a step series in pixels; of what falls into half a pixel, the last."""
    edge = frame.x.start
    points: list[tuple[float, int]] = [(edge, 0)]
    for t_ns, value in steps:
        x = max(edge, round(frame.at(t_ns) * 2) / 2)
        if x == points[-1][0]:
            points[-1] = (x, value)
        else:
            points.append((x, value))
    ends = [x for x, _ in points[1:]] + [frame.x.end]
    return [(x0, x1, value) for (x0, value), x1 in zip(points, ends, strict=True) if x1 > x0]


# --- Series by bins --------------------------------------------------------------------------------


class Series(NamedTuple):
    """One line of a rate panel."""

    kind: str  # CSS class
    name: str
    counts: Sequence[int]
    filled: bool = False
    rare: bool = False  # mostly zero, and then nothing is drawn


def rates(frame: Frame, top: float, name: str, bins: Bins, series: Sequence[Series]) -> Drawn:
    """Draw counts per bin as rates per second, from zero."""
    peak = max((count for one in series for count in one.counts), default=0) / bins.width_s
    step = nice_step(max(peak, 1), 3)
    high = step * max(1, -(-peak // step))
    y = Scale(0, high, top + frame.title_height + frame.plot_height, top + frame.title_height)
    parts = [heading(frame, top, name, "per second", [Key(s.kind, s.name) for s in series])]
    parts.append(value_axis(frame, y, [(v, sentence.number(v)) for v in ticks(0, high, round(high / step))]))
    for one in series:
        heights = [None if one.rare and not count else y(count / bins.width_s) for count in one.counts]
        segments = _segments(frame, bins, heights)
        if one.filled:
            parts.append(tag("path", d=step_area(segments, y.start), class_=f"area {one.kind}"))
        parts.append(tag("path", d=step_line(segments), class_=f"line {one.kind}"))
    return Drawn(tag("g", *parts), frame.title_height + frame.plot_height + GAP)


def latencies(frame: Frame, top: float, name: str, bins: Bins, values: Sequence[Latency]) -> Drawn:
    """Draw the median and the p99 (or slowest) of each bin on a logarithmic scale."""
    height = frame.title_height + frame.plot_height + GAP
    known = [v for one in values for v in (one.p50, one.high) if v is not None]
    if not known:
        words = tag(
            "text", "nothing to measure", x=frame.x.start, y=top + frame.title_height + 12, class_="soft"
        )
        return Drawn(tag("g", heading(frame, top, name, "ms"), words), frame.title_height + 16 + GAP)
    low, high = decades(max(min(known), 0.01), max(max(known), 0.02))
    y = Scale(low, high, top + frame.title_height + frame.plot_height, top + frame.title_height, log=True)
    keys = [Key("p50", "median"), Key("high", high_name(values))]
    median = _segments(frame, bins, [None if one.p50 is None else y(one.p50) for one in values])
    slow = _segments(frame, bins, [None if one.high is None else y(one.high) for one in values])
    parts = [
        heading(frame, top, name, "ms, logarithmic", keys),
        value_axis(frame, y, _decade_marks(low, high)),
        tag("path", d=step_band(median, slow), class_="band"),
        tag("path", d=step_line(slow), class_="line high"),
        tag("path", d=step_line(median), class_="line p50"),
    ]
    return Drawn(tag("g", *parts), height)


def high_name(values: Sequence[Latency]) -> str:
    """Name the upper line for what it is: a p99 needs 100 samples in its bin."""
    kinds = {one.high_is_p99 for one in values if one.count}
    return {frozenset({True}): "p99", frozenset({False}): "slowest"}.get(frozenset(kinds), "p99 or slowest")


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


# --- Reconnections ---------------------------------------------------------------------------------


class Return(NamedTuple):
    """A bot's moment of being back, and the words for it."""

    back_ns: int
    words: str


def cut_off(frame: Frame, top: float, steps: Steps, returns: Sequence[Return]) -> Drawn:
    """Draw how many bots are on their way back, and a tick for each return."""
    most = max((value for _, value in steps), default=0)
    height = frame.plot_height * 0.6
    y = Scale(0, max(1, most), top + frame.title_height + height, top + frame.title_height)
    segments = [(x0, x1, y(v) if v else None) for x0, x1, v in plateaus(frame, steps)]
    parts = [
        heading(frame, top, "Cut-off bots", "until joined again", [Key("return", "a return")]),
        value_axis(frame, y, [(0, "0"), (max(1, most), f"{max(1, most):,}")]),
        tag("path", d=step_area(segments, y.start), class_="area lost"),
        tag("path", d=step_line(segments), class_="line lost"),
        *(_return(frame, y.start, one) for one in returns),
    ]
    return Drawn(tag("g", *parts), frame.title_height + height + 9 + GAP)


def _return(frame: Frame, y: float, one: Return) -> Markup:
    x = frame.at(one.back_ns)
    return tag("path", title(one.words), d=f"M{x:.1f} {y + 2:.1f}v7", class_="return")


# --- Exact values ----------------------------------------------------------------------------------


def probes(frame: Frame, top: float, bottom: float, bins: Bins, words: Callable[[int], str]) -> Markup:
    """Lay an unseen column over each bin that tells its exact values."""
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
        f"sends: {row.attempted:,} attempted, {row.acked:,} acknowledged, {row.resent:,} resent",
        f"deliveries: {row.live:,} live, {row.resumed:,} from history",
        f"acknowledgement: {_latency_words(row.ack)}",
        f"delivery: {_latency_words(row.delivery)}",
    ]
    return "\n".join(lines)


def _latency_words(latency: Latency) -> str:
    if latency.p50 is None or latency.high is None:
        return "no sample"
    high = "p99" if latency.high_is_p99 else "slowest"
    return f"median {sentence.milliseconds(latency.p50)}, {high} {sentence.milliseconds(latency.high)}"


def _when(frame: Frame, t_ns: int) -> str:
    return sentence.moment((t_ns - frame.zero_ns) / 1e9)
