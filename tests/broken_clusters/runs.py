"""One run of a broken cluster through the real command: its scenario, its verdict."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.broken_clusters.planting import Bug, Fault

ROOT = Path(__file__).parents[2]
PATIENCE_S = 150.0  # far above any run: 12 s of load, start, drain, judgement

# Long enough for what a fault needs: 20 sends before, during and after it.
_CHAOS = {
    Fault.NONE: ("3s", "[]"),
    Fault.NODE_KILL: (
        "5s", "[{id: crash, fault: kill, at: 1s, target: {name: node-1}, restart_after: 2s}]"
    ),
    Fault.REDIS_KILL: (
        "5s", "[{id: outage, fault: kill, at: 1s, target: {name: redis}, restart_after: 1500ms}]"
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a run ended: the exit code, what it said, and its verdict."""

    exit_code: int
    said: str
    verdict: dict[str, Any]

    def failed(self) -> set[str]:
        """Return the guarantees that failed."""
        return {found["name"] for found in self.verdict["properties"] if found["verdict"] == "fail"}

    def witnesses(self, name: str) -> list[dict[str, Any]]:
        """Return what stands behind a failure."""
        (found,) = (f for f in self.verdict["properties"] if f["name"] == name)
        return list(found["witnesses"])


def scenario(bug: Bug) -> str:
    """Return the scenario in which the bug shows, and which expects what becomes of it."""
    chaos, faults = _CHAOS[bug.fault]
    caught = f"verdict: fail, violates: [{', '.join(bug.must)}], may_violate: [{', '.join(bug.may)}]"
    return f"""\
version: 1
name: {bug.name}
description: {json.dumps(bug.sentence)}
cluster:
  command: ["{{python}}", -m, tests.broken_clusters, {bug.name}, "{{folder}}"]
load: {{users: 20, spawn_rate: 20, rooms: 2, messages_per_second: 40}}
phases: {{warmup: 2s, steady: 1s, chaos: {chaos}, recovery: {round(bug.recovery_s * 1000)}ms}}
faults: {faults}
limits: {{drain: 6s, presence: {round(bug.presence_s * 1000)}ms}}
expect: {{{caught if bug.must else "verdict: pass"}}}
"""


def run(bug: Bug, folder: Path, *, seed: int = 1) -> Ended:
    """Run the bug's scenario in a folder; it must leave exactly one judged run there."""
    (folder / "scenario.yaml").write_text(scenario(bug), encoding="utf-8")
    command = (
        sys.executable, "-m", "harness", "run", str(folder / "scenario.yaml"), "--backend", "process",
        "--seed", str(seed), "--runs-dir", str(folder / "runs"),
    )  # fmt: skip
    # The nodes run in the folder where the command is started: there Python finds this package.
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=os.environ
    )
    said = done.stdout + done.stderr
    verdicts = list((folder / "runs").glob("*/verdict.json"))
    assert len(verdicts) == 1, said
    return Ended(exit_code=done.returncode, said=said, verdict=json.loads(verdicts[0].read_bytes()))
