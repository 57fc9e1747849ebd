"""What lies above and behind the panels: phases, fault windows, the moments of violations.

The first `FAULTS_SHOWN` faults have a window each, and a name where there is room in `FAULT_ROWS` rows; the
script shows more of the names as it zooms. Whatever comes behind these faults is shaded as one crowd.
"""

from typing import NamedTuple

from markupsafe import Markup

from reports import panels
from reports.panels import Drawn, Frame, stamp
from reports.picture import Picture, fault_words, phase_spans
from reports.sentence import plural
from reports.spans import FaultRecord
from reports.svg import tag, title

_ROW = 18.0
_LABEL = 40  # characters of a fault's name
_LABEL_ROW = 15.0
FAULT_ROWS = 6


def phases(shown: Picture, frame: Frame, top: float) -> Drawn:
    """Write the phases' names above their spans."""
    parts = []
    for name, start, end in phase_spans(shown):
        x0, x1 = frame.x(start), frame.x(end)
        length = len(name) * 5.2
        parts.append(
            tag(
                "text", name, title(f"{name}: {start:g} to {end:.4g} s"), x=(x0 + x1) / 2, y=top + 12,
                text_anchor="middle", class_="phase", display=None if x1 - x0 >= length else "none",
                data_t0=stamp(start), data_t1=stamp(end), data_length=stamp(length),
            )
        )  # fmt: skip
    return Drawn(tag("g", *parts), _ROW)


class _Label(NamedTuple):
    """Where a fault's name stands."""

    record: FaultRecord
    text: str
    x: float
    row: int
    fits: bool = False  # in the picture of the whole run

    @property
    def length(self) -> float:
        """How wide it is, in pixels."""
        return len(self.text) * panels.CHARACTER + 16


def _fault_labels(shown: Picture, frame: Frame) -> list[_Label]:
    """Place each fault's name at its window, in the first row that is free there."""
    free = [frame.x.start] * FAULT_ROWS  # where each row is free from
    labels = []
    for record in shown.own_windows:
        text = record.label if len(record.label) <= _LABEL else record.label[: _LABEL - 1] + "…"
        label = _Label(record, text, 0.0, 0)
        x = max(frame.x.start, min(frame.at(record.injected_ns or 0), frame.x.end - label.length))
        soonest = min(range(FAULT_ROWS), key=free.__getitem__)
        row = next((i for i, end in enumerate(free) if end <= x), soonest)
        fits = free[row] <= x
        if fits:
            free[row] = x + label.length
        labels.append(label._replace(x=x, row=row, fits=fits))
    return labels


def fault_names(shown: Picture, frame: Frame, top: float) -> Drawn:
    """Write the faults' names at the moments of their injection."""
    labels = _fault_labels(shown, frame)
    parts = []
    for label in labels:
        tip = title(fault_words(shown.run, label.record))
        y = top + 12 + label.row * _LABEL_ROW
        parts.append(
            tag(
                "text", f"▾ {label.text}", tip, x=label.x - 4, y=y, class_="fault-name",
                display=None if label.fits else "none", data_name=str(label.row),
                data_length=stamp(label.length),
                **_window_of(frame, label.record),
            )
        )  # fmt: skip
    rows = max((label.row + 1 for label in labels if label.fits), default=0)
    nameless = sum(not label.fits for label in labels) + shown.crowded
    if nameless:
        words = f"{plural(nameless, 'more fault')}, without room for a name"
        y = top + 12 + rows * _LABEL_ROW
        parts.append(tag("text", words, x=frame.x.start, y=y, class_="soft nameless"))
        rows += 1
    return Drawn(tag("g", *parts), rows * _LABEL_ROW + 6 if rows else 0.0)


def violation_row(shown: Picture, frame: Frame, top: float) -> Drawn:
    """Keep a row for the violations, where there are any."""
    if not shown.violations:
        return Drawn(Markup(""), 0.0)
    words = tag("text", "violated", x=frame.x.start - 6, y=top + 12, text_anchor="end", class_="violated")
    return Drawn(words, _ROW + 4)


def violation_marks(shown: Picture, frame: Frame, top: float) -> Markup:
    """Draw a diamond at each violation that has a moment; it leads to the violation's story."""
    marks = []
    for violation in shown.violations:
        x, y = frame.at(violation.t_ns), top + 8
        diamond = f"M{x:.1f} {y - 6:.1f}l4.5 6l-4.5 6l-4.5-6z"
        at = stamp(frame.seconds(violation.t_ns))
        # Not by tabulator: the list below the picture has the same links, in words.
        marks.append(
            tag(
                "a", title(violation.words), tag("path", d=diamond, class_="violation"),
                href=f"#{violation.anchor}", tabindex="-1", data_t=at,
            )
        )  # fmt: skip
    return tag("g", *marks, class_="violations") if marks else Markup("")


def through_all(shown: Picture, frame: Frame, top: float, bottom: float) -> Markup:
    """Shade fault windows and draw phase bounds and violations behind every panel."""
    parts = [_crowd(shown, frame, bottom)]
    parts += [_window(shown, frame, label, bottom) for label in _fault_labels(shown, frame)]
    for _, start, _ in phase_spans(shown):
        x = frame.x(start)
        parts.append(tag("line", x1=x, x2=x, y1=2, y2=bottom, class_="bound", data_t=stamp(start)))
    for violation in shown.violations:
        x, at = frame.at(violation.t_ns), stamp(frame.seconds(violation.t_ns))
        parts.append(tag("line", x1=x, x2=x, y1=top, y2=bottom, class_="violation-line", data_t=at))
    return tag("g", *parts)


def _crowd(shown: Picture, frame: Frame, bottom: float) -> Markup:
    """Shade the times of the faults that have no window of their own."""
    tip = title(f"some of {plural(shown.crowded, 'more fault')}")
    return Markup("").join(
        tag(
            "rect", tip, x=frame.at(a), y=_ROW, width=max(1.0, frame.at(b) - frame.at(a)),
            height=bottom - _ROW, class_="window", data_t0=stamp(frame.seconds(a)),
            data_t1=stamp(frame.seconds(b)),
        )
        for a, b in shown.crowd
    )  # fmt: skip


def _window(shown: Picture, frame: Frame, label: _Label, bottom: float) -> Markup:
    record = label.record
    x0 = frame.at(record.injected_ns or 0)
    x1 = frame.x.end if record.over_ns is None else frame.at(record.over_ns)
    tip = title(fault_words(shown.run, record))
    window = _window_of(frame, record)
    shade = tag(
        "rect", tip, x=x0, y=_ROW, width=max(1.0, x1 - x0), height=bottom - _ROW, class_="window", **window
    )
    if not label.fits:  # A line for each of hundreds would be a wall.
        return shade
    name = _ROW + 14 + label.row * _LABEL_ROW
    return shade + tag("line", x1=x0, x2=x0, y1=name, y2=bottom, class_="inject", data_t=window["data_t0"])


def _window_of(frame: Frame, record: FaultRecord) -> dict[str, str]:
    """Return the bounds of a fault's window for the script."""
    over = frame.x.high if record.over_ns is None else frame.seconds(record.over_ns)
    return {"data_t0": stamp(frame.seconds(record.injected_ns or 0)), "data_t1": stamp(over)}
