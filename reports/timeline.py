"""The picture of a run: small multiples on one time axis, with the faults shaded through all of them.

It is drawn twice, for wide and for narrow pages, since a drawing that is merely scaled down cannot be
read. Which one is seen is the style sheet's affair.
"""

from collections.abc import Callable, Iterable

from markupsafe import Markup

from harness.records.journal import MemberState
from reports import annotations, panels, sentence
from reports.panels import Drawn, Frame, Key, Return, Series
from reports.picture import Picture, description
from reports.run import Run
from reports.spans import StateSpan, member_spans
from reports.svg import TIMES, Scale, tag, ticks

WIDE, NARROW = 1120.0, 380.0
RETURNS_SHOWN = 400
_MARGIN = 14.0  # on the right: half of the last tick's label


# --- The whole -------------------------------------------------------------------------------------


def draw(shown: Picture, *, width: float) -> Markup:
    """Draw the picture for pages of about that width."""
    frame = _frame(shown, width)
    y = 0.0
    parts: list[Markup] = []
    for panel in (annotations.phases, annotations.fault_names, annotations.violation_marks, _members):
        y = _add(parts, panel(shown, frame, y), y)
    series_top = y
    for panel in (_sends, _deliveries, _ack_latency, _delivery_latency):
        y = _add(parts, panel(shown, frame, y), y)
    words = _probe_words(shown)
    probes = panels.probes(frame, series_top, y - panels.GAP, shown.figures.bins, words)
    y = _add(parts, _cut_off(shown, frame, y), y)
    behind = annotations.through_all(shown, frame, y - panels.GAP + 4)
    y = _add(parts, _time_axis(shown, frame, y), y)
    return _svg(shown, frame, y, (panels.hatches(frame.prefix), behind, *parts, probes))


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


def _svg(shown: Picture, frame: Frame, height: float, parts: Iterable[Markup]) -> Markup:
    prefix = frame.prefix
    return tag(
        "svg",
        tag("title", f"Timeline of {shown.run.plan.scenario}", id=f"{prefix}-title"),
        tag("desc", description(shown), id=f"{prefix}-desc"),
        *parts,
        viewBox=f"0 0 {frame.width:g} {height:.0f}",
        class_=f"timeline {prefix}",
        role="img",
        aria_labelledby=f"{prefix}-title {prefix}-desc",
    )


# --- The panels ------------------------------------------------------------------------------------


def _members(shown: Picture, frame: Frame, top: float) -> Drawn:
    run, series = shown.run, shown.figures
    nodes = {name: steps for name, steps in series.connected.items() if name in run.plan.cluster.nodes}
    most = max((value for steps in nodes.values() for _, value in steps), default=0)
    lanes = [
        (name, member_spans(run.members, name, _last_ns(run, shown))) for name in run.plan.cluster.members
    ]
    parts = [panels.heading(frame, top, "Members", _members_unit(most), _state_keys(shown, lanes))]
    y = top + frame.title_height
    for name, spans in lanes:
        steps = nodes.get(name, ())
        y = _add(
            parts, panels.lane(frame, y, name, spans, steps, most if name in run.plan.cluster.nodes else 0), y
        )
    return Drawn(tag("g", *parts), y - top + panels.GAP)


def _members_unit(most: int) -> str:
    if not most:
        return "state"
    return "state, and connected bots above it"


def _last_ns(run: Run, shown: Picture) -> int:
    return max(shown.end_ns, run.meta.ended_ns or 0)


def _state_keys(shown: Picture, lanes: list[tuple[str, tuple[StateSpan, ...]]]) -> list[Key]:
    seen = {
        span.state
        for _, spans in lanes
        for span in spans
        if span.end_ns > shown.start_ns and span.start_ns < shown.end_ns
    }
    return [
        Key(f"state {state.value}", state.value.replace("-", " ")) for state in MemberState if state in seen
    ]


def _sends(shown: Picture, frame: Frame, top: float) -> Drawn:
    rows = shown.figures.rows
    series = [
        Series("acked", "acknowledged", [row.acked for row in rows], filled=True),
        Series("attempted", "attempted", [row.attempted for row in rows]),
    ]
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
    return panels.latencies(frame, top, "Send to acknowledgement", shown.figures.bins, values)


def _delivery_latency(shown: Picture, frame: Frame, top: float) -> Drawn:
    values = [row.delivery for row in shown.figures.rows]
    return panels.latencies(frame, top, "Send to live delivery", shown.figures.bins, values)


def _cut_off(shown: Picture, frame: Frame, top: float) -> Drawn:
    run = shown.run
    ways = [way for way in run.verdict.reconnections if way.back_ns is not None]
    if not run.verdict.reconnections:
        return Drawn(Markup(""), 0.0)
    returns = [
        Return(
            way.back_ns or 0,
            f"{way.bot}: cut off from {way.from_node} at {sentence.moment(run.at_s(way.lost_ns))}, "
            f"back on {way.to_node} {sentence.milliseconds(((way.back_ns or 0) - way.lost_ns) / 1e6)} later",
        )
        for way in ways[:RETURNS_SHOWN]
    ]
    return panels.cut_off(frame, top, shown.figures.cut_off, returns)


def _probe_words(shown: Picture) -> Callable[[int], str]:
    return lambda index: panels.bin_words(shown.figures.bins, shown.figures.rows[index], index)


def _time_axis(shown: Picture, frame: Frame, top: float) -> Drawn:
    y = top - panels.GAP + 6
    parts = [tag("line", x1=frame.x.start, x2=frame.x.end, y1=y, y2=y, class_="axis")]
    for value in ticks(frame.x.low, frame.x.high, 6 if frame.narrow else 16, TIMES):
        x = frame.x(value)
        parts.append(tag("line", x1=x, x2=x, y1=y, y2=y + 5, class_="axis"))
        parts.append(
            tag(
                "text",
                sentence.number(value).replace("-", "−"),
                x=x,
                y=y + 17,
                text_anchor="middle",
                class_="soft",
            )
        )
    middle = (frame.x.start + frame.x.end) / 2
    unit = tag(
        "text", "seconds since the load began", x=middle, y=y + 33, text_anchor="middle", class_="soft"
    )
    return Drawn(tag("g", *parts, unit), 30.0)
