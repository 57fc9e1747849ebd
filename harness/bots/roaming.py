"""When a bot that roams leaves its room, and when it comes back. Pure: time is passed in.

It leaves after about `every_s` in the room, is away for about a second, and returns. A lost connection brings
it back as well: it joins everything again, and the time in the room begins anew.
"""

import random
from enum import Enum, auto

from harness import clock

AWAY_S = 1.0
RETRY_S = 0.1  # after a moment in which it could not leave, for a message of its own was under way


class Step(Enum):
    """What is due."""

    LEAVE = auto()
    RETURN = auto()


class Roaming:
    """One bot's coming and going. `next_ns` is when something is due, `None` for a bot that stays."""

    def __init__(self, seed: int, every_s: float | None) -> None:
        self.next_ns: int | None = None
        self._every_s = every_s
        self._draw = random.Random(f"{seed}:roaming")
        self._is_away = False

    def begin(self, now_ns: int) -> None:
        """The bot is in its room, or on its way there."""
        self._is_away = False
        if self._every_s is not None:
            self.next_ns = now_ns + self._about(self._every_s)

    def left(self, now_ns: int) -> None:
        """The bot is leaving."""
        self._is_away = True
        self.next_ns = now_ns + self._about(AWAY_S)

    def later(self, now_ns: int) -> None:
        """It could not leave at this moment."""
        self.next_ns = now_ns + int(RETRY_S * clock.NS)

    def due(self, now_ns: int, *, may_leave: bool) -> Step | None:
        """Return what is to be done now. When nobody may leave any more, who is away returns."""
        if self._is_away:
            return Step.RETURN if not may_leave or now_ns >= (self.next_ns or 0) else None
        if not may_leave:
            self.next_ns = None
        return Step.LEAVE if self.next_ns is not None and now_ns >= self.next_ns else None

    def _about(self, seconds: float) -> int:
        return int(seconds * self._draw.uniform(0.5, 1.5) * clock.NS)
