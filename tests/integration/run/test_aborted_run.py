"""A run that must not go on: healed first, then said why; the folder is kept and judged, exit 3."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.process

SCENARIO = """\
version: 1
name: stopped
cluster: {nodes: 2}
load: {users: 4, spawn_rate: 20, messages_per_second: 40}
phases: {warmup: 1s, steady: 2s, chaos: 20s, recovery: 4s}
faults:
  - {id: crash, fault: kill, at: 0s, target: {name: node-2}, restart_after: 15s}
"""


def wordaround(folder: Path, scenario: str, *options: str) -> tuple[int, str, str, Path]:
    """Run a scenario; returns exit code, stdout, stderr and the run folder."""
    (folder / "stopped.yaml").write_text(scenario)
    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", "stopped.yaml", "--backend", "process", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert "Traceback" not in done.stderr
    [run] = (folder / "runs").iterdir()
    assert _processes_in(folder) == []
    return done.returncode, done.stdout, done.stderr, run


def _processes_in(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.pid != os.getpid():
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def meta(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "meta.json").read_text()))


def steps(run: Path) -> list[str]:
    return [json.loads(line)["step"] for line in (run / "faults.jsonl").read_text().splitlines()]


def finding(run: Path, name: str) -> dict[str, str]:
    verdict = json.loads((run / "verdict.json").read_text())
    return next(f for f in verdict["lifecycle"] if f["name"] == name)


def test_a_steady_state_that_does_not_hold_stops_the_run_before_the_first_fault(tmp_path: Path) -> None:
    probes = (
        "steady_state:\n"
        "  - {probe: delivery_ratio, min: 0.99}\n"
        "  - {probe: ready_nodes, max: 1}\n"  # which a healthy cluster does not meet
        "faults:"
    )
    code, out, err, run = wordaround(tmp_path, SCENARIO.replace("faults:", probes))
    why = (
        "the steady state did not hold before the first fault, so none was injected: "
        "ready_nodes was 2 (at most 1)"
    )
    assert code == 3
    assert f"Stopping: {why}\n" in err
    assert meta(run)["aborted"] == why
    assert steps(run) == []
    assert finding(run, "steady-state")["evidence"] == "ready_nodes was 2 (at most 1)"
    assert finding(run, "steady-state-after")["verdict"] == "unknown"
    assert "UNKNOWN" in out
    assert (run / "report.html").exists()


def test_too_many_members_away_stop_the_run_and_are_healed_first(tmp_path: Path) -> None:
    limit = "limits: {max_unavailable: 0}\nfaults:"
    code, out, err, run = wordaround(tmp_path, SCENARIO.replace("faults:", limit))
    why = "1 members were unavailable at once, and `limits.max_unavailable` allows 0: node-2 (down)"
    assert code == 3
    assert f"Stopping: {why}; healing first\n" in err
    assert meta(run)["aborted"] == why
    assert steps(run)[-2:] == ["healed", "heal_proved"]
    assert f"the run was aborted: {why}" in out
    assert '"member":"node-2","role":"node","state":"ready"' in (run / "members.jsonl").read_text()


@pytest.mark.slow  # The limit must lie in the fault, also where the start takes its time.
def test_a_run_that_is_out_of_time_heals_first_and_says_so(tmp_path: Path) -> None:
    code, out, err, run = wordaround(tmp_path, SCENARIO, "--timeout", "15s")
    why = "the run took longer than `--timeout` gives it (15 s)"
    assert code == 3
    assert f"Stopping: {why}; healing first\n" in err
    assert meta(run)["aborted"] == why
    assert steps(run)[-1] == "heal_proved"
    assert f"the run was aborted: {why}" in out


def test_a_run_that_is_out_of_time_while_it_starts_says_so(tmp_path: Path) -> None:
    code, out, _, run = wordaround(tmp_path, SCENARIO, "--timeout", "200ms")
    assert code == 3
    assert "the run was aborted: the run took longer than `--timeout` gives it (0.2 s)" in out
    assert "the load never began" in finding(run, "healthy-start")["evidence"]


def test_a_timeout_that_is_no_duration_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "stopped.yaml").write_text(SCENARIO)
    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", "stopped.yaml", "--timeout", "12"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--timeout wants a duration above zero like 90s or 5m, not '12'" in done.stderr
