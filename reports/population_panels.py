"""Panels of populations: how many bots are connected to which node, and how many are on their way back."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from markupsafe import Markup

from reports.panels import GAP, Drawn, Frame, Key, from_zero, heading, panel, stamp, value_axis
from reports.populations import Populations
from reports.svg import step_area, step_band, step_line, tag, title


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
