"""One monotonic clock for a machine: every process of a run stamps with it.

`CLOCK_MONOTONIC` is the same for all processes of one machine, so stamps of runner, bots and fault
executor can be compared; between machines they cannot, and nothing in the judge tries.
"""

import time
from datetime import UTC, datetime

NS = 1_000_000_000


def now_ns() -> int:
    """Return the machine's monotonic time in nanoseconds."""
    return time.monotonic_ns()


def utc_now() -> datetime:
    """Return the wall clock in UTC: for people, never for order."""
    return datetime.now(UTC)


def deadline_ns(seconds: float) -> int:
    """Return the monotonic stamp that lies `seconds` ahead."""
    return now_ns() + int(seconds * NS)


def left_s(deadline: int) -> float:
    """Return the seconds that are left until a monotonic stamp, never below zero."""
    return max(0.0, (deadline - now_ns()) / NS)
