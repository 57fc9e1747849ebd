"""The picture of a run: small multiples on one time axis, with the faults shaded through all of them.

It is drawn twice, for wide and for narrow pages, since a drawing that is merely scaled down cannot be
read. Which one is seen is the style sheet's affair. Without a script it is a still picture; the page's script
zooms these very drawings (docs/decisions/0013).
"""

from collections.abc import Callable, Iterable

from markupsafe import Markup

from harness.records.verdict import Reconnection
from reports import annotations, lanes, panels, population_panels, sentence
from reports.panels import Drawn, Frame, Key, Series, stamp
from reports.picture import Picture, description
from reports.population_panels import Return
from reports.run import Run
from reports.spans import STATES
from reports.svg import TIMES, Scale, tag, ticks
from reports.text import clipped

WIDE, NARROW = 1120.0, 380.0
RETURNS_SHOWN = 400
_TIP = 200  # characters
_NODE = 60
_MARGIN = 14.0  # on the right: half of the last tick's label


# --- The whole -------------------------------------------------------------------------------------


def draw(shown: Picture, *, width: float) -> Markup:
    """Draw the picture for pages of about that width."""
    frame = _frame(shown, width)
    y = 0.0
    parts: list[Markup] = []
    for above in (annotations.phases, annotations.fault_names):
        y = _add(parts, above(shown, frame, y), y)
    marks = annotations.violation_marks(shown, frame, y)
    top = y = _add(parts, annotations.violation_row(shown, frame, y), y)
    y = _add(parts, _members(shown, frame, y), y)
    series_top = y
    for panel in (_sends, _deliveries, _ack_latency, _delivery_latency):
        y = _add(parts, panel(shown, frame, y), y)
    words = _probe_words(shown)
    probes = panels.probes(frame, series_top, y - panels.GAP, shown.figures.bins, words)
    for panel in (_connected, _cut_off):
        y = _add(parts, panel(shown, frame, y), y)
    bottom = y - panels.GAP + 4
    behind = annotations.through_all(shown, frame, top, bottom)
    y = _add(parts, _time_axis(frame, y), y)
    drawn = _picture(shown, frame, (lanes.hatches(frame.prefix), behind, *parts, probes))
    return _svg(frame, (y, top, bottom), drawn, marks)


def _add(parts: list[Markup], drawn: Drawn, y: float) -> float:
    parts.append(drawn.markup)
    return y + drawn.height


def _frame(shown: Picture, width: float) -> Frame:
    narrow = width < 640
    longest = max(len(member) for member in (*shown.run.plan.cluster.members, "violated"))
    left = min(14, longest) * panels.CHARACTER + 8
    low, high = (shown.run.at_s(t) for t in (shown.start_ns, max(shown.end_ns, shown.figures.bins.end_ns)))
    return Frame(
        x=Scale(low, high, left, width - _MARGIN),
        width=width,
        plot_height=54.0 if narrow else 62.0,
        zero_ns=shown.run.zero_ns,
        narrow=narrow,
    )


def _picture(shown: Picture, frame: Frame, parts: Iterable[Markup]) -> Markup:
    """Put together what is a picture to a screen reader: a name and a description stand for all of it."""
    name, words = f"{frame.prefix}-title", f"{frame.prefix}-desc"
    return tag(
        "g",
        tag("title", f"Timeline of {clipped(shown.run.plan.scenario, _TIP)}", id=name),
        tag("desc", description(shown), id=words),
        *parts,
        role="img",
        aria_labelledby=f"{name} {words}",
    )


def _svg(frame: Frame, heights: tuple[float, float, float], picture: Markup, marks: Markup) -> Markup:
    x = frame.x
    height, top, bottom = heights
    return tag(
        "svg",
        picture,
        marks,
        viewBox=f"0 0 {frame.width:g} {height:.0f}",
        class_=f"timeline {frame.prefix}",
        data_left=stamp(x.start),
        data_right=stamp(x.end),
        data_low=stamp(x.low),
        data_high=stamp(x.high),
        data_top=stamp(top),
        data_bottom=stamp(bottom),
    )


# --- The panels ------------------------------------------------------------------------------------


