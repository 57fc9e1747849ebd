"""What two sets of runs measured: each figure with its spread over the runs of a side.

A run has one value of each figure, from its verdict. Of several runs the median and the range are told, and
whether the ranges of both sides are apart: with three runs a side that happens by chance once in ten times,
with four once in 35, with five once in 126. One run a side has no spread, and its change says little.
"""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from harness.records.verdict import Quantiles
from reports.diff_sets import Pair, RunSet
from reports.run import Run
from reports.spans import FaultRecord, fault_records

NS = 1e9
HARDLY = 0.05  # A change of a median by less is none, as far as one should read it.

Unit = Literal["ms", "/s", ""]
Better = Literal["lower", "higher", "neither"]
Value = Callable[[Run], float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """The values of one figure in the runs of one side."""

    count: int
    median: float
    low: float
    high: float
    values: tuple[float, ...]  # in the order of the runs


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One figure on both sides; a side in which no run has it is `None`.

    `factor` is B's median in terms of A's, `None` where there is none. `ranges` says whether the ranges
    overlap; `None` where a side has less than two values.
    """

    group: str
    name: str
    unit: Unit
    better: Better
    before: Spread | None
    after: Spread | None
    factor: float | None
    ranges: Literal["overlap", "apart"] | None

    @property
    def hardly(self) -> bool:
        """Whether the medians are about the same."""
        return self.factor is not None and abs(self.factor - 1) < HARDLY

    @property
    def verdict(self) -> Literal["worse", "better", ""]:
        """What ranges that are apart mean; empty where they overlap, or the change is hardly one."""
        if self.ranges != "apart" or self.better == "neither" or self.hardly or self.factor is None:
            return ""
        return "better" if (self.factor < 1) == (self.better == "lower") else "worse"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Figure:
    group: str
    name: str
    unit: Unit
    better: Better
    of: Value


def measures(pair: Pair) -> tuple[Measure, ...]:
    """Return every figure that a run of either side has; what is zero in all of them is left out."""
    found = (_measure(figure, pair) for figure in _FIGURES)
    return tuple(measure for measure in found if _tells(measure.before) or _tells(measure.after))


def _tells(spread: Spread | None) -> bool:
    return spread is not None and any(spread.values)


def _measure(figure: _Figure, pair: Pair) -> Measure:
    before, after = _spread(figure.of, pair.before), _spread(figure.of, pair.after)
    return Measure(
        group=figure.group,
        name=figure.name,
        unit=figure.unit,
        better=figure.better,
        before=before,
        after=after,
        factor=after.median / before.median if before and after and before.median > 0 else None,
        ranges=_ranges(before, after),
    )


def _spread(of: Value, side: RunSet) -> Spread | None:
    values = tuple(value for run in side.runs if (value := of(run)) is not None)
    if not values:
        return None
    return Spread(
        count=len(values),
        median=statistics.median(values),
        low=min(values),
        high=max(values),
        values=values,
    )


def _ranges(before: Spread | None, after: Spread | None) -> Literal["overlap", "apart"] | None:
    if before is None or after is None or min(before.count, after.count) < 2:
        return None
    return "apart" if before.high < after.low or after.high < before.low else "overlap"


# --- the figures of a run ---------------------------------------------------------------------------------


def _load_s(run: Run) -> float | None:
    began, ended = run.meta.load_began_ns, run.meta.load_ended_ns
    return (ended - began) / NS if began is not None and ended is not None and ended > began else None


def _rate(count: Callable[[Run], int]) -> Value:
    def rate(run: Run) -> float | None:
        load_s = _load_s(run)
        return count(run) / load_s if load_s else None

    return rate


def _heals(run: Run) -> Iterable[FaultRecord]:
    return (record for record in fault_records(run.plan, run.faults) if not record.failed)


def recovery_ms(run: Run) -> float | None:
    """Return the longest time from the beginning of a heal until it was seen; `None`: there was none."""
    times = [
        (record.over_ns - healed.t_ns) / 1e6
        for record in _heals(run)
        for healed in record.steps
        if healed.step == "healed" and record.over_ns is not None
    ]
    return max(times, default=None)


def _never_back(run: Run) -> float:
    return float(sum(way.back_ns is None for way in run.verdict.reconnections))


def _quantiles(group: str, of: Callable[[Run], Quantiles]) -> tuple[_Figure, ...]:
    def value(name: str) -> Value:
        return lambda run: getattr(of(run), name) if of(run).count else None

    return tuple(
        _Figure(group=group, name=name, unit="ms", better="lower", of=value(name))
        for name in ("p50", "p90", "p99", "max")
    )


def _reconnections(name: str) -> Value:
    return lambda run: getattr(run.verdict.stats.reconnections, name)


_RATES = "Throughput"
_BACK = "Reconnection and recovery"
_SENDS = "Sends"
_FIGURES = (
    _Figure(
        group=_RATES,
        name="acknowledged sends",
        unit="/s",
        better="higher",
        of=_rate(lambda run: run.verdict.stats.sends.acked),
    ),
    _Figure(
        group=_RATES,
        name="deliveries",
        unit="/s",
        better="higher",
        of=_rate(lambda run: run.verdict.stats.deliveries),
    ),
    *_quantiles("Acknowledgement latency", lambda run: run.verdict.stats.ack_latency_ms),
    *_quantiles("Delivery latency", lambda run: run.verdict.stats.delivery_latency_ms),
    _Figure(
        group=_BACK,
        name="reconnections",
        unit="",
        better="neither",
        of=lambda run: float(run.verdict.stats.reconnections.count),
    ),
    _Figure(group=_BACK, name="back, p50", unit="ms", better="lower", of=_reconnections("p50_ms")),
    _Figure(group=_BACK, name="back, p99", unit="ms", better="lower", of=_reconnections("p99_ms")),
    _Figure(group=_BACK, name="back, slowest", unit="ms", better="lower", of=_reconnections("max_ms")),
    _Figure(group=_BACK, name="never back", unit="", better="lower", of=_never_back),
    _Figure(group=_BACK, name="healed, slowest", unit="ms", better="lower", of=recovery_ms),
    _Figure(
        group=_BACK,
        name="longest wait",
        unit="ms",
        better="lower",
        of=lambda run: run.verdict.stats.longest_wait_ms,
    ),
    *(
        _Figure(
            group=_SENDS,
            name=name,
            unit="",
            better="neither",
            of=lambda run, name=name: float(getattr(run.verdict.stats.sends, name)),  # type: ignore[misc]
        )
        for name in ("attempted", "rejected", "indeterminate")
    ),
)
