"""When faults happen, as a scenario tells before it runs: exactly for `at`, at the earliest for `after`.

Both the checks of sense and the plan reckon with it. Seconds from the start of the chaos phase.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.scenario.keys import After, Repeat

# What `mode: each` is reckoned to need for a member beside what the scenario says: being started again.
TURN_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """The times of one fault of a scenario, all of its repetitions.

    `length` is how long one inject holds a target (infinite: for good); `end` is when the last is over;
    `waits_for` are the faults after whose heal it begins, directly or not.
    """

    starts: tuple[float, ...]
    length: float
    end: float
    waits_for: frozenset[str] = frozenset()

    @property
    def windows(self) -> tuple[tuple[float, float], ...]:
        """From when to when it holds its targets, for each time that it comes."""
        *early, last = self.starts
        return (*((start, rounded(start + self.length)) for start in early), (last, self.end))

    def meets(self, other: "Timing") -> bool:
        """Whether a window of one overlaps a window of the other (closed intervals)."""
        return any(
            begin <= other_end and other_begin <= end
            for begin, end in self.windows
            for other_begin, other_end in other.windows
        )

    @classmethod
    def of(
        cls,
        *,
        at: float | None,
        after: After | None,
        repeat: Repeat | None,
        each: int,
        length: float | None,
        known: Mapping[str, "Timing"],
    ) -> "Timing | None":
        """Reckon the times; `None` where what it depends on is not known. `known` are faults by their ids."""
        first, waits_for = at, frozenset[str]()
        if after is not None:
            first, waits_for = _first(after, known)
        if first is None or (at is not None and after is not None):
            return None
        holds = math.inf if length is None else length
        starts = tuple(_starts(first, repeat))
        turns = (each - 1) * (holds + TURN_S) if each > 1 else 0.0
        latest = starts[-1] + (repeat.jitter if repeat is not None else 0.0)
        return cls(
            starts=starts,
            length=rounded(holds + turns),
            end=rounded(latest + holds + turns),
            waits_for=waits_for,
        )


def _first(after: After, known: Mapping[str, Timing]) -> tuple[float | None, frozenset[str]]:
    other = known.get(after.id)
    if other is None:
        return None, frozenset()
    if after.event == "injected":
        return rounded(other.starts[0] + after.delay), other.waits_for
    if other.end == math.inf:
        return None, frozenset()
    return rounded(other.end + after.delay), other.waits_for | {after.id}


def _starts(first: float, repeat: Repeat | None) -> Iterator[float]:
    for turn in range(repeat.times if repeat is not None else 1):
        yield rounded(first + turn * (repeat.every if repeat is not None else 0.0))


def rounded(seconds: float) -> float:
    """Drop what floating-point sums leave behind: 0.1 + 0.2 is 0.3 s."""
    return round(seconds, 6) if math.isfinite(seconds) else seconds
