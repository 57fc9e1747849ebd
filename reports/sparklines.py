"""A member's figures as small multiples: one little curve each, on the time axis of the big picture.

A curve has `POINTS` points at most: of the samples that fall on one, the highest, since a peak is what tells.
Where samples are missing (the member was down, or another incarnation began) the curve is interrupted. The
text beside it has the exact least, greatest and last value.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.records.metrics import NodeFigures, Sample
from reports import sentence
from reports.svg import Scale, rounded, tag, title

WIDTH, HEIGHT = 220.0, 52.0
POINTS = 200
GAP_NS = 2_600_000_000  # more than two samples apart


@dataclass(frozen=True, slots=True)
class Figure:
    """What is drawn of a sample: its value in the unit, `None` where there is none."""

    name: str
    unit: str
    value: Callable[[Sample], float | None]


def _of_node(value: Callable[[NodeFigures], float | None]) -> Callable[[Sample], float | None]:
    return lambda sample: None if sample.node is None else value(sample.node)


def _scaled(value: float | None, by: float) -> float | None:
    return None if value is None else value / by


FIGURES = (
    Figure("CPU", "cores", lambda sample: sample.cpu),
    Figure("Memory", "MB", lambda sample: _scaled(sample.memory, 1e6)),
    Figure("Connections", "", _of_node(lambda node: node.connections)),
    Figure("Tail lag", "entries", _of_node(lambda node: node.tail_lag)),
    Figure("Redis silent", "s", _of_node(lambda node: node.tail_silent_s)),
    Figure("Send buffers", "kB", _of_node(lambda node: _scaled(node.buffered_bytes, 1e3))),
    Figure("Commits waiting", "", _of_node(lambda node: node.commits_waiting)),
)

Point = tuple[int, float, bool]  # when, how much, and whether the curve begins anew here
Shade = tuple[int, int, str]  # from, to, and what it is


def points(samples: Sequence[Sample], figure: Figure) -> list[Point]:
    """Return the values of a figure in the order of time."""
    found: list[Point] = []
    before: Sample | None = None
    for sample in samples:
        value = figure.value(sample)
        if value is None:
            continue
        anew = before is None or sample.t_ns - before.t_ns > GAP_NS or sample.identity != before.identity
        found.append((sample.t_ns, value, anew))
        before = sample
    return found


def thinned(found: Sequence[Point]) -> list[Point]:
    """Return at most about `POINTS` points: of neighbours the highest, never over an interruption."""
    each = -(-len(found) // POINTS) or 1
    few: list[Point] = []
    group: list[Point] = []
    for point in found:
        if group and (point[2] or len(group) == each):
            few.append(_highest(group))
            group = []
        group.append(point)
    return [*few, _highest(group)] if group else few


def _highest(group: Sequence[Point]) -> Point:
    t_ns, value, _ = max(group, key=lambda point: point[1])
    return t_ns, value, group[0][2]


def draw(
    name: str, found: Sequence[Point], *, start_ns: int, end_ns: int, most: float, shades: Iterable[Shade]
) -> Markup:
    """Return the curve; `most` is the top of the axis, which all members share."""
    x = Scale(start_ns, end_ns, 0.0, WIDTH)
    y = Scale(0.0, most or 1.0, HEIGHT - 2, 3.0)
    few = thinned(found)
    path = "".join(f"{'M' if anew else 'L'}{rounded(x(t))} {rounded(y(v))}" for t, v, anew in few)
    alone = [
        p for p, after in zip(few, [*few[1:], None], strict=True) if p[2] and (after is None or after[2])
    ]
    return tag(
        "svg",
        title(name),
        *(
            tag("rect", x=x(a), y=0.0, width=max(1.0, x(b) - x(a)), height=HEIGHT, class_="shade")
            for a, b, _ in shades
        ),
        tag("line", x1=0.0, x2=WIDTH, y1=HEIGHT - 2, y2=HEIGHT - 2, class_="ground"),
        tag("path", d=path, class_="curve"),
        *(tag("circle", cx=x(t), cy=y(v), r=1.5, class_="dot") for t, v, _ in alone),
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        class_="spark",
        role="img",
        preserveAspectRatio="none",
    )


def words(found: Sequence[Point], unit: str) -> str:
    """Return the exact least, greatest and last value: "0.02 to 0.91, last 0.08 cores"."""
    values = [value for _, value, _ in found]
    least, greatest, last = (number(value) for value in (min(values), max(values), values[-1]))
    return f"{least} to {greatest}, last {last} {unit}".rstrip()


def number(value: float) -> str:
    """Return a value with as many places as tell something."""
    return sentence.number(round(value, 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1))
