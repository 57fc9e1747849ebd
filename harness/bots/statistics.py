"""Locust's statistics as a record: `metrics/locust.json`."""

from dataclasses import dataclass
from typing import Any


class RequestFailed(Exception):
    """A request of a bot failed; only ever handed to Locust, which counts it under its text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestStats:
    """One kind of request. Times in milliseconds; percentiles are Locust's, which rounds them."""

    name: str
    requests: int
    failures: int
    per_second: float
    average_ms: float
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """One kind of failure and how often it happened."""

    name: str
    error: str
    occurrences: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LocustStats:
    """The whole of `metrics/locust.json`."""

    requests: tuple[RequestStats, ...]
    failures: tuple[Failure, ...]


def of(stats: Any) -> LocustStats:
    """Read Locust's `RequestStats`."""
    return LocustStats(
        requests=tuple(_request(entry) for _, entry in sorted(stats.entries.items())),
        failures=tuple(
            Failure(name=error.name, error=str(error.error), occurrences=error.occurrences)
            for error in stats.errors.values()
        ),
    )


def _request(entry: Any) -> RequestStats:
    return RequestStats(
        name=entry.name,
        requests=entry.num_requests,
        failures=entry.num_failures,
        per_second=round(entry.total_rps, 2),
        average_ms=round(entry.avg_response_time, 3),
        p50_ms=entry.get_response_time_percentile(0.5) or 0,
        p99_ms=entry.get_response_time_percentile(0.99) or 0,
        max_ms=round(entry.max_response_time, 3),
    )
