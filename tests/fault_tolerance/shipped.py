"""Shipped scenarios as tests: which there are, where each is fast, and what has to be true of its run.

There are several test files, so that pytest-xdist can run them side by side: those of a file stay together.
"""

import json
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest

from harness.faults.registry import FAULTS
from harness.pytest_plugin.runs import Outcome
from harness.records.verdict import Verdict
from harness.scenario.library import load, shipped

BACKENDS = ("process", "docker")

# What `make test` and CI run, each on one backend: for every kind of fault a scenario, the quick ones. The
# others, and all of them on their other backend, have the marker `slow`.
FAST = {
    ("node-kill", "docker"),  # On processes, and pubsub-node-kill in containers: `.ci/run` from the wheel.
    ("pubsub-node-kill", "process"),
    ("rolling-restart", "process"),
    ("all-nodes-restart", "process"),
    ("node-pause", "docker"),
    ("drain", "docker"),
    ("redis-kill", "docker"),
    ("redis-pause", "process"),
    ("redis-restart-under-load", "process"),
    ("redis-clients-kill", "docker"),
    ("redis-data-loss", "process"),
    ("node-redis-partition", "docker"),
    ("split-clients", "process"),
    ("slow-redis", "docker"),
    ("lossy-network", "docker"),
    ("narrow-bandwidth", "docker"),
    ("reconnect-storm", "process"),
    ("clock-skew", "process"),
    ("cpu-starved", "process"),
    ("redis-disk-full", "process"),
}


def cases(kind: str) -> list[Any]:
    """Return the scenarios of a kind, on each backend that has their faults, with the markers of each."""
    return [
        pytest.param(name, backend, id=f"{name}-{backend}", marks=_marks(name, backend))
        for name in shipped()
        if kind_of(name) == kind
        for backend in BACKENDS
        if all(backend in FAULTS[fault.fault].spec.mechanisms for fault in load(name).scenario.faults)
    ]


def kind_of(name: str) -> str:
    """Return in which file the tests of a scenario are."""
    if name.startswith("regressions/"):
        return "regressions"
    if name.startswith("pubsub-"):
        return "pubsub"
    faults = load(name).scenario.faults
    if any("links" in FAULTS[fault.fault].spec.needs for fault in faults):
        return "links"
    return "redis" if any(fault.target.name == "redis" for fault in faults) else "nodes"


def _marks(name: str, backend: str) -> list[pytest.MarkDecorator]:
    marks = [getattr(pytest.mark, backend), pytest.mark.timeout(900)]
    return marks if (name, backend) in FAST else [*marks, pytest.mark.slow]


def check(name: str, backend: str, outcome: Outcome) -> None:
    """Look at a run that was as expected: it has to be so for the right reasons, and leave nothing."""
    scenario, run, verdict = load(name).scenario, outcome.folder, outcome.verdict
    told = f"its report: {outcome.report}"
    assert verdict.verdict == scenario.expect.verdict, told
    assert verdict.backend == backend
    failed = [prop for prop in verdict.properties if prop.verdict is Verdict.FAIL]
    assert set(scenario.expect.violates) <= {prop.name for prop in failed}, told
    assert all(prop.witnesses for prop in failed)
    assert verdict.stats.sends.acked > 300
    assert _receipts(run) == {fault.fault for fault in scenario.faults}
    assert outcome.report.stat().st_size > 10_000
    assert _left_of(run) == []
    if backend == "docker":
        assert _containers_of(run) == []


def _receipts(run: Path) -> set[str]:
    """Name the faults that the journal has seen bite."""
    journal = run / "faults.jsonl"
    entries = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    return {entry["fault"] for entry in entries if entry["step"] == "proved"}


def _left_of(run: Path) -> list[str]:
    """Name every process that a member identity in the run's journal speaks of and that still lives."""
    entries = [json.loads(line) for line in (run / "members.jsonl").read_text().splitlines()]
    pids = {int(e["identity"].split("pid ")[1].split()[0]) for e in entries if e["identity"]}
    began = json.loads((run / "meta.json").read_text())["began_ns"] / 1e9 + psutil.boot_time()
    return [
        f"{pid} {' '.join(psutil.Process(pid).cmdline())}"
        for pid in pids
        if psutil.pid_exists(pid) and psutil.Process(pid).create_time() >= began - 5
    ]


def _containers_of(run: Path) -> list[str]:
    run_id = json.loads((run / "meta.json").read_text())["run_id"]
    client = docker.from_env()
    try:
        label = {"label": f"wordaround.run={run_id}"}
        kept = [c.name for c in client.containers.list(all=True, filters=label)]
        return kept + [n.name for n in client.networks.list(filters=label)]
    finally:
        client.close()
