"""When a packet may go: delay, jitter and rate, for each link by itself. Pure; the time is given."""

import random
from dataclasses import dataclass, field

_WAITING_S = 1.0  # Of a rate's bytes.
_LEAST_WAITING = 30_000  # Bytes: twenty packets; connections begin with ten each.


@dataclass(kw_only=True, slots=True)
class Shape:
    """Each way is slowed by `delay_s` ± `jitter_s`, and lets `bytes_per_s` pass (0: all).

    Packets of one way keep their order. What exceeds the rate waits, for a second's worth of bytes;
    what finds no room there is lost, as at a router, and TCP slows down.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: int = 0
    choice: random.Random = field(default_factory=random.Random)
    _free_at: dict[object, float] = field(default_factory=dict)  # when a way has passed all that it has
    _last: dict[object, float] = field(default_factory=dict)

    def release_at(self, way: object, size: int, now: float) -> float | None:
        """Return when a packet of so many bytes that comes now may go; `None`: it finds no room."""
        passed = now
        if self.bytes_per_s:
            begins = max(now, self._free_at.get(way, now))
            room = max(_WAITING_S * self.bytes_per_s, _LEAST_WAITING)
            if (begins - now) * self.bytes_per_s + size > room:
                return None
            passed = self._free_at[way] = begins + size / self.bytes_per_s
        wait = max(0.0, self.delay_s + self.choice.uniform(-self.jitter_s, self.jitter_s))
        self._last[way] = at = max(passed + wait, self._last.get(way, now))
        return at
