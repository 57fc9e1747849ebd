"""The few pieces of SVG that the picture is made of: elements, scales, ticks, step paths.

Pixels are the units of the view box. Every string that goes into an element is escaped here, once.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape

from reports.text import visible


def tag(name: str, *children: str | Markup, **attributes: str | float | None) -> Markup:
    """Return an element. `class_` and `stroke_width` name `class` and `stroke-width`; `None` leaves out.

    Children that are not markup yet are text, and are escaped like the attributes.
    """
    names = Markup("").join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    inner = Markup("").join(_text(child) for child in children)
    return (
        Markup("<{0}{1}>{2}</{0}>").format(name, names, inner)
        if inner
        else Markup("<{}{}/>").format(name, names)
    )


def _attribute(key: str, value: str | float) -> Markup:
    text = value if isinstance(value, str) else rounded(value)
    return Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _text(text))


def _text(child: str | Markup) -> Markup:
    return child if isinstance(child, Markup) else escape(visible(child))


def rounded(value: float) -> str:
    """Return a coordinate with a tenth of a pixel, without idle zeros."""
    return f"{value:.1f}".removesuffix(".0")


def title(text: str) -> Markup:
    """Return the tool tip of the element that it is a child of."""
    return tag("title", text)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps `[low, high]` onto pixels `[start, end]`; with `log`, by the logarithm (all values > 0)."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a value; values outside stay at the edge."""
        return self.start + (self.end - self.start) * min(1.0, max(0.0, self._share(value)))

    def _share(self, value: float) -> float:
        if self.log:
            value, low, high = math.log10(max(value, self.low)), math.log10(self.low), math.log10(self.high)
        else:
            low, high = self.low, self.high
        return (value - low) / (high - low) if high > low else 0.0


VALUES = (1.0, 2.0, 2.5, 5.0, 10.0)  # round steps of values
TIMES = (1.0, 2.0, 5.0, 10.0)  # and of seconds


def nice_step(length: float, most: int, factors: tuple[float, ...] = VALUES) -> float:
    """Return the least round step that divides a length into `most` parts at most."""
    raw = max(length, 1e-9) / max(1, most)
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in factors if factor * power >= raw * (1 - 1e-9))


def ticks(low: float, high: float, most: int, factors: tuple[float, ...] = VALUES) -> list[float]:
    """Return round values within `[low, high]`, at most `most` + 1 of them."""
    step = nice_step(high - low, most, factors)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 9) for i in range(first, last + 1)]


def decades(low: float, high: float) -> tuple[float, float]:
    """Return the powers of ten around `[low, high]`, a whole decade apart at least."""
    bottom, top = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return 10.0**bottom, 10.0 ** max(top, bottom + 1)


Segment = tuple[float, float, float | None]  # from x, to x, at y; `None`: nothing there


def step_line(segments: Iterable[Segment]) -> str:
    """Return path data that runs level through each segment and upright between neighbours."""
    parts: list[str] = []
    broken = True
    for x0, x1, y in segments:
        if y is None:
            broken = True
            continue
        parts.append(f"M{rounded(x0)} {rounded(y)}" if broken else f"V{rounded(y)}")
        parts.append(f"H{rounded(x1)}")
        broken = False
    return "".join(parts)


def step_area(segments: Iterable[Segment], base: float) -> str:
    """Return path data of the area between the step line and the base line."""
    known = [(x0, x1, base if y is None else y) for x0, x1, y in segments]
    if not known:
        return ""
    start = known[0][0]
    return f"{step_line([(start, start, base), *known])}V{rounded(base)}Z"


def step_band(lower: Iterable[Segment], upper: Iterable[Segment]) -> str:
    """Return path data of boxes between two step lines, where both are known and apart."""
    return "".join(
        f"M{rounded(x0)} {rounded(low)}H{rounded(x1)}V{rounded(high)}H{rounded(x0)}Z"
        for (x0, x1, low), (_, _, high) in zip(lower, upper, strict=True)
        if low is not None and high is not None and low != high
    )
