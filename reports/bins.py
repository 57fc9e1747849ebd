"""Time cut into equal intervals: a coarse cut for the whole run, and finer ones to zoom into.

How many there are depends on nothing but the length of the run: a report of millions of events is no larger
than one of thousands.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

MOST_BINS = 80
_MOST_FINER = (320, 1280, 4000)  # bins of the cuts that the picture can be zoomed into
_FINEST_S = 0.01
_WIDTHS_S = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bins:
    """Equal intervals `[start + i·width, start + (i+1)·width)`."""

    start_ns: int
    width_ns: int
    count: int

    @classmethod
    def between(cls, start_ns: int, end_ns: int) -> "Bins":
        """Choose the finest sensible width that needs at most MOST_BINS bins."""
        return cls._fewest(start_ns, end_ns, MOST_BINS, _WIDTHS_S)

    @classmethod
    def _fewest(cls, start_ns: int, end_ns: int, most: int, widths_s: tuple[float, ...]) -> "Bins":
        length = max(1, end_ns - start_ns)
        widths = [round(width * 1e9) for width in widths_s]
        width = next((w for w in widths if math.ceil(length / w) <= most), math.ceil(length / most))
        return cls(start_ns=start_ns, width_ns=width, count=math.ceil(length / width))

    def finer(self) -> tuple["Bins", ...]:
        """Return ever finer cuts of the same time; none that is finer than ten milliseconds."""
        cuts: list[Bins] = []
        widest = self.width_ns
        for most in _MOST_FINER:
            cut = self._fewest(self.start_ns, self.end_ns, most, (_FINEST_S, 0.025, *_WIDTHS_S))
            if cut.width_ns < widest:
                cuts.append(cut)
                widest = cut.width_ns
        return tuple(cuts)

    @property
    def end_ns(self) -> int:
        """The end of the last bin."""
        return self.start_ns + self.count * self.width_ns

    @property
    def width_s(self) -> float:
        """The width in seconds."""
        return self.width_ns / 1e9

    def indices(self, t_ns: Ints) -> Ints:
        """Return the bins of many moments, -1 outside."""
        found = (t_ns - self.start_ns) // self.width_ns
        return np.where((found >= 0) & (found < self.count), found, -1)

    def counts(self, t_ns: Ints) -> Ints:
        """Return how many of the moments are in each bin."""
        found = self.indices(t_ns)
        return np.bincount(found[found >= 0], minlength=self.count)
