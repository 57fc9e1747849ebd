"""A member's figures as small multiples: one little curve each, on the time axis of the big picture.

A curve has `POINTS` points at most: of the samples that fall on one, the highest, since a peak is what tells.
Where samples are missing (the member was down, or another incarnation began) the curve is interrupted. The
text beside it has the exact least, greatest and last value. The times of faults are the same in all of them:
`shades` draws them once for the whole page, and every curve uses that.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.records.metrics import NodeFigures, Sample
from reports import sentence
from reports.shades import Stretch
from reports.svg import Scale, rounded, tag, title

WIDTH, HEIGHT = 220.0, 52.0
POINTS = 200
SHADES = 110  # at most, each two pixels from the next
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
_SHADES_ID = "fault-times"


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
    """Return at most `POINTS` points: of neighbours the highest; it begins anew where one of them does."""
    each = -(-len(found) // POINTS) or 1
    return [_highest(found[start : start + each]) for start in range(0, len(found), each)]


def _highest(group: Sequence[Point]) -> Point:
    t_ns, value, _ = max(group, key=lambda point: point[1])
    return t_ns, value, any(point[2] for point in group)


def shades(times: Iterable[Stretch], *, start_ns: int, end_ns: int) -> Markup:
    """Return the element that all curves of a page use: the times of faults, once."""
    x = Scale(start_ns, end_ns, 0.0, WIDTH)
    boxes = (
        f"M{rounded(x(a))} 0H{rounded(max(x(b), x(a) + 1))}V{HEIGHT:g}H{rounded(x(a))}Z" for a, b in times
    )
    path = tag("path", d="".join(boxes), id=_SHADES_ID)
    return tag("svg", tag("defs", path), class_="shades", aria_hidden="true", width=0, height=0)


def draw(name: str, found: Sequence[Point], *, start_ns: int, end_ns: int, most: float) -> Markup:
    """Return the curve; `most` is the top of the axis, which all members share."""
    x = Scale(start_ns, end_ns, 0.0, WIDTH)
    y = Scale(0.0, most or 1.0, HEIGHT - 2, 3.0)
    few = thinned(found)
    path = "".join(f"{'M' if anew else 'L'}{rounded(x(t))} {rounded(y(v))}" for t, v, anew in few)
    alone = [
        p for p, after in zip(few, [*few[1:], None], strict=True) if p[2] and (after is None or after[2])
    ]
    dots = "".join(f"M{rounded(x(t))} {rounded(y(v))}h0" for t, v, _ in alone)  # round caps make them dots
    return tag(
        "svg",
        title(name),
        tag("use", href=f"#{_SHADES_ID}", class_="shade"),
        tag("line", x1=0.0, x2=WIDTH, y1=HEIGHT - 2, y2=HEIGHT - 2, class_="ground"),
        tag("path", d=path, class_="curve"),
        *((tag("path", d=dots, class_="dots"),) if dots else ()),
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
