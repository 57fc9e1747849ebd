"""`run --repeat`: every run is made, each with a seed of its own, and summed up."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

SHORTEST = """\
version: 1
name: short
cluster: {nodes: 1}
load: {users: 1, spawn_rate: 20, messages_per_second: 20}
phases: {warmup: 1s, steady: 0s, chaos: 0s, recovery: 500ms}
faults: []
"""


def test_each_run_has_the_next_seed_and_the_summary_has_them_all(tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text(SHORTEST)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "harness", "run", "short.yaml", "--backend", "process"),
            *("--repeat", "2", "--seed", "41", "--json"),
        ],
        cwd=tmp_path,
        env={**os.environ, "GITHUB_ACTIONS": "true"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    summary = json.loads(done.stdout)
    [scenario] = summary["scenarios"]
    assert [run["seed"] for run in scenario["runs"]] == [41, 42]
    folders = {str(path.relative_to(tmp_path)) for path in (tmp_path / "runs").iterdir()}
    assert {run["folder"] for run in scenario["runs"]} == folders
    for run in scenario["runs"]:
        verdict = json.loads((tmp_path / run["folder"] / "verdict.json").read_text())
        assert (verdict["verdict"], verdict["seed"]) == (run["verdict"], run["seed"])
        kind = "notice" if run["exit_code"] == 0 else "error"
        assert f"\n::{kind} title=short%2C seed {run['seed']}::" in done.stderr
    assert scenario["rates"]["pass"]["of"] == 2
    assert done.returncode == summary["exit_code"] == max(run["exit_code"] for run in scenario["runs"])
    assert "run 1/2" in done.stderr
    assert "run 2/2" in done.stderr
