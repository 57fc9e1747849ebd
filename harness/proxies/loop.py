"""The event loop of the proxies: sockets that are ready, and moments that have come. One thread, no more."""

import heapq
import itertools
import selectors
from collections.abc import Callable
from typing import Protocol

from harness.clock import left_s, now_ns

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

Ready = Callable[[int], None]  # gets what a socket is ready for: READ, WRITE or both


class HasFileno(Protocol):
    """A socket, a listener, a pipe."""

    def fileno(self) -> int:
        """Return its descriptor."""


class Loop:
    """Calls back until it is stopped. What a callback raises ends the loop: there is nobody to mend it."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._moments: list[tuple[int, int, Callable[[], None]]] = []
        self._count = (
            itertools.count()
        )  # moments that are equal come in the order in which they were asked for
        self._stopped = False

    def watch(self, socket: HasFileno, before: int, events: int, ready: Ready) -> None:
        """Change what the socket is watched for, from `before` to `events`; 0 is nothing."""
        if before == events:
            return
        if not events:
            self._selector.unregister(socket)
        elif before:
            self._selector.modify(socket, events, ready)
        else:
            self._selector.register(socket, events, ready)

    def at(self, moment_ns: int, call: Callable[[], None]) -> None:
        """Call once when the monotonic clock has reached the moment."""
        heapq.heappush(self._moments, (moment_ns, next(self._count), call))

    def stop(self) -> None:
        """Let `run` return after what is under way."""
        self._stopped = True

    def run(self) -> None:
        """Serve until somebody stops it."""
        while not self._stopped:
            for key, events in self._selector.select(self._patience_s()):
                key.data(events)
            self._call_due()

    def close(self) -> None:
        """Give the kernel back what it watched with."""
        self._selector.close()

    def _patience_s(self) -> float | None:
        return left_s(self._moments[0][0]) if self._moments else None

    def _call_due(self) -> None:
        now = now_ns()
        while self._moments and self._moments[0][0] <= now:
            heapq.heappop(self._moments)[2]()
