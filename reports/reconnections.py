"""Who was cut off and how they came back, grouped by the fault in whose window it happened."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.records.verdict import Reconnection
from reports.figures import quantile

FOR_P99 = 100  # samples; below that the slowest speaks


@dataclass(frozen=True, kw_only=True)
class Group:
    """The ways back that belong to one fault (`None`: to no fault), the earliest cut first."""

    fault_id: str | None
    ways: tuple[Reconnection, ...]

    def shown(self, most: int) -> tuple[Reconnection, ...]:
        """Return the rows of the table: all, or those that never came back and the slowest."""
        if len(self.ways) <= most:
            return self.ways
        slowest = sorted(self.ways, key=lambda way: -_length(way))[:most]
        return tuple(sorted(slowest, key=lambda way: (way.lost_ns, way.bot)))

    def left_out(self, most: int) -> int:
        """Return how many rows the table leaves out."""
        return max(0, len(self.ways) - most)

    @property
    def bots(self) -> int:
        """How many bots lost a connection, some of them more than once."""
        return len({way.bot for way in self.ways})

    @property
    def lost_for_good(self) -> int:
        """How many never came back."""
        return sum(way.back_ns is None for way in self.ways)

    @property
    def caught_up(self) -> int:
        """Messages that all of them received by resume."""
        return sum(way.caught_up for way in self.ways)

    @cached_property
    def lengths_ms(self) -> tuple[float, ...]:
        """How long those were away who came back, the shortest first."""
        return tuple(
            sorted((way.back_ns - way.lost_ns) / 1e6 for way in self.ways if way.back_ns is not None)
        )

    @property
    def quantiles(self) -> tuple[tuple[str, float], ...]:
        """Names and milliseconds, by nearest rank; none where nobody came back."""
        if not self.lengths_ms:
            return ()
        named = (
            ("median", 0.5),
            ("p90", 0.9),
            *((("p99", 0.99),) if len(self.lengths_ms) >= FOR_P99 else ()),
        )
        return (
            ("quickest", self.lengths_ms[0]),
            *((name, quantile(self.lengths_ms, q)) for name, q in named),
            ("slowest", self.lengths_ms[-1]),
        )

    @property
    def flows(self) -> tuple[tuple[str, str | None, int], ...]:
        """From which node to which, and how many; `None`: nowhere."""
        counts = Counter(
            (way.from_node, way.to_node if way.back_ns is not None else None) for way in self.ways
        )
        return tuple(
            (source, target, count)
            for (source, target), count in sorted(counts.items(), key=lambda flow: (flow[0][0], -flow[1]))
        )


def first(groups: Sequence[Group], most: int) -> tuple[Group, ...]:
    """Return so many groups at most, in order: those with bots that never came back, and the largest."""
    worst = sorted(range(len(groups)), key=lambda i: (-groups[i].lost_for_good, -len(groups[i].ways)))
    return tuple(groups[i] for i in sorted(worst[:most]))


def grouped(ways: Iterable[Reconnection]) -> tuple[Group, ...]:
    """Group by fault, in the order of the first cut; those of no fault come last."""
    by_fault: dict[str | None, list[Reconnection]] = {}
    for way in sorted(ways, key=lambda way: (way.fault_id is None, way.lost_ns, way.bot)):
        by_fault.setdefault(way.fault_id, []).append(way)
    return tuple(Group(fault_id=fault_id, ways=tuple(own)) for fault_id, own in by_fault.items())


def _length(way: Reconnection) -> float:
    return float("inf") if way.back_ns is None else way.back_ns - way.lost_ns
