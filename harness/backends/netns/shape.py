"""When a packet may go: delay, jitter and rate, for each link by itself. Pure; the time is given."""

import random
from collections import deque
from dataclasses import dataclass, field

# Packets of one way. A fault that narrows must not lose as well: `loss` does that. So many is also what
# Linux lets wait before a network device, and netem for a rate.
MOST_WAITING = 1000


@dataclass(kw_only=True, slots=True)
class _Way:
    """One direction of one link."""

    last: float = float("-inf")  # when the newest of all packets goes
    free_at: float = float("-inf")  # when all that came has passed the narrow place
    waiting: deque[float] = field(default_factory=deque)  # when each of those before it has passed


@dataclass(kw_only=True, slots=True)
class Shape:
    """Each way is slowed by `delay_s` ± `jitter_s`, and lets `bytes_per_s` pass (0: all).

    Packets of one way keep their order. What exceeds the rate waits; what comes while `MOST_WAITING` packets
    wait already is lost, as at a router.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: int = 0
    choice: random.Random = field(default_factory=random.Random)
    _ways: dict[object, _Way] = field(default_factory=dict)

    def release_at(self, way: object, size: int, now: float) -> float | None:
        """Return when a packet of so many bytes that comes now may go; `None`: it finds no room."""
        state = self._ways.setdefault(way, _Way())
        passed = self._passed(state, size, now) if self.bytes_per_s else now
        if passed is None:
            return None
        wait = max(0.0, self.delay_s + self.choice.uniform(-self.jitter_s, self.jitter_s))
        state.last = at = max(passed + wait, state.last)
        return at

    def _passed(self, way: _Way, size: int, now: float) -> float | None:
        while way.waiting and way.waiting[0] <= now:
            way.waiting.popleft()
        if len(way.waiting) >= MOST_WAITING:
            return None
        way.free_at = max(now, way.free_at) + size / self.bytes_per_s
        way.waiting.append(way.free_at)
        return way.free_at
