"""One direction of a connection: bytes, and then the end, from one socket to the other through a pipe.

What comes is passed on at once where nothing is wrong and the sink takes it. Otherwise it waits in a queue
with the time at which it is due; order is kept whatever the delays are. A source is not read

- while the queue is full: TCP itself then slows whoever sends;
- while the pipe is cut: bytes, a FIN and a RST wait in the kernel, and nobody is told of an end.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from harness.clock import now_ns
from harness.proxies.loop import READ, WRITE, Loop
from harness.proxies.pipes import Pipe
from harness.proxies.sides import Side

# What passes while the other direction is cut, and with it the acknowledgements: about TCP's first window.
UNANSWERED_MOST = 64 * 1024


class Ending(Enum):
    """How a source ended."""

    FIN = auto()
    RST = auto()


@dataclass(kw_only=True, slots=True, eq=False)
class _Item:
    due_ns: int
    data: memoryview
    ending: Ending | None = None


class Ends(Protocol):
    """Whose flows these are."""

    def lost(self, side: Side) -> None:
        """The side was reset, or is gone."""

    def end(self, sink: Side, ending: Ending) -> None:
        """All that was said before has been passed on: let the sink see the end."""


class Flow:
    """Passes on what `source` says to `sink`. `finished`: the end was passed on, too."""

    __slots__ = (
        "_back",
        "_ending",
        "_ends",
        "_held",
        "_loop",
        "_pipe",
        "_queue",
        "_rules",
        "_timer_ns",
        "_unanswered",
        "finished",
        "sink",
        "source",
    )

    def __init__(self, loop: Loop, pipe: Pipe, back: Pipe, source: Side, sink: Side, ends: Ends) -> None:
        """Prepare; `back` is the pipe of the other direction."""
        self._loop, self._pipe, self._back = loop, pipe, back
        self.source, self.sink = source, sink
        self._ends = ends
        self._rules = pipe.rules  # that what waits was given its times by
        self._queue: deque[_Item] = deque()
        self._held = 0
        self._ending: Ending | None = None
        self._timer_ns = 0  # the moment that was asked for; 0: none
        self._unanswered = 0
        self.finished = False

    @property
    def stalled(self) -> bool:
        """Whether nothing passes: it is cut, or so is its other direction for too many bytes already."""
        return self._pipe.cut or (self._back.cut and self._unanswered >= UNANSWERED_MOST)

    @property
    def waiting(self) -> int:
        """How many bytes wait here and in the kernel before it."""
        return self._held + self.source.waiting()

    def readable(self) -> None:
        """Read once from the source."""
        try:
            data = self.source.socket.recv(self._pipe.piece)
        except BlockingIOError:
            return
        except OSError:
            self._ends.lost(self.source)
            return
        if not data:
            self.end(Ending.FIN)
        elif self._pipe.rules or self._back.cut or self._queue:
            self._keep(memoryview(data))
        else:
            self._pass_on(data)

    def end(self, ending: Ending) -> None:
        """The source has ended: let the sink see the same, after what was said before."""
        if self._ending is not Ending.RST:
            self._ending = ending
            self.finished = False  # Who has said FIN can still be reset.
            self._append(_Item(due_ns=self._due_ns(0), data=memoryview(b""), ending=ending))

    def abandon(self) -> None:
        """The sink has gone: nothing can be passed on any more."""
        self._queue.clear()
        self._held = 0
        self.finished = True
        self.source.want(READ, wanted=False)

    def refresh(self) -> None:
        """Rules have changed; where they are those of this pipe, what waits is given its time anew."""
        if not self._back.cut:
            self._unanswered = 0
        if self._rules is not self._pipe.rules:
            self._rules = self._pipe.rules
            self._give_times()
        self.writable()

    def writable(self) -> None:
        """Pass on what is due, as far as the sink takes it."""
        if self.finished:
            return
        now = now_ns()
        taken = True
        while taken and self._queue and self._queue[0].due_ns <= now and not self.stalled:
            taken = self._deliver_first()
        if self.finished:
            return
        if self._queue and self._queue[-1].ending is Ending.RST and self._is_due(self._queue[-1], now):
            self._deliver_end(
                Ending.RST
            )  # Whoever is reset hears it, whether it reads what came before or not.
            return
        self.sink.want(WRITE, not taken and not self.stalled)
        self.source.want(READ, self._reads)
        self._wait_for_due(now)

    @property
    def _reads(self) -> bool:
        return self._ending is None and not self.stalled and self._held < self._pipe.most

    def _is_due(self, item: _Item, now: int) -> bool:
        return item.due_ns <= now and not self.stalled

    def _give_times(self) -> None:
        now, latest = now_ns(), 0
        for item in self._queue:
            latest = item.due_ns = max(latest, self._pipe.due_ns(len(item.data), now))
        self._timer_ns = 0

    def _pass_on(self, data: bytes) -> None:
        sent = self._send(data)
        if sent < len(data):
            self._append(_Item(due_ns=0, data=memoryview(data)[sent:]))

    def _keep(self, data: memoryview) -> None:
        self._pipe.passed(len(data))
        self._append(_Item(due_ns=self._due_ns(len(data)), data=data))

    def _due_ns(self, size: int) -> int:
        due = self._pipe.due_ns(size, now_ns()) if self._pipe.rules else 0
        return max(due, self._queue[-1].due_ns) if self._queue else due

    def _append(self, item: _Item) -> None:
        if self.finished:  # The sink was lost just now.
            return
        self._queue.append(item)
        self._held += len(item.data)
        self.writable()

    def _deliver_first(self) -> bool:
        """Return whether the sink took the first item whole."""
        item = self._queue[0]
        if item.ending is not None:
            self._deliver_end(item.ending)
            return True
        sent = self._send(item.data)
        if self.finished:
            return False
        self._held -= sent
        item.data = item.data[sent:]
        if item.data:
            return False
        self._queue.popleft()
        return True

    def _send(self, data: bytes | memoryview) -> int:
        try:
            sent = self.sink.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._ends.lost(self.sink)
            return 0
        if self._back.cut:
            self._unanswered += sent
        return sent

    def _deliver_end(self, ending: Ending) -> None:
        self._queue.clear()
        self._held = 0
        self.finished = True
        self.source.want(READ, wanted=False)
        self._ends.end(self.sink, ending)

    def _wait_for_due(self, now: int) -> None:
        if not self._queue or self.stalled:
            return
        # The end counts as well: a reset does not wait for a sink that takes nothing of what is before it.
        due = min((item.due_ns for item in (self._queue[0], self._queue[-1]) if item.due_ns > now), default=0)
        if due and not 0 < self._timer_ns <= due:
            self._timer_ns = due
            self._loop.at(due, self._timed)

    def _timed(self) -> None:
        self._timer_ns = 0
        self.writable()
