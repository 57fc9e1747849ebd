"""`/metrics`: every figure of a node under its public name, in Prometheus' text format (or OpenMetrics).

`METRICS` is the one list; docs/metrics.md is held equal to it by a test. Reading happens when somebody
asks, from the counters and from the node's parts. This module is imported with the first scrape:
prometheus-client costs a start of the node nothing.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter
from typing import Literal, cast

import gevent
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from cluster import counters, log
from cluster.counters import Histogram
from cluster.parts import Parts

PREFIX = "wordaround_"

# One figure, figures by their label's value, a histogram, or nothing where it is unknown.
Reading = float | Mapping[str, float] | Histogram | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A metric: its name without the prefix, and how it is read. At most one label."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    read: Callable[[Parts], Reading]
    label: str = ""

    @property
    def full_name(self) -> str:
        """The name as Prometheus has it."""
        return PREFIX + self.name


def _counter(name: str, path: str, meaning: str, label: str = "") -> Figure:
    """Declare a counter; `path` is where it is in counters.py."""
    return Figure(name=name, kind="counter", meaning=meaning, read=_at(path), label=label)


def _histogram(name: str, path: str, meaning: str) -> Figure:
    return Figure(name=name, kind="histogram", meaning=meaning, read=_at(path))


def _gauge(name: str, meaning: str, read: Callable[[Parts], Reading], label: str = "") -> Figure:
    return Figure(name=name, kind="gauge", meaning=meaning, read=read, label=label)


def _at(path: str) -> Callable[[Parts], Reading]:
    find = attrgetter(path)
    return lambda _: cast(Reading, find(counters))


def _tail(parts: Parts) -> dict[str, float]:
    return {str(shard): cursor for shard, cursor in enumerate(parts.delivery.status().get("tail", ()))}


def _lag(figure: str) -> Callable[[Parts], Reading]:
    return lambda parts: parts.delivery.status().get("tail_lag", {}).get(figure)


def _part(name: str, path: str, meaning: str) -> Figure:
    """Declare a counter that one of the node's parts keeps; `path` is where it is in `Parts`."""
    return Figure(name=name, kind="counter", meaning=meaning, read=attrgetter(path))


