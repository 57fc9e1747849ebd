"""The steady state: what a scenario says that must hold before the first fault, and again after recovery.

A probe is one figure, measured over a *window*: the steady phase, and the second half of the recovery phase.
Its sends are those whose first attempt began in the window, but at least `GRACE_S` before its end, so that
what is promptly answered is answered by then; what comes after the window's end is not counted for it.
"""

from dataclasses import dataclass
from typing import Literal, get_args

GRACE_S = 1.0
SHORTEST_WINDOW_S = 2.0  # with less there would be hardly a send in it

ProbeName = Literal[
    "ack_ratio",
    "delivery_ratio",
    "ack_latency_p50",
    "ack_latency_p99",
    "delivery_latency_p50",
    "delivery_latency_p99",
    "ack_rate",
    "connected_ratio",
    "ready_nodes",
]
Unit = Literal["share", "seconds", "per second", "nodes"]

PROBE_NAMES: tuple[ProbeName, ...] = get_args(ProbeName)

UNITS: dict[ProbeName, Unit] = {
    "ack_ratio": "share",
    "delivery_ratio": "share",
    "ack_latency_p50": "seconds",
    "ack_latency_p99": "seconds",
    "delivery_latency_p50": "seconds",
    "delivery_latency_p99": "seconds",
    "ack_rate": "per second",
    "connected_ratio": "share",
    "ready_nodes": "nodes",
}

MEANINGS: dict[ProbeName, str] = {
    "ack_ratio": "The share of the sends that was acknowledged.",
    "delivery_ratio": "Of the acknowledged sends, times those in their rooms meanwhile: the share that came.",
    "ack_latency_p50": "From the first attempt to the acknowledgement, median of the acknowledged sends.",
    "ack_latency_p99": "The same, 99th percentile; of fewer than 100 the longest.",
    "delivery_latency_p50": "From the first attempt to a live delivery, median of the deliveries.",
    "delivery_latency_p99": "The same, 99th percentile; of fewer than 100 the longest.",
    "ack_rate": "Acknowledged sends a second.",
    "connected_ratio": "The share of the bots that are connected at the window's end.",
    "ready_nodes": "How many nodes are ready at the window's end.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SteadyBound:
    """One probe and the bounds that it must keep, both included; at least one is there."""

    probe: ProbeName
    least: float | None = None
    most: float | None = None

    def holds(self, value: float | None) -> bool:
        """Whether a measured value keeps the bounds; what could not be measured does not."""
        if value is None:
            return False
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def spoken(self, value: float | None) -> str:
        """Return the value beside its bounds: `ack_latency_p99 was 312 ms (at most 250 ms)`."""
        return f"{self.probe} was {_shown(self.probe, value)} ({self})"

    def __str__(self) -> str:
        bounds = (("at least", self.least), ("at most", self.most))
        return ", ".join(f"{word} {_shown(self.probe, bound)}" for word, bound in bounds if bound is not None)


def _shown(probe: ProbeName, value: float | None) -> str:
    if value is None:
        return "not measured, since there was nothing to measure"
    match UNITS[probe]:
        case "seconds":
            return f"{value * 1000:.4g} ms"
        case "per second":
            return f"{value:.4g}/s"
        case "share":
            return f"{value:.6g}"
    return f"{value:g}"
