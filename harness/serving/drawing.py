"""A run as one picture: a lane for each member, the faults shaded through all, rates, one axis of time.

It is drawn twice, for wide and for narrow pages; the style sheet shows one. What the report draws when the
run is over is finer: here a look must tell what goes on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from harness.records.journal import MemberState
from harness.records.live import Moment
from harness.serving.following import Scene
from reports.spans import FaultRecord, StateSpan, fault_records, lane
from reports.svg import TIMES, Scale, nice_step, step_area, step_line, tag, ticks, title

WIDE, NARROW = 1120.0, 372.0
LANE, GAP, PLOT = 26.0, 9.0, 62.0
FAULT_ROWS = 4
POINTS = 240
_RIGHT = 12.0
_LEAST_S = 10.0  # A run by hand, of which nobody knows the end, begins with so long an axis.


@dataclass(frozen=True, slots=True)
class _Frame:
    scene: Scene
    x: Scale
    width: float
    now_s: float

    @property
    def narrow(self) -> bool:
        return self.width < 640


def draw(scene: Scene, *, width: float) -> Markup:
    """Return the picture, for pages of about that width; empty as long as there is no plan."""
    if scene.plan is None:
        return Markup("")
    now_s = scene.at_s(scene.end_ns)
    left = 44.0 + 6.6 * min(14, max(len(member) for member in (*scene.plan.cluster.members, "acked/s")))
    planned = scene.plan.load_s if scene.now is None or scene.now.of_s is not None else _LEAST_S
    frame = _Frame(scene, Scale(0.0, max(planned, now_s), left, width - _RIGHT), width, now_s)
    parts: list[Markup] = []
    y = 0.0
    for panel in (_phases, _fault_names, _lanes, _acked, _delivered):
        drawn, height = panel(frame, y)
        parts.append(drawn)
        y += height
    bottom = y - GAP
    axis, height = _axis(frame, bottom)
    behind = (*_windows(frame, bottom), *_now(frame, bottom))
    kind = "narrow" if frame.narrow else "wide"
    return tag(
        "svg",
        title(f"{scene.plan.scenario}, up to {now_s:.1f} s"),
        *behind,
        *parts,
        axis,
        viewBox=f"0 0 {width:g} {bottom + height:.0f}",
        class_=f"lanes {kind}",
        role="img",
    )


# --- above the lanes -------------------------------------------------------------------------------------


def _phases(frame: _Frame, top: float) -> tuple[Markup, float]:
    parts = []
    assert frame.scene.plan is not None
    for phase in frame.scene.plan.phases:
        x0, x1 = frame.x(phase.start_s), frame.x(phase.end_s)
        now = phase.start_s <= frame.now_s < phase.end_s and frame.scene.under_way
        kind = "phase now" if now else "phase"
        parts.append(
            tag("rect", x=x0 + 0.5, y=top, width=max(0.0, x1 - x0 - 1), height=17, class_=kind, rx=3.0)
        )
        if x1 - x0 > 7 * len(phase.name):
            words = "phase-name now" if now else "phase-name"
            parts.append(
                tag("text", phase.name, x=(x0 + x1) / 2, y=top + 12.5, text_anchor="middle", class_=words)
            )
    return tag("g", *parts), 17 + GAP


@dataclass(frozen=True, slots=True)
class _Window:
    record: FaultRecord | None
    label: str
    start_s: float
    end_s: float
    state: str  # planned, active, over, failed


def windows(scene: Scene) -> tuple[_Window, ...]:
    """Return the faults of the plan: as they happened, else as they are planned."""
    if scene.plan is None:
        return ()
    records = {record.fault_id: record for record in fault_records(scene.plan, scene.faults)}
    return tuple(
        _window(scene, records.get(fault.id), number) for number, fault in enumerate(scene.plan.faults)
    )


def _window(scene: Scene, record: FaultRecord | None, number: int) -> _Window:
    assert scene.plan is not None
    fault = scene.plan.faults[number]
    label = f"{fault.fault} {', '.join(fault.targets)}".strip()
    if record is not None and record.failed and record.injected_ns is None:
        at_s = scene.at_s(record.steps[-1].t_ns)
        return _Window(record, record.label, at_s, at_s, "failed")
    if record is None or record.injected_ns is None:
        return _Window(None, label, fault.at_s, fault.at_s + (fault.heal_after_s or 0.0), "planned")
    begins_s = scene.at_s(record.injected_ns)
    lasting = fault.heal_after_s is None
    if record.over_ns is None:
        state = "failed" if record.failed else "over" if lasting and not scene.under_way else "active"
        return _Window(record, record.label, begins_s, scene.at_s(scene.end_ns), state)
    return _Window(
        record, record.label, begins_s, scene.at_s(record.over_ns), "failed" if record.failed else "over"
    )


def _fault_names(frame: _Frame, top: float) -> tuple[Markup, float]:
    """Each name begins at its window; those that would overlap go down a row, and there are few rows."""
    ends = [float("-inf")] * FAULT_ROWS
    parts = []
    for window in windows(frame.scene):
        size = 6.4 * len(window.label)
        x = min(frame.x(window.start_s), frame.x.end - size)
        row = next((row for row, end in enumerate(ends) if end < max(0.0, x)), None)
        if row is None or x < 0:
            continue
        ends[row] = x + size + 8
        kind = f"fault-name {window.state}"
        parts.append(tag("text", window.label, x=x, y=top + 10 + 13 * row, class_=kind))
    used = sum(end > float("-inf") for end in ends)
    return tag("g", *parts), used * 13 + (GAP if used else 0)


def _windows(frame: _Frame, bottom: float) -> Iterator[Markup]:
    for window in windows(frame.scene):
        x0, x1 = frame.x(window.start_s), frame.x(window.end_s)
        words = f"{window.label}: {window.state}, {window.start_s:.2f} s to {window.end_s:.2f} s"
        box = {"x": x0, "y": 17 + GAP / 2, "width": max(2.0, x1 - x0), "height": bottom - 17 - GAP / 2}
        yield tag("rect", title(words), class_=f"window {window.state}", **box)


def _now(frame: _Frame, bottom: float) -> Iterator[Markup]:
    if frame.scene.under_way and frame.now_s > 0:
        x = frame.x(frame.now_s)
        yield tag("line", x1=x, x2=x, y1=0.0, y2=bottom, class_="now-line")


# --- lanes -----------------------------------------------------------------------------------------------


def _lanes(frame: _Frame, top: float) -> tuple[Markup, float]:
    assert frame.scene.plan is not None
    faults = fault_records(frame.scene.plan, frame.scene.faults)
    parts, y = [], top
    for member in frame.scene.plan.cluster.members:
        parts.append(tag("text", member, x=0.0, y=y + 15, class_="member"))
        for span in lane(frame.scene.members, faults, member, frame.scene.end_ns):
            parts += _span(frame, member, span, y)
        y += LANE
    return tag("g", *parts), y - top + GAP


def _span(frame: _Frame, member: str, span: StateSpan, y: float) -> Iterator[Markup]:
    start_s, end_s = frame.scene.at_s(span.start_ns), frame.scene.at_s(span.end_ns)
    if end_s <= 0:
        return
    x0, x1 = frame.x(start_s), frame.x(end_s)
    word = span.words
    told = f"{member} {word} from {max(0.0, start_s):.2f} s to {end_s:.2f} s"
    words = ", ".join(part for part in (told, span.note, span.identity) if part)
    kind = f"state {span.state}"
    size = {"x": x0, "y": y + 2, "width": max(1.5, x1 - x0), "height": LANE - 8}
    yield tag("rect", title(words), class_=kind, rx=2.0, **size)
    if span.state != MemberState.READY.value and x1 - x0 > 6.5 * len(word) + 8:
        yield tag("text", word, x=(x0 + x1) / 2, y=y + 15, text_anchor="middle", class_=f"word {span.state}")


# --- rates -----------------------------------------------------------------------------------------------


def _acked(frame: _Frame, top: float) -> tuple[Markup, float]:
    return _rate(frame, top, "acked", "acked/s", lambda moment: moment.acked_per_s)


def _delivered(frame: _Frame, top: float) -> tuple[Markup, float]:
    return _rate(frame, top, "delivered", "recv/s", lambda moment: moment.delivered_per_s)


def _rate(
    frame: _Frame, top: float, kind: str, name: str, value: Callable[[Moment], float]
) -> tuple[Markup, float]:
    points = thinned([(moment.at_s, value(moment)) for moment in frame.scene.moments])
    most = max((rate for _, rate in points), default=0.0)
    step = nice_step(max(most, 1.0), 2)
    scale = Scale(0.0, max(step, -(-most // step) * step), top + PLOT, top + 4)
    segments = [(frame.x(a), frame.x(b), scale(rate)) for (a, rate), (b, _) in pairwise(points)]
    parts = [
        tag("text", name, x=0.0, y=top + 16, class_="member"),
        tag("text", f"{points[-1][1]:,.0f}" if points else "–", x=0.0, y=top + 34, class_="figure"),
        *(_level(frame, scale, tick) for tick in ticks(0.0, scale.high, 2)),
        tag("path", d=step_area(segments, scale.start), class_=f"area {kind}"),
        tag("path", d=step_line(segments), class_=f"line {kind}"),
    ]
    return tag("g", *parts), PLOT + 2 * GAP


def _level(frame: _Frame, scale: Scale, value: float) -> Markup:
    y = scale(value)
    line = tag("line", x1=frame.x.start, x2=frame.x.end, y1=y, y2=y, class_="hair")
    label = tag("text", f"{value:,.0f}", x=frame.x.start - 5, y=y + 3.5, text_anchor="end", class_="soft")
    return tag("g", line, label)


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most `POINTS` points: of neighbours the first time and the lowest value, for a dip tells."""
    each = -(-len(points) // POINTS) or 1
    groups = (points[start : start + each] for start in range(0, len(points), each))
    return [(group[0][0], min(value for _, value in group)) for group in groups]


def _axis(frame: _Frame, top: float) -> tuple[Markup, float]:
    parts = [tag("line", x1=frame.x.start, x2=frame.x.end, y1=top, y2=top, class_="axis")]
    for value in ticks(0.0, frame.x.high, 6 if frame.narrow else 14, TIMES):
        x = frame.x(value)
        parts.append(tag("line", x1=x, x2=x, y1=top, y2=top + 4, class_="axis"))
        parts.append(tag("text", f"{value:g} s", x=x, y=top + 16, text_anchor="middle", class_="soft"))
    return tag("g", *parts), 22.0
