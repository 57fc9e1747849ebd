"""The shipped scenarios end as they say, on real clusters; nothing is left behind.

Each test runs the command as a user would, in an empty folder.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest

BACKENDS = [
    pytest.param("process", marks=pytest.mark.process),
    pytest.param("docker", marks=pytest.mark.docker),
]


def _run(scenario: str, backend: str, folder: Path) -> tuple[subprocess.CompletedProcess[str], Path]:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", scenario, "--backend", backend, "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    runs = list((folder / "runs").glob("*"))
    assert len(runs) == 1, done.stderr
    return done, runs[0]


def _property(verdict: dict[str, Any], name: str) -> dict[str, Any]:
    return next(p for p in verdict["properties"] if p["name"] == name)


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


@pytest.mark.parametrize("backend", BACKENDS)
def test_node_kill_passes(backend: str, tmp_path: Path) -> None:
    done, run = _run("node-kill", backend, tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    verdict = json.loads(done.stdout)
    assert (verdict["verdict"], verdict["as_expected"]) == ("pass", True)
    assert verdict == json.loads((run / "verdict.json").read_text())
    assert {p["verdict"] for p in verdict["properties"]} == {"pass"}
    assert verdict["stats"]["sends"]["acked"] > 1000
    assert verdict["stats"]["reconnections"]["count"] >= 5
    assert all(r["back_ns"] is not None for r in verdict["reconnections"])
    assert (run / "report.html").stat().st_size > 10_000
    assert _left_of(run) == []
    if backend == "docker":
        assert _containers_of(run) == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_pubsub_node_kill_is_caught_losing_messages(backend: str, tmp_path: Path) -> None:
    done, run = _run("pubsub-node-kill", backend, tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    verdict = json.loads(done.stdout)
    assert (verdict["verdict"], verdict["expected"], verdict["as_expected"]) == ("fail", "fail", True)
    lost = _property(verdict, "complete-delivery")
    assert lost["violations"] >= 1
    assert "never received it" in lost["witnesses"][0]["story"]
    assert _left_of(run) == []
    if backend == "docker":
        assert _containers_of(run) == []
