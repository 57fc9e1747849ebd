"""Who was cut off and how they came back, grouped by the fault in whose window it happened."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.records.verdict import Reconnection
from reports.figures import quantile

ROWS_SHOWN = 200  # per fault; the whole list is in verdict.json


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """The ways back that belong to one fault (`None`: to no fault), the earliest cut first."""

    fault_id: str | None
    ways: tuple[Reconnection, ...]

    @property
    def shown(self) -> tuple[Reconnection, ...]:
        """The rows of the table: all, or those that never came back and the slowest."""
        if len(self.ways) <= ROWS_SHOWN:
            return self.ways
        slowest = sorted(self.ways, key=lambda way: -_length(way))[:ROWS_SHOWN]
        return tuple(sorted(slowest, key=lambda way: (way.lost_ns, way.bot)))

    @property
    def left_out(self) -> int:
        """How many rows the table leaves out."""
        return len(self.ways) - len(self.shown)

    @property
    def lost_for_good(self) -> int:
        """How many never came back."""
        return sum(way.back_ns is None for way in self.ways)

    @property
    def median_ms(self) -> float | None:
        """The median of those who came back, by nearest rank."""
        return quantile(self._lengths_ms, 0.5) if self._lengths_ms else None

    @property
    def max_ms(self) -> float | None:
        """The slowest of those who came back."""
        return self._lengths_ms[-1] if self._lengths_ms else None

    @property
    def caught_up(self) -> int:
        """Messages that all of them received by resume."""
        return sum(way.caught_up for way in self.ways)

    @property
    def _lengths_ms(self) -> list[float]:
        return sorted((way.back_ns - way.lost_ns) / 1e6 for way in self.ways if way.back_ns is not None)


def _length(way: Reconnection) -> float:
    return float("inf") if way.back_ns is None else way.back_ns - way.lost_ns


def grouped(ways: Iterable[Reconnection]) -> tuple[Group, ...]:
    """Group by fault, in the order of the first cut; those of no fault come last."""
    by_fault: dict[str | None, list[Reconnection]] = {}
    for way in sorted(ways, key=lambda way: (way.fault_id is None, way.lost_ns, way.bot)):
        by_fault.setdefault(way.fault_id, []).append(way)
    return tuple(Group(fault_id=fault_id, ways=tuple(own)) for fault_id, own in by_fault.items())