METRICS = (
    _gauge("connections", "Socket.IO sessions that are open", lambda p: len(p.connections)),
    _gauge("memberships", "memberships in rooms through this node", lambda p: p.connections.memberships()),
    _gauge("rooms", "rooms that have members through this node", lambda p: len(p.connections.rooms())),
    _counter("connects_total", "connections.opened", "sessions that were opened"),
    _counter("connects_refused_total", "connections.refused", "sessions that were refused", "code"),
    _counter("disconnects_total", "connections.closed", "sessions that have ended", "reason"),
    _counter("joins_total", "requests.joins", "joins, by what became of them", "outcome"),
    _counter("sends_total", "requests.sends", "sends, by what their sender was told", "outcome"),
    _counter("leaves_total", "requests.leaves", "leaves"),
    _counter("typing_total", "requests.typing", "typing notices that were taken"),
    _counter("refusals_total", "requests.refused", "requests of any kind that were refused", "code"),
    _counter("malformed_total", "requests.malformed", "input that was not the protocol's", "kind"),
    _counter("commit_batches_total", "commits.batches", "pipelines of commits sent to Redis"),
    _counter("commit_messages_total", "commits.messages", "commits sent to Redis"),
    _counter("commit_answers_lost_total", "commits.answers_lost", "commits whose answer was lost"),
    _histogram("commit_batch_size", "commits.batch_size", "commits in one pipeline"),
    _histogram("commit_seconds", "commits.latency_s", "how long a send waits for its commit"),
    _gauge(
        "commits_waiting",
        "messages that wait for the committer to take them",
        lambda p: p.delivery.status().get("commits_waiting"),
    ),
    _counter("tailed_messages_total", "delivery.tailed", "messages that passed the tail"),
    _counter("deliveries_total", "delivery.delivered", "live messages given to connections"),
    _counter("tail_gaps_total", "delivery.gaps", "jumps and trims of shard logs before they were read"),
    _counter("rooms_filled_total", "delivery.filled", "rooms filled from their own logs after a gap"),
    _counter("rooms_resynced_total", "delivery.resynced", "rooms told that messages are gone"),
    _counter("epoch_changes_total", "delivery.epochs", "times that another log took the place of ours"),
    _gauge("tail_position", "entries of the shard log that were handed on", _tail, "shard"),
    _gauge("tail_lag", "entries of the shard logs not yet handed on, as far as is known", _lag("entries")),
    _gauge("tail_silent_seconds", "time since Redis last answered the tail", _lag("silent_s")),
    _part("writes_total", "outbox.writes", "writes to clients' sockets"),
    _part("written_bytes_total", "outbox.bytes_written", "bytes written to clients' sockets"),
    _counter("read_bytes_total", "transport.bytes_read", "bytes read from clients' sockets"),
    _part("slow_readers_total", "outbox.too_slow", "connections ended because they read too slowly"),
    _gauge(
        "buffered_bytes",
        "bytes that wait for connections to read",
        lambda p: sum(connection.outlet.waiting for connection in p.connections.all()),
    ),
    _gauge("redis_up", "1 while Redis answers", lambda p: int(p.health.up)),
    _counter("redis_connects_total", "redis.connected", "connections made to Redis"),
    _counter("redis_connect_failures_total", "redis.connect_failed", "connections to Redis that failed"),
    _counter("redis_outages_total", "redis.outages", "times that Redis went away"),
    _gauge("peers", "other nodes, by state", lambda p: p.sync.states(), "state"),
    _part("user_lists_total", "user_lists.sent", "user lists sent to connections"),
    _part("reaped_memberships_total", "reaper.reaped", "memberships of dead nodes removed"),
    _part("heartbeats_sent_total", "sync.tally.heartbeats", "heartbeats to other nodes"),
    _part("heartbeats_failed_total", "sync.tally.heartbeats_failed", "heartbeats that were not answered"),
    _part("sync_calls_total", "sync_routes.calls", "calls of other nodes, heartbeats and notices"),
    _part("sync_refused_total", "sync_routes.unauthorized", "calls of other nodes with a wrong signature"),
    _gauge("draining", "1 while the node moves its clients away", lambda p: int(p.gate.draining)),
    Figure(
        name="log_lines_dropped_total",
        kind="counter",
        meaning="log lines that nobody read in time",
        read=lambda _: log.dropped(),
    ),
    _gauge("loop_watchers", "active watchers of gevent's loop", lambda _: gevent.get_hub().loop.activecnt),
)


def exposition(parts: Parts, accept: str, only: Collection[str] = ()) -> tuple[bytes, str]:
    """Return metrics and their content type, in the format that an `Accept` header asks for.

    `only` are names of samples, where not all are wanted: the whole is 12 kB.
    """
    registry = CollectorRegistry(auto_describe=bool(only))
    registry.register(_Collector(parts))
    ProcessCollector(registry=registry)  # CPU, memory and files; there on Linux
    GCCollector(registry=registry)
    encode, content_type = choose_encoder(accept)
    asked = registry.restricted_registry(only) if only else registry
    return encode(asked), content_type


def table() -> str:
    """Return the table of docs/metrics.md."""
    rows = [f"| `{f.full_name}` | {f.kind} | {f.label and f'`{f.label}`'} | {f.meaning} |\n" for f in METRICS]
    return f"| name | kind | label | |\n|---|---|---|---|\n{''.join(rows)}"


class _Collector(Collector):
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """Read every figure."""
        for figure in METRICS:
            yield _family(figure, figure.read(self._parts))


def _family(figure: Figure, reading: Reading) -> Metric:
    if isinstance(reading, Histogram):
        return _histogram_family(figure, reading)
    family_class = CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily
    family = family_class(figure.full_name, figure.meaning, labels=[figure.label] if figure.label else [])
    if isinstance(reading, Mapping):
        for value, number in reading.items():
            family.add_metric([value], number)
    elif reading is not None:
        family.add_metric([], reading)
    return family


def _histogram_family(figure: Figure, histogram: Histogram) -> Metric:
    bounds = [*map(str, histogram.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
    return HistogramMetricFamily(figure.full_name, figure.meaning, buckets=buckets, sum_value=histogram.total)
