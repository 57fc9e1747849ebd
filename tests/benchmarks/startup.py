"""How long the harness lets one wait: until a cluster is ready, beside a run's phases, for a new image.

Each is measured several times, by wall clock, on whatever else the machine does; the longest counts.
"""

import itertools
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker as docker_sdk

from harness.backends import docker as docker_backend
from harness.backends.base import Backend
from harness.backends.docker import DockerBackend
from harness.backends.images import cluster_source, ensure_images, ensure_node_image
from harness.backends.process import ProcessBackend
from harness.records.plan import ClusterPlan
from tests.benchmarks.members import BenchmarkError
from tests.benchmarks.report import note

NODES = ("node-1", "node-2", "node-3")
PLAN = ClusterPlan(nodes=NODES, delivery="durable", appendfsync="always")
PHASES_S = 4
SCENARIO = """\
version: 1
name: overhead
description: Measures what a run takes beside its phases.
load: {users: 30, spawn_rate: 30, rooms: 3, messages_per_second: 60}
phases: {warmup: 1s, steady: 1s, chaos: 1s, recovery: 1s}
checks: all
faults: []
"""
RUN_DEADLINE_S = 120


def measure(times: int) -> dict[str, Any]:
    """Return the seconds of each repetition by what was measured; Docker's are left out where it is not."""
    results: dict[str, Any] = {
        "ready_process": _ready(ProcessBackend, times),
        "overhead_process": _overhead("process", times),
    }
    if why := docker_backend.available():
        note(f"!!! LEFT OUT: containers: {why}")
        return results
    results["ready_docker"] = _ready(_docker_with_its_images, times)
    results["overhead_docker"] = _overhead("docker", times)
    results["rebuild"] = _rebuilds(times)
    return results


def _docker_with_its_images() -> DockerBackend:
    client = docker_sdk.from_env()
    try:
        ensure_images(client, say=note)
    finally:
        client.close()
    return DockerBackend()


def _ready(make: Callable[[], Backend], times: int) -> list[float]:
    """Measure from the order to start until Redis and three nodes are ready."""
    took_s = []
    for _ in range(times):
        with tempfile.TemporaryDirectory(prefix="wordaround-startup-") as folder:
            backend = make()
            try:
                took_s.append(_seconds(lambda: backend.start(PLAN, run_id=_run_id(), logs=Path(folder))))  # noqa: B023
            finally:
                backend.close()
    return _noted(f"ready, {backend.name}", took_s)


def _run_id() -> str:
    return secrets.token_hex(4)


def _overhead(backend: str, times: int) -> list[float]:
    """Measure the wall time of a whole `wordaround run`, verdict and reports included, less its phases."""
    with tempfile.TemporaryDirectory(prefix="wordaround-startup-") as folder:
        scenario = Path(folder) / "overhead.yaml"
        scenario.write_text(SCENARIO, encoding="utf-8")
        command = [sys.executable, "-m", "harness", "run", str(scenario), "--backend", backend]
        command += ["--runs-dir", str(Path(folder) / "runs")]
        return _noted(f"overhead, {backend}", [_one_run(command) - PHASES_S for _ in range(times)])


def _one_run(command: list[str]) -> float:
    began_s = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_DEADLINE_S, check=False)
    if done.returncode != 0:
        raise BenchmarkError(
            f"the run ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return time.monotonic() - began_s


def _rebuilds(times: int) -> list[float]:
    """Measure the build of the nodes' image after an edit to one file of a copy of `cluster`."""
    client = docker_sdk.from_env()
    with tempfile.TemporaryDirectory(prefix="wordaround-startup-") as folder:
        source = Path(folder) / "cluster"
        shutil.copytree(cluster_source(), source, ignore=shutil.ignore_patterns("__pycache__"))
        built: list[str] = []
        try:
            python = ensure_images(client, say=note).python
            return _noted("rebuild", [*_edits(client, source, python, times, built)])
        finally:
            for tag in built:
                client.images.remove(tag, force=True)
            client.close()


def _edits(
    client: docker_sdk.DockerClient, source: Path, python: str, times: int, built: list[str]
) -> Iterator[float]:
    edited = source / "app.py"
    original = edited.read_text(encoding="utf-8")
    for number in itertools.islice(itertools.count(1), times):
        edited.write_text(f"{original}\n# edit {number} {_run_id()}\n", encoding="utf-8")
        yield _seconds(lambda: built.append(ensure_node_image(client, source, python, say=lambda line: None)))


def _seconds(work: Callable[[], object]) -> float:
    began_s = time.monotonic()
    work()
    return time.monotonic() - began_s


def _noted(what: str, took_s: list[float]) -> list[float]:
    rounded = [round(value, 2) for value in took_s]
    note(f"{what}: {rounded} s")
    return rounded
