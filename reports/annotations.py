"""What lies above and behind the panels: phases, fault windows, the moments of violations."""

from typing import NamedTuple

from markupsafe import Markup

from reports import panels
from reports.panels import Drawn, Frame
from reports.picture import Picture, fault_words, phase_spans
from reports.spans import FaultRecord
from reports.svg import tag, title

_ROW = 18.0
_LABEL = 40  # characters of a fault's name
_LABEL_ROW = 15.0


def phases(shown: Picture, frame: Frame, top: float) -> Drawn:
    """Write the phases' names above their spans."""
    parts = []
    for name, start, end in phase_spans(shown):
        x0, x1 = frame.x(start), frame.x(end)
        tip = title(f"{name}: {start:g} to {end:.4g} s")
        if x1 - x0 >= len(name) * 5.2:
            parts.append(
                tag("text", name, tip, x=(x0 + x1) / 2, y=top + 12, text_anchor="middle", class_="phase")
            )
    return Drawn(tag("g", *parts), _ROW)


class _Label(NamedTuple):
    """Where a fault's name stands."""

    record: FaultRecord
    text: str
    x: float
    row: int


def _fault_labels(shown: Picture, frame: Frame) -> list[_Label]:
    """Place each fault's name at its window, in as many rows as overlapping names need."""
    free: list[float] = []  # where each row is free from
    labels = []
    for record in shown.faults:
        if record.injected_ns is None:
            continue
        text = record.label if len(record.label) <= _LABEL else record.label[: _LABEL - 1] + "…"
        length = len(text) * panels.CHARACTER + 16
        x = max(frame.x.start, min(frame.at(record.injected_ns), frame.x.end - length))
        row = next((i for i, end in enumerate(free) if end <= x), len(free))
        free[row : row + 1] = [x + length]
        labels.append(_Label(record, text, x, row))
    return labels


def fault_names(shown: Picture, frame: Frame, top: float) -> Drawn:
    """Write the faults' names at the moments of their injection."""
    labels = _fault_labels(shown, frame)
    parts = []
    for label in labels:
        tip = title(fault_words(shown.run, label.record))
        y = top + 12 + label.row * _LABEL_ROW
        parts.append(tag("text", f"▾ {label.text}", tip, x=label.x - 4, y=y, class_="fault-name"))
    rows = max((label.row + 1 for label in labels), default=0)
    return Drawn(tag("g", *parts), rows * _LABEL_ROW + 6 if rows else 0.0)


def violation_marks(shown: Picture, frame: Frame, top: float) -> Drawn:
    """Draw a diamond at each violation that has a moment."""
    marks = [v for v in shown.violations if shown.start_ns <= v.t_ns <= shown.end_ns]
    if not marks:
        return Drawn(Markup(""), 0.0)
    parts = [tag("text", "violated", x=frame.x.start - 6, y=top + 12, text_anchor="end", class_="violated")]
    for mark in marks:
        x, y = frame.at(mark.t_ns), top + 8
        diamond = f"M{x:.1f} {y - 5:.1f}l3.5 5l-3.5 5l-3.5-5z"
        parts.append(tag("path", title(mark.words), d=diamond, class_="violation"))
    return Drawn(tag("g", *parts), _ROW + 4)


def through_all(shown: Picture, frame: Frame, bottom: float) -> Markup:
    """Shade fault windows and draw phase bounds behind every panel."""
    parts = [_window(shown, frame, label, bottom) for label in _fault_labels(shown, frame)]
    for _, start, _ in phase_spans(shown):
        x = frame.x(start)
        parts.append(tag("line", x1=x, x2=x, y1=2, y2=bottom, class_="bound"))
    return tag("g", *parts)


def _window(shown: Picture, frame: Frame, label: _Label, bottom: float) -> Markup:
    record = label.record
    x0 = frame.at(record.injected_ns or 0)
    x1 = frame.x.end if record.over_ns is None else frame.at(record.over_ns)
    tip = title(fault_words(shown.run, record))
    shade = tag("rect", tip, x=x0, y=_ROW, width=max(1.0, x1 - x0), height=bottom - _ROW, class_="window")
    name = _ROW + 14 + label.row * _LABEL_ROW
    return shade + tag("line", x1=x0, x2=x0, y1=name, y2=bottom, class_="inject")
