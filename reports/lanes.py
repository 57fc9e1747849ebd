"""The lanes of the picture: what each member was doing, as which process or container."""

from collections.abc import Sequence

from markupsafe import Markup

from reports.panels import CHARACTER, Drawn, Frame, stamp
from reports.spans import StateSpan
from reports.svg import tag, title
from reports.text import clipped

BAR = 9.0
_ROW = 25.0
_WORDLESS = ("ready",)  # What is usual needs no word.
_NAME = 100  # characters of a member's name, of an identity, and of what was done to it


def lane(frame: Frame, top: float, number: int, member: str, spans: Sequence[StateSpan]) -> Drawn:
    """Draw one member: its states as a bar, and their names above it where there is room."""
    y = top + _ROW - BAR - 1
    label = tag(
        "text", clipped(member, _NAME), x=frame.x.start - 6, y=y + BAR - 1, text_anchor="end", class_="member"
    )
    states = Markup("").join(_state(frame, y, member, span) for span in spans)
    return Drawn(tag("g", label, states, class_="lane", data_lane=str(number), data_top=stamp(top)), _ROW)


def _state(frame: Frame, y: float, member: str, span: StateSpan) -> Markup:
    t0, t1 = (stamp(frame.seconds(t_ns)) for t_ns in (span.start_ns, span.end_ns))
    x0, x1 = frame.at(span.start_ns), frame.at(span.end_ns)
    if x1 <= x0:
        return Markup("")  # Before or after all that is drawn.
    tip = title(f"{clipped(member, _NAME)}: {state_words(frame, span)}")
    kind = f"state {span.state}"
    bar = tag("rect", tip, x=x0, y=y, width=x1 - x0, height=BAR, class_=kind, data_t0=t0, data_t1=t1)
    if span.state in _WORDLESS:
        return bar
    length = len(span.words) * CHARACTER * 0.9
    unfit = None if x1 - x0 >= length else "none"
    return bar + tag(
        "text", span.words, x=x0, y=y - 3, display=unfit, data_t0=t0, data_t1=t1, data_length=stamp(length),
        class_=f"word {span.state}",
    )  # fmt: skip


def state_words(frame: Frame, span: StateSpan) -> str:
    """Say what a span is: "down, 11.100 s to 16.000 s", who it was, and what was done to it."""
    lines = [f"{span.words}, {frame.when(span.start_ns)} to {frame.when(span.end_ns)}"]
    return "\n".join([*lines, *(clipped(part, _NAME) for part in (span.identity, span.note) if part)])


def hatches(prefix: str) -> Markup:
    """Return the patterns that tell states apart without colour; the style sheet fills with them."""
    lines = {
        "starting": "M-1 5L5 -1M3 9L9 3",
        "not-ready": "M2 0V8M6 0V8",
        "paused": "M0 2H8M0 6H8",
        "cut-off": "M0 0L8 8M8 0L0 8",
        "draining": "M-1 3L5 9M3 -1L9 5",
    }
    return tag(
        "defs",
        *(
            tag("pattern", tag("path", d=data, class_=f"hatch {state}"), id=f"{prefix}-{state}",
                width=8, height=8, patternUnits="userSpaceOnUse")
            for state, data in lines.items()
        ),
    )  # fmt: skip
