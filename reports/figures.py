"""Series from the history: what was sent, acknowledged and delivered when, and how long it took.

Rates count in the bin in which a thing happened; latencies count in the bin in which the message was *sent*
(its first attempt), so that an outage shows where it was felt. Times are monotonic nanoseconds, latencies
milliseconds. `resumed` counts what came in a room's history: by a resume, or as the snapshot of a first join.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.records.history import HistoryFile, Op
from harness.records.verdict import Reconnection
from reports.bins import Bins, Ints
from reports.samples import Samples, Took, read_samples

COUNTS = ("attempted", "acked", "rejected", "indeterminate", "resent", "live", "resumed", "lost", "back")
_NEEDED_FOR_P99 = 100

Floats = NDArray[np.float64]
Steps = tuple[tuple[int, int], ...]  # (t_ns, the value from then on), ascending


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """Latencies of one bin. `high` is the p99 where there are 100 samples, else the slowest."""

    count: int = 0
    p50: float | None = None
    p90: float | None = None
    high: float | None = None

    @property
    def high_is_p99(self) -> bool:
        """Whether `high` is a p99."""
        return self.count >= _NEEDED_FOR_P99


def quantile(ordered: Sequence[float], q: float) -> float:
    """Return the nearest-rank quantile of sorted samples."""
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Latencies:
    """Latencies of all bins, in columns; NaN where a bin has no sample."""

    count: Ints
    p50: Floats
    p90: Floats
    high: Floats

    @classmethod
    def of(cls, took: Took, bins: Bins) -> "Latencies":
        """Summarise the samples of each bin by nearest rank."""
        index = bins.indices(took.began_ns)
        inside = index >= 0
        # Samples come sorted by length: a stable sort by bin leaves each bin's own sorted.
        order = np.argsort(index[inside].astype(np.uint16), kind="stable")
        ms = took.took_ns[inside][order] / 1e6
        count = np.bincount(index[inside], minlength=bins.count)
        ends = np.cumsum(count)
        high = np.where(count >= _NEEDED_FOR_P99, 0.99, 1.0)
        return cls(
            count=count,
            p50=_ranked(ms, ends - count, count, 0.5),
            p90=_ranked(ms, ends - count, count, 0.9),
            high=_ranked(ms, ends - count, count, high),
        )

    def row(self, i: int) -> Latency:
        """Return one bin's."""
        if not self.count[i]:
            return Latency()
        p50, p90, high = (float(column[i]) for column in (self.p50, self.p90, self.high))
        return Latency(count=int(self.count[i]), p50=p50, p90=p90, high=high)


def _ranked(values: Floats, begins: Ints, count: Ints, q: float | Floats) -> Floats:
    rank = np.maximum(0, np.ceil(q * count).astype(np.int64) - 1)
    return np.where(count > 0, np.append(values, np.nan)[np.where(count > 0, begins + rank, -1)], np.nan)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    """What happened in one bin; counts, not rates."""

    attempted: int
    acked: int
    rejected: int
    indeterminate: int
    resent: int
    live: int
    resumed: int
    lost: int  # connections
    back: int  # bots that were joined to all their rooms again
    ack: Latency
    delivery: Latency


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """All series of a run over one cut of its time."""

    bins: Bins
    counts: dict[str, Ints]  # by the names of COUNTS
    ack: Latencies
    delivery: Latencies

    @property
    def rows(self) -> tuple[Bin, ...]:
        """The bins one by one: for the coarsest level."""
        return tuple(
            Bin(
                **{name: int(column[i]) for name, column in self.counts.items()},
                ack=self.ack.row(i),
                delivery=self.delivery.row(i),
            )
            for i in range(self.bins.count)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """All series of a run: the coarsest level first."""

    levels: tuple[Level, ...]
    rows: tuple[Bin, ...]  # of the coarsest level
    connected: dict[str, Steps]  # node -> connected bots
    cut_off: Steps  # bots on their way back

    @property
    def bins(self) -> Bins:
        """The coarsest cut."""
        return self.levels[0].bins


def figures(
    history: Iterable[HistoryFile], ways: Iterable[Reconnection], *, start_ns: int, end_ns: int
) -> Figures:
    """Compute every series between the start of the load and the last thing to show."""
    files, ways = tuple(history), tuple(ways)
    coarsest = Bins.between(start_ns, end_ns)
    samples = read_samples(files)
    levels = tuple(_level(samples, ways, bins) for bins in (coarsest, *coarsest.finer()))
    return Figures(
        levels=levels, rows=levels[0].rows, connected=_connected(files), cut_off=_cut_off(ways, end_ns)
    )


def last_activity_ns(history: Iterable[HistoryFile]) -> int | None:
    """Return when the last message was acknowledged or delivered, `None` when none was."""
    last = []
    for file in history:
        op = file.events["op"]
        moments = file.events["t_ns"][(op == Op.SEND_OK) | (op == Op.DELIVERY)]
        last += [int(moments.max())] if len(moments) else []
    return max(last, default=None)


def _level(samples: Samples, ways: Sequence[Reconnection], bins: Bins) -> Level:
    lost = np.array([way.lost_ns for way in ways], np.int64)
    back = np.array([way.back_ns for way in ways if way.back_ns is not None], np.int64)
    moments = {"lost": lost, "back": back}
    return Level(
        bins=bins,
        counts={
            name: bins.counts(moments[name] if name in moments else getattr(samples, name)) for name in COUNTS
        },
        ack=Latencies.of(samples.ack, bins),
        delivery=Latencies.of(samples.delivery, bins),
    )


def _connected(files: Iterable[HistoryFile]) -> dict[str, Steps]:
    changes: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for file in files:
        for node, t_ns, change in _connections(file):
            changes[node].append((t_ns, change))
    return {node: _steps(own) for node, own in changes.items()}


def _connections(file: HistoryFile) -> Iterator[tuple[str, int, int]]:
    """Yield +1 and −1 for each connection that opens and closes; one that never closes stays open."""
    where: dict[tuple[int, int], str] = {}
    events = file.events
    rows = events[(events["op"] == Op.CONNECT) | (events["op"] == Op.DISCONNECT)]
    columns = (rows[name].tolist() for name in ("t_ns", "op", "bot", "conn", "a"))
    for t_ns, op, bot, conn, a in zip(*columns, strict=True):
        if op == Op.CONNECT:
            where[bot, conn] = file.strings[a] or "?"
            yield where[bot, conn], t_ns, 1
        elif (bot, conn) in where:
            yield where.pop((bot, conn)), t_ns, -1


def _cut_off(ways: Iterable[Reconnection], end_ns: int) -> Steps:
    changes: list[tuple[int, int]] = []
    for way in ways:
        changes.append((way.lost_ns, 1))
        if way.back_ns is not None and way.back_ns <= end_ns:
            changes.append((way.back_ns, -1))
    return _steps(changes)


def _steps(changes: list[tuple[int, int]]) -> Steps:
    """Sum up changes; those of one moment are one step."""
    total = 0
    steps: dict[int, int] = {}
    for t_ns, change in sorted(changes):
        total += change
        steps[t_ns] = total
    return tuple(steps.items())
