"""Durable sends: acknowledged messages per second of three nodes, and how long an acknowledgement takes.

60 senders, each alone in its room: a message has one recipient, who is its sender. Nothing is pinned:
three nodes, Redis and the loader share the machine's cores as the scheduler likes.
"""

from collections.abc import Iterable
from typing import Any

from tests.benchmarks.ceiling import redis_alone
from tests.benchmarks.fanout import load_for, run_loader
from tests.benchmarks.load import Measured
from tests.benchmarks.report import note
from tests.benchmarks.systems import System, WordAround

NODES, SENDERS = 3, 60
PACED_RATE = 1000.0


def measure(systems: Iterable[System], windows: Iterable[int], *, seconds: float) -> dict[str, Any]:
    """Return figures for every window of every system, the paced run of WordAround, and Redis' ceiling."""
    systems = tuple(systems)
    closed = [
        {"system": system.name, "window": window, **_run(system, seconds, window=window)}
        for window in windows
        for system in systems
    ]
    paced = [
        {"system": system.name, "rate": PACED_RATE, **_run(system, seconds, rate=PACED_RATE)}
        for system in systems
    ]
    ours = [system for system in systems if isinstance(system, WordAround)]
    return {"closed": closed, "paced": paced, "ceiling": redis_alone(ours[0], seconds) if ours else None}


def _run(system: System, seconds: float, **pace: Any) -> dict[str, Any]:
    with system.cluster(NODES, pinned=False) as cluster:
        load = load_for(
            cluster,
            system,
            rooms=SENDERS,
            members=1,
            senders=1,
            seconds=seconds,
            core=None,
            sweep_s=0.0,
            **pace,
        )
        measured = run_loader(load, f"{system.name}, sends {pace}", cluster)
    note(_progress(system, pace, measured))
    return measured.figures() | {"sends_per_s": measured.sends / measured.elapsed_s}


def _progress(system: System, pace: dict[str, Any], measured: Measured) -> str:
    return (
        f"sends {system.name:11} {pace}: {measured.sends / measured.elapsed_s:8,.0f}/s, "
        f"ack p50 {measured.ack_ms.get('p50')} p99 {measured.ack_ms.get('p99')} ms, "
        f"nodes {measured.share(measured.node_cpu_s):.0%}, Redis {measured.share(measured.other_cpu_s):.0%}, "
        f"loader {measured.loader_share:.0%}, others {measured.share(measured.foreign_cpu_s):.0%} of a core"
        f"  {'; '.join([*measured.problems, *measured.remarks])}"
    )
