"""How often somebody may do something: a token bucket."""


class TokenBucket:
    """Lets `rate` things a second happen, and up to `burst` at once after a quiet time.

    The bucket fills by the clock that its caller passes in (monotonic seconds); it has no timer.
    """

    __slots__ = ("_at_s", "_burst", "_rate", "_tokens")

    def __init__(self, *, rate: float, burst: float, now_s: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at_s = now_s

    def take(self, now_s: float) -> float:
        """Take a token and return 0; where there is none, return in how many seconds there will be."""
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._rate)
        self._at_s = now_s
        if self._tokens < 1:
            return (1 - self._tokens) / self._rate
        self._tokens -= 1
        return 0.0
