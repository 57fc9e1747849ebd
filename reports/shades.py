"""The times of faults, as drawings shade them where there is no room for a window each.

A scenario can repeat a fault a thousand times. What is closer together than a drawing can show is one
stretch, so the number of stretches follows the width of the drawing, and not the number of faults.
"""

from collections.abc import Iterable
from typing import NamedTuple

from reports.spans import FaultRecord


class Stretch(NamedTuple):
    """A time in which one or more faults last, in monotonic nanoseconds."""

    start_ns: int
    end_ns: int


def stretches(faults: Iterable[FaultRecord], *, start_ns: int, end_ns: int, most: int) -> tuple[Stretch, ...]:
    """Return when any of the faults lasts, between two moments; those within a `most`-th of it are one."""
    least = (end_ns - start_ns) // most
    found: list[Stretch] = []
    for begins, ends in sorted(_windows(faults, start_ns, end_ns)):
        if found and begins - found[-1].end_ns <= least:
            found[-1] = Stretch(found[-1].start_ns, max(found[-1].end_ns, ends))
        else:
            found.append(Stretch(begins, ends))
    return tuple(found)


def _windows(faults: Iterable[FaultRecord], start_ns: int, end_ns: int) -> Iterable[tuple[int, int]]:
    for fault in faults:
        if fault.injected_ns is not None:
            over_ns = end_ns if fault.over_ns is None else fault.over_ns
            begins, ends = (min(end_ns, max(start_ns, t_ns)) for t_ns in (fault.injected_ns, over_ns))
            yield begins, max(begins, ends)
