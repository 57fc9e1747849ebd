"""Fan-out: deliveries per CPU-second of a node, window by window."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.benchmarks import cpu
from tests.benchmarks.load import Load, Measured
from tests.benchmarks.report import note
from tests.benchmarks.systems import Cluster, System

LOADER_MOST = 0.9  # above it the loader was the bottleneck
NOISE_MOST = 0.2  # of a core, by foreign processes
LOAD_TIMEOUT_S = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """So many rooms, members and senders, on so many nodes. `sweep_s`: how often recipients read."""

    name: str
    title: str
    rooms: int
    members: int
    senders: int
    nodes: int
    sweep_s: float = 0.004


ROOM = Shape(name="room", title="1 room of 204, 4 senders, 1 node", rooms=1, members=204, senders=4, nodes=1)
PROMPT = Shape(
    name="prompt",
    title="1 room of 204, 4 senders, 1 node, recipients read at once",
    rooms=1,
    members=204,
    senders=4,
    nodes=1,
    sweep_s=0.0,
)
ROOMS = Shape(
    name="rooms", title="100 rooms of 20, 1 sender each, 1 node", rooms=100, members=20, senders=1, nodes=1
)
ROOMS3 = Shape(
    name="rooms3", title="100 rooms of 20, 1 sender each, 3 nodes", rooms=100, members=20, senders=1, nodes=3
)
SHAPES = {shape.name: shape for shape in (ROOM, PROMPT, ROOMS, ROOMS3)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One run of one system."""

    shape: str
    system: str
    window: int
    measured: Measured

    @property
    def invalid(self) -> str | None:
        """Return why the run must not be compared."""
        measured = self.measured
        if measured.problems:
            return "; ".join(measured.problems)
        if measured.loader_share > LOADER_MOST:
            return f"the loader was the bottleneck ({measured.loader_share:.0%} of its core)"
        return None if measured.deliveries else "nothing was delivered while it was measured"

    @property
    def remarks(self) -> list[str]:
        """Return what must be known of the run."""
        noise = self.measured.share(self.measured.foreign_cpu_s)
        noisy = [f"noisy: others used {noise:.0%}"] if noise > NOISE_MOST else []
        return [*([f"invalid: {self.invalid}"] if self.invalid else []), *self.measured.remarks, *noisy]

    def figures(self) -> dict[str, Any]:
        """Return everything as JSON takes it."""
        return {
            "shape": self.shape,
            "system": self.system,
            "window": self.window,
            "invalid": self.invalid,
            **self.measured.figures(),
            "remarks": self.remarks,
        }


def measure(
    systems: Iterable[System],
    shapes: Iterable[Shape],
    windows: Iterable[int],
    *,
    seconds: float,
) -> Iterator[Result]:
    """Yield the results; every run has processes and a Redis of its own."""
    windows = tuple(windows)
    systems = tuple(systems)
    for shape in shapes:
        for window in windows:
            for system in systems:  # One after the other, so that the machine's moods meet all alike.
                yield _run(system, shape, window, seconds)


def run_loader(load: Load, what: str, cluster: Cluster) -> Measured:
    """Run the loader's process. Where it fails, the record says so, and the log of the nodes is shown."""
    loader = [sys.executable, "-m", "tests.benchmarks.loader"]
    try:
        done = subprocess.run(
            loader, input=load.to_json(), capture_output=True, text=True, timeout=LOAD_TIMEOUT_S, check=True
        )
    except subprocess.CalledProcessError as error:
        logs = "\n".join(node.log_tail() for node in cluster.nodes)
        note(f"{what}: the loader failed:\n{error.stderr.strip()[-2000:]}\n{logs}")
        return Measured.failed(error.stderr.strip().splitlines()[-1] if error.stderr.strip() else "no word")
    except subprocess.TimeoutExpired:
        return Measured.failed(f"not done within {LOAD_TIMEOUT_S:.0f} s")
    return Measured.from_json(done.stdout)


def load_for(cluster: Cluster, system: System, **load: Any) -> Load:
    """Return a load on a cluster; the loader is on the core that the nodes are not on, unless told."""
    load.setdefault("core", cpu.split_cores()[1])
    return Load(
        ports=[node.port for node in cluster.nodes],
        pids=[node.pid for node in cluster.nodes],
        other_pids=[cluster.redis.pid],
        contiguous=system.contiguous,
        **load,
    )


def progress(result: Result) -> str:
    """Return a line about a run."""
    measured = result.measured
    return (
        f"{result.shape:7} {result.system:17} window {result.window:3}: "
        f"{measured.per_cpu_s:10,.0f} per CPU-s, {measured.deliveries / measured.elapsed_s:10,.0f}/s, "
        f"node {measured.share(measured.node_cpu_s):.0%}, "
        f"loader {measured.loader_share:.0%}, Redis {measured.share(measured.other_cpu_s):.0%}, "
        f"others {measured.share(measured.foreign_cpu_s):.0%}, {measured.frame_bytes} bytes a frame, "
        f"ack p50 {measured.ack_ms.get('p50')} ms  {'; '.join(result.remarks)}"
    )


def _run(system: System, shape: Shape, window: int, seconds: float) -> Result:
    with system.cluster(shape.nodes) as cluster:
        load = load_for(
            cluster,
            system,
            rooms=shape.rooms,
            members=shape.members,
            senders=shape.senders,
            window=window,
            sweep_s=shape.sweep_s,
            seconds=seconds,
        )
        measured = run_loader(load, f"{system.name}, {shape.name}, window {window}", cluster)
    return Result(shape=shape.name, system=system.name, window=window, measured=measured)
