"""Pings for all connections from one greenlet, and an end for those that do not answer.

Engine.IO lets the server ping: `interval_s` after the connection's beginning, and again so long after each
answer. Who has said nothing at all for `timeout_s` since is gone. A pong is not waited for: on a thin link it
comes late, since the ping waits behind what is on its way, and who says anything else meanwhile is there.
Each wait has one length for all connections, so each is a queue whose next is always its first, and looking
after 5,000 idle connections costs what is due and no more. A connection that was told goodbye gets
`linger_s` to take it, then it is ended; one that has not said who it is after `greeting_s` is ended, too.
"""

import time
from collections import deque
from typing import Any, Protocol

import gevent

ROUND_S = 0.1
STALL_S = 0.5  # so late, something has kept the whole process from running
GRACE_S = 1.0  # after a stall: answers that came meanwhile are read first


class Kept(Protocol):
    """A connection that is kept alive."""

    @property
    def closed(self) -> bool:
        """Whether it is over: then nobody asks it anything."""

    def ping(self) -> None:
        """Send a ping."""

    def silent(self) -> None:
        """It did not answer its ping in time."""

    def linger_over(self) -> None:
        """It had time enough to take the goodbye."""

    def greeting_over(self) -> None:
        """It had time enough to say who it is."""


class Keepalive:
    """See the module's docstring. Times are in seconds; methods do not switch greenlets."""

    def __init__(self, *, interval_s: float, timeout_s: float, linger_s: float, greeting_s: float) -> None:
        self._interval_s, self._timeout_s = interval_s, timeout_s
        self._linger_s, self._greeting_s = linger_s, greeting_s
        self._greeting: deque[tuple[float, Kept]] = deque()
        self._due: deque[tuple[float, Kept]] = deque()
        self._asked: deque[tuple[float, Kept]] = deque()
        self._lingering: deque[tuple[float, Kept]] = deque()
        self._patient_until_s = 0.0
        self._unanswered: dict[Kept, float] = {}  # who was asked -> until when it may answer

    def start(self) -> "gevent.Greenlet[..., Any]":
        """Start the greenlet; it ends only by a bug."""
        return gevent.spawn(self._run)

    def begin(self, kept: Kept) -> None:
        """A connection has begun, or has answered: it is pinged after the interval."""
        self._due.append((time.monotonic() + self._interval_s, kept))

    def greet(self, kept: Kept) -> None:
        """A connection has begun, and nobody knows yet whose it is."""
        self._greeting.append((time.monotonic() + self._greeting_s, kept))

    def answered(self, kept: Kept) -> None:
        """It said something: a pong, or anything else. What nobody asked for means nothing."""
        if self._unanswered.pop(kept, None) is not None:
            self.begin(kept)

    def linger(self, kept: Kept) -> None:
        """The connection was told goodbye."""
        self._lingering.append((time.monotonic() + self._linger_s, kept))

    def forget(self, kept: Kept) -> None:
        """The connection is over."""
        self._unanswered.pop(kept, None)

    def stalled(self, now_s: float) -> None:
        """This process itself was stopped for a while: nobody is called silent for a moment."""
        self._patient_until_s = now_s + GRACE_S

    def round(self, now_s: float) -> None:
        """Do what is due by now."""
        for kept in _taken(self._due, now_s):
            if not kept.closed:
                until_s = self._unanswered[kept] = now_s + self._timeout_s
                self._asked.append((until_s, kept))
                kept.ping()
        while self._asked and self._asked[0][0] <= now_s and now_s >= self._patient_until_s:
            until_s, kept = self._asked.popleft()
            if self._unanswered.get(kept) == until_s:
                del self._unanswered[kept]
                kept.silent()
        for kept in _taken(self._lingering, now_s):
            kept.linger_over()
        for kept in _taken(self._greeting, now_s):
            if not kept.closed:
                kept.greeting_over()

    def _run(self) -> None:
        before_s = time.monotonic()
        while True:
            gevent.sleep(ROUND_S)  # Fine enough for waits of seconds.
            now_s = time.monotonic()
            if now_s - before_s > STALL_S:
                self.stalled(now_s)
            self.round(now_s)
            before_s = now_s


def _taken(waits: deque[tuple[float, Kept]], now_s: float) -> list[Kept]:
    taken = []
    while waits and waits[0][0] <= now_s:
        taken.append(waits.popleft()[1])
    return taken
