"""Idle connections: what one costs in memory, and whether thousands of them hold their pings.

Memory is the growth of the node's PSS (its own pages, shared ones in proportion) from after a first few
clients have come and gone, so that what is loaded late is not counted; and what each connection more costs
between the first and the last count. Memory of the kernel for sockets is not in it, for any system.
"""

import dataclasses
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from tests.benchmarks import cpu
from tests.benchmarks.idle_loader import IdleLoad, IdleMeasured
from tests.benchmarks.members import BenchmarkError
from tests.benchmarks.report import note
from tests.benchmarks.systems import Stock, System

ROOMS = 50
PING_S = 2  # WordAround's own; stock has 25 s by default, which would ask for less
TIMEOUT_S = 600.0


def measure(systems: Iterable[System], counts: list[int], *, hold_s: float) -> list[dict[str, Any]]:
    """Return what was measured for each system, with connections in rooms and without."""
    results = []
    for system in systems:
        alike = dataclasses.replace(system, ping_s=PING_S) if isinstance(system, Stock) else system
        for rooms in (0, ROOMS):
            measured = _run(alike, counts, rooms, hold_s)
            note(_progress(system, rooms, measured))
            results.append(
                {
                    "system": system.name,
                    "rooms": rooms,
                    "kb_more": measured.kb_more,
                    **dataclasses.asdict(measured),
                }
            )
    return results


def _run(system: System, counts: list[int], rooms: int, hold_s: float) -> IdleMeasured:
    with system.cluster(1) as cluster:
        node = cluster.nodes[0]
        load = IdleLoad(
            port=node.port, pid=node.pid, counts=counts, rooms=rooms, hold_s=hold_s, core=cpu.split_cores()[1]
        )
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.idle_loader"],
            input=load.to_json(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise BenchmarkError(f"{system.name}, idle: {done.stderr.strip()[-2000:]}\n{node.log_tail()}")
    return IdleMeasured.from_json(done.stdout)


def _progress(system: System, rooms: int, measured: IdleMeasured) -> str:
    steps = ", ".join(f"{step['connections']}: {step['kb_each']:.1f} KB" for step in measured.steps)
    return (
        f"idle {system.name:11} {'joined' if rooms else 'not joined'}: {steps}; "
        f"{measured.kb_more:.1f} KB for each more; held {measured.hold_s:.0f} s: "
        f"{measured.lost} lost, {measured.late} without their pings, node {measured.node_share:.0%} of a core"
    )
