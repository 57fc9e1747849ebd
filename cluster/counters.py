"""What a node counts, in plain integers: counting costs an addition, and all else waits for `/metrics`.

One process is one node, so these are the module's own objects, as the log is: whoever sees a thing happen
counts it (`counters.commits.batches += 1`), and metrics.py gives each figure its public name. What can be
read off a part when somebody asks (connections, positions, states) is no counter and not here.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.protocol import Code

LATENCY_BOUNDS_S = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0)
BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Histogram:
    """Counts values by upper bounds; `counts` has one place more, for what is above them all."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


def _zeros(*names: str) -> Callable[[], dict[str, int]]:
    """Return a maker of counters by name: all are there, at zero, before anything happens."""
    return lambda: dict.fromkeys(names, 0)


@dataclass(slots=True)
class ConnectionCounters:
    """Socket.IO sessions; events.py counts them."""

    opened: int = 0
    refused: dict[str, int] = field(
        default_factory=_zeros(Code.BAD_REQUEST.value, Code.UNAUTHORIZED.value, Code.DRAINING.value)
    )
    closed: dict[str, int] = field(
        default_factory=_zeros(
            "client_disconnect",
            "server_disconnect",
            "transport_close",
            "transport_error",
            "ping_timeout",
            "slow_reader",
        )
    )

    def close(self, reason: str) -> None:
        """Count the end of a session; `reason` as python-socketio has it."""
        key = reason.replace(" ", "_")
        self.closed[key] = self.closed.get(key, 0) + 1


@dataclass(slots=True)
class RequestCounters:
    """What clients asked for and what they were told; events.py counts it."""

    joins: dict[str, int] = field(default_factory=_zeros("recovered", "snapshot", "refused"))
    sends: dict[str, int] = field(
        default_factory=_zeros("acked", "duplicate", *(code.value for code in Code))
    )
    leaves: int = 0
    typing: int = 0
    refused: dict[str, int] = field(default_factory=_zeros(*(code.value for code in Code)))
    malformed: dict[str, int] = field(
        default_factory=_zeros("http", "websocket", "engine", "packet", "binary", "event", "payload")
    )

    def answered(self, event: str, answer: Mapping[str, Any]) -> None:
        """Count a request that is being answered."""
        if event == "send_message":
            if answer["ok"]:
                self.sends["duplicate" if answer["duplicate"] else "acked"] += 1
                return
            self.sends[answer["error"]["code"]] += 1
        elif event == "join":
            self.joins["refused" if not answer["ok"] else _kind_of_join(answer)] += 1
        elif event == "leave":
            self.leaves += answer["ok"]
        elif event == "typing":
            self.typing += answer["ok"]
        if not answer["ok"]:
            self.refused[answer["error"]["code"]] += 1


def _kind_of_join(answer: Mapping[str, Any]) -> str:
    return "recovered" if answer["recovered"] else "snapshot"


@dataclass(slots=True)
class CommitCounters:
    """The committer's work; committer.py counts it."""

    batches: int = 0
    messages: int = 0  # sent to Redis, whatever it answered
    answers_lost: int = 0
    batch_size: Histogram = field(default_factory=lambda: Histogram(BATCH_BOUNDS))
    latency_s: Histogram = field(default_factory=lambda: Histogram(LATENCY_BOUNDS_S))  # as a sender waits


@dataclass(slots=True)
class DeliveryCounters:
    """Tail and delivery; tail.py and durable.py count them."""

    tailed: int = 0  # messages that passed the tail
    delivered: int = 0  # messages given to a connection, live
    gaps: int = 0  # times that the shard log jumped or was trimmed before we read it
    filled: int = 0  # rooms that were filled from their own logs
    resynced: int = 0  # rooms whose members were told that messages are gone
    epochs: int = 0  # times that another log or epoch took the place of the one that was read


@dataclass(slots=True)
class TransportCounters:
    """Sockets; session.py counts them. What is written the outbox knows."""

    bytes_read: int = 0


@dataclass(slots=True)
class RedisCounters:
    """Connections to Redis; link.py counts them."""

    connected: int = 0
    connect_failed: int = 0
    outages: int = 0  # times that Redis went from up to down


connections = ConnectionCounters()
requests = RequestCounters()
commits = CommitCounters()
delivery = DeliveryCounters()
transport = TransportCounters()
redis = RedisCounters()
