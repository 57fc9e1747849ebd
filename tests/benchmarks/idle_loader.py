"""The loader of idle connections, a process of its own: `IdleLoad` on stdin, `IdleMeasured` on stdout."""

import gc
import sys
import time
from dataclasses import dataclass

from tests.benchmarks import cpu
from tests.benchmarks.chat import Chat
from tests.benchmarks.connections import Connections
from tests.benchmarks.load import Record
from tests.benchmarks.loading import run_as_process

SOURCES = tuple(f"127.0.0.{last}" for last in range(1, 9))  # each has ports of its own
WARM_UP = 10
SETTLE_S = 3.0
SWEEP_S = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class IdleLoad(Record):
    """So many connections (rising counts; memory is read at each), dealt to rooms; 0 rooms: not joined."""

    port: int
    pid: int
    counts: list[int]
    rooms: int
    hold_s: float
    core: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class IdleMeasured(Record):
    """`steps`: {connections, pss_kb, kb_each} for each count; the rest is of holding all of them.

    `late`: connections that got fewer pings than were due; `node_share`: of one core.
    """

    base_kb: int
    steps: list[dict[str, float]]
    hold_s: float
    ping_interval_s: float
    pings: int
    lost: int
    late: int
    node_share: float
    loader_share: float

    @property
    def kb_more(self) -> float:
        """What one connection more costs, between the first and the last count."""
        first, last = self.steps[0], self.steps[-1]
        return (last["pss_kb"] - first["pss_kb"]) / max(1, last["connections"] - first["connections"])


class Run:
    """Connect, read memory, connect more, hold."""

    def __init__(self, load: IdleLoad) -> None:
        self._load = load
        self._connections = Connections(sweep_s=SWEEP_S, lost=[])

    def measure(self) -> IdleMeasured:
        """Do it all.

        Raises:
            Broken, OSError: a connection could not be set up.
        """
        self._warm_up()
        base_kb = cpu.pss_kb(self._load.pid)
        try:
            steps = [self._grow(count, base_kb) for count in self._load.counts]
            return self._hold(base_kb, steps)
        finally:
            self._connections.close()

    def _warm_up(self) -> None:
        first = Connections(sweep_s=SWEEP_S)
        try:
            first.add(self._chats(0, WARM_UP), join=bool(self._load.rooms))
        finally:
            first.close()
        time.sleep(SETTLE_S)  # The node takes note that they have gone.

    def _grow(self, count: int, base_kb: int) -> dict[str, float]:
        here = len(self._connections.chats)
        self._connections.add(self._chats(here, count - here), join=bool(self._load.rooms))
        self._connections.run(time.monotonic() + SETTLE_S)
        pss_kb = cpu.pss_kb(self._load.pid)
        return {"connections": count, "pss_kb": pss_kb, "kb_each": (pss_kb - base_kb) / count}

    def _hold(self, base_kb: int, steps: list[dict[str, float]]) -> IdleMeasured:
        chats = self._connections.chats
        before = [chat.pings for chat in chats]
        node_s, own_s, start_s = cpu.used_s([self._load.pid]), time.process_time(), time.monotonic()
        self._connections.run(start_s + self._load.hold_s)
        elapsed_s = time.monotonic() - start_s
        pings = [chat.pings - had for chat, had in zip(chats, before, strict=True)]
        interval_s = chats[0].ping_interval_s
        due = int(elapsed_s / interval_s) - 1
        return IdleMeasured(
            base_kb=base_kb,
            steps=steps,
            hold_s=elapsed_s,
            ping_interval_s=interval_s,
            pings=sum(pings),
            lost=len(self._connections.lost or ()),
            late=sum(got < due for got in pings),
            node_share=(cpu.used_s([self._load.pid]) - node_s) / elapsed_s,
            loader_share=(time.process_time() - own_s) / elapsed_s,
        )

    def _chats(self, first: int, count: int) -> list[Chat]:
        return [
            Chat(
                port=self._load.port,
                room=f"idle-{i % max(1, self._load.rooms)}",
                user=f"user-{i}",
                source=SOURCES[i % len(SOURCES)],
            )
            for i in range(first, first + count)
        ]


def _measure(load: IdleLoad) -> object:
    gc.disable()  # Thousands of objects live to the end here; looking for garbage would delay pongs.
    return Run(load).measure()


if __name__ == "__main__":
    sys.exit(run_as_process(IdleLoad, _measure, failed="idle connections could not be set up"))
