"""Series from the history: what was sent, acknowledged and delivered when, and how long it took.

The reports do their own, simple matching and share no code with the judge. A message's acknowledgement
is the first SEND_OK of its bot and key, however many attempts it took, and its latency runs from the
*first* attempt. A live delivery's latency runs from the first attempt of the message with the same text.
Rates count in the bin in which a thing happened; latencies count in the bin in which the message was
*sent*, so that an outage shows where it was felt. Times are monotonic nanoseconds, latencies
milliseconds. `resumed` counts what came in a room's history: by a resume, or as the snapshot of a first join.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.records.history import FLAG_FROM_HISTORY, HistoryFile, Op
from harness.records.verdict import Reconnection

MOST_BINS = 80
_WIDTHS_S = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_NEEDED_FOR_P99 = 100

Steps = tuple[tuple[int, int], ...]  # (t_ns, the value from then on), ascending


@dataclass(frozen=True, kw_only=True, slots=True)
class Bins:
    """Equal intervals `[start + i·width, start + (i+1)·width)`."""

    start_ns: int
    width_ns: int
    count: int

    @classmethod
    def between(cls, start_ns: int, end_ns: int) -> "Bins":
        """Choose the finest sensible width that needs at most MOST_BINS bins."""
        length = max(1, end_ns - start_ns)
        widths = [round(width * 1e9) for width in _WIDTHS_S]
        width = next((w for w in widths if math.ceil(length / w) <= MOST_BINS), math.ceil(length / MOST_BINS))
        return cls(start_ns=start_ns, width_ns=width, count=math.ceil(length / width))

    @property
    def end_ns(self) -> int:
        """The end of the last bin."""
        return self.start_ns + self.count * self.width_ns

    @property
    def width_s(self) -> float:
        """The width in seconds."""
        return self.width_ns / 1e9

    def index(self, t_ns: int) -> int | None:
        """Return the bin of a moment, `None` outside."""
        index = (t_ns - self.start_ns) // self.width_ns
        return index if 0 <= index < self.count else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """Latencies of one bin. `high` is the p99 where there are 100 samples, else the slowest."""

    count: int = 0
    p50: float | None = None
    high: float | None = None

    @property
    def high_is_p99(self) -> bool:
        """Whether `high` is a p99."""
        return self.count >= _NEEDED_FOR_P99

    @classmethod
    def of(cls, samples: list[float]) -> "Latency":
        """Summarise samples by nearest rank."""
        if not samples:
            return cls()
        ordered = sorted(samples)
        high = quantile(ordered, 0.99) if len(ordered) >= _NEEDED_FOR_P99 else ordered[-1]
        return cls(count=len(ordered), p50=quantile(ordered, 0.5), high=high)


def quantile(ordered: list[float], q: float) -> float:
    """Return the nearest-rank quantile of sorted samples."""
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    """What happened in one bin; counts, not rates."""

    attempted: int
    resent: int
    acked: int
    live: int
    resumed: int
    ack: Latency
    delivery: Latency


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """All series of a run."""

    bins: Bins
    rows: tuple[Bin, ...]
    connected: dict[str, Steps]  # node -> connected bots
    cut_off: Steps  # bots on their way back


@dataclass(slots=True)
class _Tally:
    """The open bin counts while the history is walked through."""

    bins: Bins
    attempted: list[int]
    resent: list[int]
    acked: list[int]
    live: list[int]
    resumed: list[int]
    ack_ms: list[list[float]]
    delivery_ms: list[list[float]]

    @classmethod
    def over(cls, bins: Bins) -> "_Tally":
        def zeros() -> list[int]:
            return [0] * bins.count

        def empty() -> list[list[float]]:
            return [[] for _ in range(bins.count)]

        return cls(bins, zeros(), zeros(), zeros(), zeros(), zeros(), empty(), empty())

    def count(self, series: list[int], t_ns: int) -> None:
        index = self.bins.index(t_ns)
        if index is not None:
            series[index] += 1

    def sample(self, series: list[list[float]], sent_ns: int, done_ns: int) -> None:
        index = self.bins.index(sent_ns)
        if index is not None:
            series[index].append((done_ns - sent_ns) / 1e6)

    def closed(self) -> tuple[Bin, ...]:
        return tuple(
            Bin(
                attempted=self.attempted[i],
                resent=self.resent[i],
                acked=self.acked[i],
                live=self.live[i],
                resumed=self.resumed[i],
                ack=Latency.of(self.ack_ms[i]),
                delivery=Latency.of(self.delivery_ms[i]),
            )
            for i in range(self.bins.count)
        )


def figures(
    history: Iterable[HistoryFile], ways: Iterable[Reconnection], *, start_ns: int, end_ns: int
) -> Figures:
    """Compute every series between the start of the load and the last thing to show."""
    files = tuple(history)
    tally = _Tally.over(Bins.between(start_ns, end_ns))
    _tally_deliveries(tally, files, _tally_sends(tally, files))
    return Figures(
        bins=tally.bins, rows=tally.closed(), connected=_connected(files), cut_off=_cut_off(ways, end_ns)
    )


def last_activity_ns(history: Iterable[HistoryFile]) -> int | None:
    """Return when the last message was acknowledged or delivered, `None` when none was."""
    ops = (Op.SEND_OK, Op.DELIVERY)
    return max((row.t_ns for file in history for row in file.rows if row.op in ops), default=None)


def _tally_sends(tally: _Tally, files: tuple[HistoryFile, ...]) -> dict[str, int]:
    """Count sends and acknowledgements; return when each text was first sent."""
    first: dict[tuple[int, int], int] = {}
    acked: set[tuple[int, int]] = set()
    sent: dict[str, int] = {}
    for file in files:
        texts = _Texts(file)
        for row in file.rows:
            if row.op is Op.SEND:
                key = (row.bot, row.c)
                tally.count(tally.resent if key in first else tally.attempted, row.t_ns)
                first.setdefault(key, row.t_ns)
                text = texts.of(row.a)
                if text is not None:
                    sent.setdefault(text, row.t_ns)
            elif row.op is Op.SEND_OK and (row.bot, row.a) not in acked:
                acked.add((row.bot, row.a))
                tally.count(tally.acked, row.t_ns)
                if (row.bot, row.a) in first:
                    tally.sample(tally.ack_ms, first[(row.bot, row.a)], row.t_ns)
    return sent


def _tally_deliveries(tally: _Tally, files: tuple[HistoryFile, ...], sent: dict[str, int]) -> None:
    for file in files:
        texts = _Texts(file)
        for row in file.rows:
            if row.op is not Op.DELIVERY:
                continue
            if row.flags & FLAG_FROM_HISTORY:
                tally.count(tally.resumed, row.t_ns)
                continue
            tally.count(tally.live, row.t_ns)
            text = texts.of(row.a)
            if text is not None and text in sent:
                tally.sample(tally.delivery_ms, sent[text], row.t_ns)


class _Texts:
    """The `text` in a recorded content, parsed once per string."""

    def __init__(self, file: HistoryFile) -> None:
        self._file = file
        self._known: dict[int, str | None] = {}

    def of(self, string_id: int) -> str | None:
        """Return the text; `None` for content that is no message, which has no latency to show."""
        if string_id not in self._known:
            self._known[string_id] = _text(self._file.strings[string_id])
        return self._known[string_id]


def _text(content: str | None) -> str | None:
    try:
        message = json.loads(content or "null")
    except ValueError:
        return None
    text = message.get("text") if isinstance(message, dict) else None
    return text if isinstance(text, str) else None


def _connected(files: Iterable[HistoryFile]) -> dict[str, Steps]:
    changes: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for file in files:
        for node, t_ns, change in _connections(file):
            changes[node].append((t_ns, change))
    return {node: _steps(own) for node, own in changes.items()}


def _connections(file: HistoryFile) -> Iterator[tuple[str, int, int]]:
    """Yield +1 and −1 for each connection that opens and closes; one that never closes stays open."""
    where: dict[tuple[int, int], str] = {}
    for row in file.rows:
        connection = (row.bot, row.conn)
        if row.op is Op.CONNECT:
            where[connection] = file.strings[row.a] or "?"
            yield where[connection], row.t_ns, 1
        elif row.op is Op.DISCONNECT and connection in where:
            yield where.pop(connection), row.t_ns, -1


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
