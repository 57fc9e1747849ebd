"""The loader, a process of its own: `python -m tests.benchmarks.loader` with a `Load` on stdin.

It keeps all connections, sends by window or by pace, and counts. Sockets of senders are read as soon as
something is there, those of pure recipients every few milliseconds: a socket's buffer holds what comes
meanwhile, and one read for many frames keeps the loader far from being the bottleneck.
"""

import sys
import time
from collections import Counter
from dataclasses import dataclass

from tests.benchmarks import cpu
from tests.benchmarks.chat import FIRST_SEND_ACK, Chat
from tests.benchmarks.connections import Connections
from tests.benchmarks.load import Load, Measured
from tests.benchmarks.loading import run_as_process
from tests.benchmarks.window import Window

SETTLE_S = 1.0  # the user lists of the last joins are through
LAST_ACKS_S = 20.0  # 6,400 sends are outstanding at most; none of their messages is dropped for being late
PROBLEMS_SHOWN = 5
UNBOUNDED = 1 << 30


@dataclass(slots=True)
class Pace:
    """An open loop: message i is due at `start + i / rate`, whatever became of those before."""

    senders: list[Chat]
    rate: float
    start_s: float
    sent: int = 0

    def send_due(self, now_s: float) -> None:
        """Send what is due; latencies count from when it was due, so a late loader does not flatter."""
        while (due_s := self.start_s + self.sent / self.rate) <= now_s:
            self.senders[self.sent % len(self.senders)].send_messages(due_s, 1)
            self.sent += 1


class Run:
    """One load, from the first connection to the figures."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._connections = Connections(sweep_s=load.sweep_s)
        self._senders: list[Chat] = []
        self._pace: Pace | None = None

    def measure(self) -> Measured:
        """Do it all.

        Raises:
            Broken, OSError: a connection failed; then there is nothing to compare.
        """
        try:
            self._connect()
            return self._measure()
        finally:
            self._connections.close()

    def _connect(self) -> None:
        chats = list(_chats(self._load))
        self._connections.add(chats)
        self._senders = [chat for chat in chats if chat.window is not None]
        self._connections.run(time.monotonic() + SETTLE_S)

    def _measure(self) -> Measured:
        self._start_sending()
        self._go_on(self._load.warmup_s)
        self._take_latencies()
        before = self._reading()
        delivered = self._go_on(self._load.seconds)
        after = self._reading()
        latencies_s = self._take_latencies()
        self._connections.refill = False
        self._wait_for_last_acks()
        if self._pace is not None:
            latencies_s += self._take_latencies()  # In an open loop the late ones are the point.
        elapsed_s, acked, nodes_s, others_s, own_s, busy_s = (
            b - a for a, b in zip(before, after, strict=True)
        )
        return Measured(
            elapsed_s=elapsed_s,
            deliveries=delivered,
            sends=int(acked),
            refused=sum(chat.refused for chat in self._senders),
            node_cpu_s=nodes_s,
            other_cpu_s=others_s,
            loader_cpu_s=own_s,
            foreign_cpu_s=max(0.0, busy_s - nodes_s - others_s - own_s),
            cores=cpu.cores(),
            samples=sum(chat.samples for chat in self._connections.chats),
            frame_bytes=max(chat.frame_bytes for chat in self._connections.chats),
            ack_ms=percentiles_ms(latencies_s),
            problems=_few(self._problems()),
            remarks=[] if self._load.contiguous else self._undone(),
        )

    def _start_sending(self) -> None:
        now_s = time.monotonic()
        if self._load.window is None:
            self._pace = Pace(self._senders, self._load.rate or 1.0, now_s)
            return
        self._connections.refill = True
        for chat in self._senders:
            chat.send_messages(now_s, self._load.window)

    def _go_on(self, seconds: float) -> int:
        until_s = time.monotonic() + seconds
        if self._pace is None:
            return self._connections.run(until_s)
        delivered = 0
        while (now_s := time.monotonic()) < until_s:
            self._pace.send_due(now_s)
            next_s = self._pace.start_s + self._pace.sent / self._pace.rate
            delivered += self._connections.run(min(until_s, next_s))
        return delivered

    def _take_latencies(self) -> list[float]:
        taken = [value for chat in self._senders for value in chat.latencies_s]
        for chat in self._senders:
            chat.latencies_s.clear()
        return taken

    def _wait_for_last_acks(self) -> None:
        self._connections.run(time.monotonic() + LAST_ACKS_S, done=lambda: self._outstanding() == 0)

    def _outstanding(self) -> int:
        return sum(chat.window.outstanding for chat in self._senders if chat.window)

    def _problems(self) -> list[str]:
        found = [problem for chat in self._connections.chats for problem in chat.problems]
        return found + self._undone() if self._load.contiguous else found

    def _undone(self) -> list[str]:
        found = []
        if missing := self._outstanding():
            found.append(f"{missing} sends not acknowledged {LAST_ACKS_S:.0f} s later")
        if silent := sum(chat.received == 0 for chat in self._connections.chats):
            found.append(f"{silent} members got nothing")
        return found

    def _reading(self) -> tuple[float, ...]:
        acked = sum(chat.window.acked for chat in self._senders if chat.window)
        return (
            time.monotonic(),
            acked,
            cpu.used_s(self._load.pids),
            cpu.used_s(self._load.other_pids),
            time.process_time(),
            cpu.busy_s(),
        )


def percentiles_ms(values_s: list[float]) -> dict[str, float]:
    """Return p50, p99 and the maximum in milliseconds, with the count; empty of no value."""
    if not values_s:
        return {}
    ordered = sorted(values_s)
    places = {"p50": len(ordered) // 2, "p99": len(ordered) * 99 // 100, "max": len(ordered) - 1}
    return {name: round(ordered[i] * 1000, 3) for name, i in places.items()} | {"count": len(ordered)}


def _few(problems: list[str]) -> list[str]:
    """Return each kind of problem once, with its count, the most frequent first; not all kinds."""
    kinds = Counter(problems).most_common()
    shown = [f"{count} × {problem}" if count > 1 else problem for problem, count in kinds[:PROBLEMS_SHOWN]]
    return [*shown, *([f"and {len(kinds) - PROBLEMS_SHOWN} others"] if len(kinds) > PROBLEMS_SHOWN else [])]


def _chats(load: Load) -> list[Chat]:
    size = UNBOUNDED if load.window is None else load.window
    return [
        Chat(
            port=load.ports[(room + member) % len(load.ports)],
            room=f"bench-{room}",
            user=f"user-{room}.{member}",
            window=Window(size, FIRST_SEND_ACK) if member < load.senders else None,
            contiguous=load.contiguous,
        )
        for room in range(load.rooms)
        for member in range(load.members)
    ]


if __name__ == "__main__":
    sys.exit(run_as_process(Load, lambda load: Run(load).measure(), failed="the load could not be kept up"))
