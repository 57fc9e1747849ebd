"""How late the bots' event loop is: the proof that the generator was, or was not, the bottleneck."""

import math


class Lag:
    """Collects samples of lateness in milliseconds."""

    def __init__(self) -> None:
        self._samples: list[float] = []
        self._newest = 0.0

    def add(self, late_ms: float) -> None:
        """Take one sample."""
        self._samples.append(late_ms)
        self._newest = max(self._newest, late_ms)

    def take_newest(self) -> float:
        """Return the worst since the last call."""
        newest, self._newest = self._newest, 0.0
        return newest

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(self._samples)

    @property
    def max_ms(self) -> float:
        """The worst of all; 0 without samples."""
        return max(self._samples, default=0.0)

    @property
    def p99_ms(self) -> float:
        """The 99th percentile (nearest rank); below 100 samples that is the worst."""
        if not self._samples:
            return 0.0
        return sorted(self._samples)[math.ceil(0.99 * len(self._samples)) - 1]
