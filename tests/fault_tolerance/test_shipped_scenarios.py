"""Every shipped scenario ends as it says, on each backend that has its faults; nothing is left behind.

Each test runs the command as a user would, in an empty folder. Where one fails, its report is named.

    python -m pytest tests/fault_tolerance               # all of them, about 25 minutes
    python -m pytest tests/fault_tolerance -m "not slow"                          # the fast half
    python -m pytest tests/fault_tolerance --scenario-backend process --scenario-seed 7 -k redis
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest

from harness.faults.registry import FAULTS
from harness.scenario.library import load, shipped
from tests.fault_tolerance.conftest import FAST

BACKENDS = ("process", "docker")
BESIDE_THE_PHASES_S = 120.0  # Of a busy machine; the benchmark `startup` says what it takes on a quiet one.


def _cases() -> Iterator[Any]:
    for name in shipped():
        faults = {fault.fault for fault in load(name).scenario.faults}
        for backend in BACKENDS:
            if all(backend in FAULTS[fault].spec.mechanisms for fault in faults):
                marks = [getattr(pytest.mark, backend)]
                if (name, backend) not in FAST:
                    marks.append(pytest.mark.slow)
                yield pytest.param(name, backend, id=f"{name}-{backend}", marks=marks)


@pytest.mark.parametrize(("name", "backend"), [*_cases()])
@pytest.mark.timeout(900)
def test_scenario(
    name: str, backend: str, seed: int | None, runs_dir: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if backend not in (request.config.getoption("--scenario-backend") or BACKENDS):
        pytest.skip(f"--scenario-backend leaves {backend} out")
    scenario = load(name).scenario
    done, run = _run(name, backend, seed, runs_dir, tmp_path)
    assert run is not None, done.stderr
    told = f"its report: {run / 'report.html'}\n{done.stderr}{done.stdout[:2000]}"
    assert done.returncode == 0, told
    verdict = json.loads(done.stdout)
    assert (verdict["verdict"], verdict["as_expected"]) == (scenario.expect.verdict, True), told
    assert verdict == json.loads((run / "verdict.json").read_text())
    violated = {p["name"] for p in verdict["properties"] if p["verdict"] == "fail"}
    assert set(scenario.expect.violates) <= violated, told
    assert all(p["witnesses"] for p in verdict["properties"] if p["verdict"] == "fail")
    assert verdict["stats"]["sends"]["acked"] > 300
    assert _receipts(run) == {fault.fault for fault in scenario.faults}
    assert (run / "report.html").stat().st_size > 10_000
    assert _left_of(run) == []
    if backend == "docker":
        assert _containers_of(run) == []


def test_the_fast_half_names_only_what_there_is() -> None:
    known = {(name, backend) for name in shipped() for backend in BACKENDS}
    assert known >= FAST


def _run(
    name: str, backend: str, seed: int | None, runs_dir: Path, folder: Path
) -> tuple[subprocess.CompletedProcess[str], Path | None]:
    runs = runs_dir.absolute()
    before = set(runs.glob(f"*-{name}-*"))
    phases = load(name).scenario.phases
    done = subprocess.run(
        [
            sys.executable, "-m", "harness", "run", name, "--backend", backend, "--json",
            "--runs-dir", str(runs),
            *(("--seed", str(seed)) if seed is not None else ()),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=phases.warmup + phases.steady + phases.chaos + phases.recovery + BESIDE_THE_PHASES_S,
        check=False,
    )  # fmt: skip
    new = sorted(set(runs.glob(f"*-{name}-*")) - before)
    return done, new[-1] if new else None


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
