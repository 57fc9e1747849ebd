"""`wordaround` as a process, with a temporary folder of its own, so that it sees no other clusters."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.clock import deadline_ns, left_s

COMMAND = (sys.executable, "-m", "harness")
PATIENCE_S = 60.0


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until the condition holds; fail when it does not in good time."""
    deadline = deadline_ns(PATIENCE_S)
    while not condition():
        assert left_s(deadline), f"{what} within {PATIENCE_S:g} s"
        time.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Machine:
    """A temporary folder, and what the commands that use it leave in it and run."""

    temporary: Path

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "TMPDIR": str(self.temporary), "COLUMNS": "200", **more}

    def run(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Run `wordaround …` to its end."""
        return subprocess.run(
            (*COMMAND, *arguments),
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `wordaround …`, in a group of its own like a shell's."""
        return subprocess.Popen(
            (*COMMAND, *arguments),
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def up(self, *arguments: str) -> dict[str, Any]:
        """Start a cluster and return its status."""
        ended = self.run("up", "--json", *arguments)
        assert ended.returncode == 0, ended.stderr
        status: dict[str, Any] = json.loads(ended.stdout)
        return status

    def status(self, *arguments: str) -> dict[str, Any]:
        ended = self.run("status", "--json", *arguments)
        assert ended.returncode == 0, ended.stderr
        status: dict[str, Any] = json.loads(ended.stdout)
        return status

    def access(self, cluster: dict[str, Any]) -> dict[str, str]:
        """Return how the cluster's supervisor is reached."""
        access: dict[str, str] = json.loads(Path(cluster["access"]).read_text())
        return access

    def processes(self) -> list[psutil.Process]:
        """Return whatever runs with this temporary folder: supervisors, watchdogs, nodes."""
        return [process for process in psutil.process_iter() if _temporary_of(process) == str(self.temporary)]

    def left(self) -> list[str]:
        """Return what there is of any cluster."""
        return [*(path.name for path in self.temporary.glob("wordaround-*")), *map(str, self.processes())]

    def clear(self) -> None:
        """End what a failed test has left."""
        supervisors = [p for p in self.processes() if "harness.supervisor" in p.cmdline()]
        for process in supervisors:
            process.send_signal(signal.SIGTERM)
        psutil.wait_procs(supervisors, timeout=PATIENCE_S)


def _temporary_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("TMPDIR")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One for all tests of a module. Its path is short: a Unix socket's may not be long."""
    machine = Machine(tmp_path_factory.mktemp("m"))
    yield machine
    machine.clear()


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("m"))
    yield machine
    machine.clear()