def _members(shown: Picture, frame: Frame, top: float) -> Drawn:
    seen = {
        span.state
        for lane in shown.lanes
        for span in lane.spans
        if span.end_ns > shown.start_ns and span.start_ns < shown.end_ns
    }
    keys = [Key(f"state {state}", state.replace("-", " ")) for state in STATES if state in seen]
    head = panels.heading(frame, top, "Members", "state", keys)
    parts = [head.markup]
    y = top + head.height - 6
    for number, lane in enumerate(shown.lanes):
        y = _add(parts, lanes.lane(frame, y, number, lane.member, lane.spans), y)
    return Drawn(tag("g", *parts), y - top + panels.GAP)


def _sends(shown: Picture, frame: Frame, top: float) -> Drawn:
    rows = shown.figures.rows
    series = [
        Series("acked", "acknowledged", [row.acked for row in rows], filled=True),
        Series("attempted", "attempted", [row.attempted for row in rows]),
    ]
    if any(row.rejected for row in rows):
        series.append(Series("rejected", "rejected", [row.rejected for row in rows], rare=True))
    if any(row.indeterminate for row in rows):
        series.append(Series("indeterminate", "indeterminate", [r.indeterminate for r in rows], rare=True))
    return panels.rates(frame, top, "Sends", shown.figures.bins, series)


def _deliveries(shown: Picture, frame: Frame, top: float) -> Drawn:
    rows = shown.figures.rows
    series = [
        Series("live", "live", [row.live for row in rows], filled=True),
        Series("resumed", "from history", [row.resumed for row in rows], filled=True, rare=True),
    ]
    return panels.rates(frame, top, "Deliveries", shown.figures.bins, series)


def _ack_latency(shown: Picture, frame: Frame, top: float) -> Drawn:
    values = [row.ack for row in shown.figures.rows]
    return panels.latencies(frame, top, "Send to acknowledgement", "ack", shown.figures.bins, values)


def _delivery_latency(shown: Picture, frame: Frame, top: float) -> Drawn:
    values = [row.delivery for row in shown.figures.rows]
    return panels.latencies(frame, top, "Send to live delivery", "delivery", shown.figures.bins, values)


def _connected(shown: Picture, frame: Frame, top: float) -> Drawn:
    if not shown.connected.columns:
        return Drawn(Markup(""), 0.0)
    keys = [Key(f"node-{i}", clipped(name, _NODE)) for i, name in enumerate(shown.connected.columns)]
    return population_panels.stacked(frame, top, "Connected bots", "per node", shown.connected, keys=keys)


def _cut_off(shown: Picture, frame: Frame, top: float) -> Drawn:
    run = shown.run
    ways = [way for way in run.verdict.reconnections if way.back_ns is not None]
    if not run.verdict.reconnections:
        return Drawn(Markup(""), 0.0)
    returns = [
        Return(
            way.back_ns or 0,
            clipped(_way_words(run, way, way.back_ns or 0), _TIP),
        )
        for way in ways[:RETURNS_SHOWN]
    ]
    return population_panels.cut_off(frame, top, shown.cut_off, returns)


def _way_words(run: Run, way: Reconnection, back_ns: int) -> str:
    return (
        f"{way.bot}: cut off from {way.from_node} at {sentence.moment(run.at_s(way.lost_ns))}, "
        f"back on {way.to_node} {sentence.milliseconds((back_ns - way.lost_ns) / 1e6)} later"
    )


def _probe_words(shown: Picture) -> Callable[[int], str]:
    return lambda index: panels.bin_words(shown.figures.bins, shown.figures.rows[index], index)


def _time_axis(frame: Frame, top: float) -> Drawn:
    y = top - panels.GAP + 6
    marks = []
    for value in ticks(frame.x.low, frame.x.high, 6 if frame.narrow else 16, TIMES):
        x, words = frame.x(value), sentence.number(value).replace("-", "−")
        marks.append(tag("line", x1=x, x2=x, y1=y, y2=y + 5, class_="axis"))
        marks.append(tag("text", words, x=x, y=y + 17, text_anchor="middle", class_="soft"))
    line = tag("line", x1=frame.x.start, x2=frame.x.end, y1=y, y2=y, class_="axis")
    times = tag("g", *marks, class_="times", data_y=stamp(y), data_most="6" if frame.narrow else "16")
    middle = (frame.x.start + frame.x.end) / 2
    unit = tag(
        "text", "seconds since the load began", x=middle, y=y + 33, text_anchor="middle", class_="soft"
    )
    return Drawn(tag("g", line, times, unit), 30.0)
