"""How many were back after how long: the distribution of one group's ways back, as a curve that rises."""

from markupsafe import Markup

from reports.reconnections import Group
from reports.sentence import milliseconds, seconds
from reports.svg import Scale, tag, ticks, title

WIDTH, HEIGHT = 420.0, 168.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 14.0, 12.0, 30.0
_STEPS = 400  # of the curve; more samples than that are drawn at every so-manieth
_AT_LEAST = 2  # samples: of one there is no distribution


def drawn(group: Group, limit_ms: float) -> Markup | None:
    """Return the curve, with the deadline where it lies near; `None` where there is nothing to draw."""
    lengths, count = group.lengths_ms, len(group.ways)
    if len(lengths) < _AT_LEAST:
        return None
    longest = lengths[-1]
    near = limit_ms <= 2.5 * longest
    x = Scale(0.0, max(longest, limit_ms if near else 0.0) * 1.04 or 1.0, _LEFT, WIDTH - _RIGHT)
    y = Scale(0.0, 1.0, HEIGHT - _BOTTOM, _TOP)
    return tag(
        "svg",
        title("How many were back after how long"),
        tag("desc", _in_words(group)),
        *_grid(x, y),
        *((_deadline(x(limit_ms), limit_ms),) if near else ()),
        tag("path", d=_path(lengths, count, x, y), class_="curve"),
        class_="return-curve",
        role="img",
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        width=WIDTH,
        height=HEIGHT,
    )


def _path(lengths: tuple[float, ...], count: int, x: Scale, y: Scale) -> str:
    every = max(1, len(lengths) // _STEPS)
    steps = [(length, rank) for rank, length in enumerate(lengths, 1) if rank % every == 0]
    if steps[-1][1] != len(lengths):
        steps.append((lengths[-1], len(lengths)))
    path = "".join(f"H{x(length):.1f}V{y(rank / count):.1f}" for length, rank in steps)
    return f"M{x(0):.1f} {y(0):.1f}{path}H{x.end:.1f}"


def _grid(x: Scale, y: Scale) -> list[Markup]:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(tag("line", x1=x.start, x2=x.end, y1=y(share), y2=y(share), class_="hair"))
        label = f"{share:.0%}".replace("%", " %")
        parts.append(tag("text", label, x=x.start - 7, y=y(share) + 4, text_anchor="end"))
    for tick in ticks(0.0, x.high, 5):
        label = "0" if tick == 0 else milliseconds(tick)
        parts.append(tag("text", label, x=x(tick), y=HEIGHT - 10, text_anchor="middle"))
    return parts


def _deadline(x: float, limit_ms: float) -> Markup:
    side = "end" if x > WIDTH / 2 else "start"
    at = x - 5 if side == "end" else x + 5
    return tag(
        "g",
        tag("line", x1=x, x2=x, y1=_TOP, y2=HEIGHT - _BOTTOM),
        tag("text", f"deadline {seconds(limit_ms / 1000)}", x=at, y=HEIGHT - _BOTTOM - 7, text_anchor=side),
        class_="deadline",
    )


def _in_words(group: Group) -> str:
    said = ", ".join(f"{name} {milliseconds(value)}" for name, value in group.quantiles)
    return f"{len(group.lengths_ms)} of {len(group.ways)} were back: {said}."
