"""The watchdog: heals when its owner dies in any way, does nothing when its owner goes in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from harness import claims
from harness.claims import Claim
from harness.guard import Guard
from harness.labels import folder_prefix
from tests.unit.healing.names import RUN

Make = Callable[..., Claim]

OWNER = f"""
import sys, time, subprocess, os
from harness.claims import Claim
from harness.guard import Guard
from harness.labels import labelled, temporary_folder
guard = Guard(Claim(run_id="{RUN}", backend="process", folder=sys.argv[1], command="x"))
folder = temporary_folder("{RUN}")
child = subprocess.Popen(["sleep", "60"], env=labelled(os.environ, "{RUN}"), start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""


def _wait_until(true: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def _watchdog() -> psutil.Process:
    """Find it; for an instant after its start the kernel says nothing of its command."""
    found: list[psutil.Process] = []
    _wait_until(lambda: bool(found.extend(_watchdogs()) or found))
    [watchdog] = found
    return watchdog


def _watchdogs() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "harness.watchdog" in p.cmdline()]


def test_a_watchdog_that_is_let_go_leaves_no_trace(claim: Make, tmp_path: Path) -> None:
    guard = Guard(claim())
    watchdog = _watchdog()
    assert guard.release() == ""
    assert not watchdog.is_running()
    assert not claims.folder().exists()
    assert not (tmp_path / "run" / "watchdog.log").exists()
    assert guard.release() == ""


def test_the_death_of_the_owner_is_healed(claim: Make, tmp_path: Path, temporary: Path) -> None:
    run = claim().folder
    owner = subprocess.Popen([sys.executable, "-c", OWNER, run], stdout=subprocess.PIPE)
    with owner:
        assert owner.stdout is not None
        child = psutil.Process(int(owner.stdout.readline()))
        assert list(temporary.glob(folder_prefix(RUN) + "*"))
        owner.kill()
        owner.wait()
    _wait_until(lambda: not claims.folder().exists())
    assert not child.is_running()
    assert list(temporary.iterdir()) == []
    log = (tmp_path / "run" / "watchdog.log").read_text()
    assert "the harness died" in log
    assert "ended 1 process" in log


def test_signals_to_end_do_not_reach_the_watchdog(claim: Make) -> None:
    guard = Guard(claim())
    watchdog = _watchdog()
    assert os.getsid(watchdog.pid) == watchdog.pid  # Ctrl-C in the terminal goes to another group.
    _wait_until(lambda: _catches(watchdog, signal.SIGTERM))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(watchdog.pid, number)
    assert watchdog.is_running()
    assert guard.release() == ""  # It ended with status 0.


def _catches(process: psutil.Process, number: signal.Signals) -> bool:
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        pytest.skip("only Linux says which signals a process catches")
    caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) & (1 << (number - 1)))


def test_what_an_owner_gives_up_is_healed_while_it_lives(claim: Make, temporary: Path) -> None:
    guard = Guard(claim())
    left = temporary / f"{folder_prefix(RUN)}data"
    left.mkdir()
    assert guard.abandon("the cluster did not end", timeout_s=20)
    assert not left.exists()
    assert not claims.folder().exists()
    assert "the cluster did not end" in (Path(claim().folder) / "watchdog.log").read_text()


def test_a_watchdog_that_was_killed_is_told_of_at_the_end(claim: Make) -> None:
    guard = Guard(claim())
    _watchdog().kill()
    assert "was not there at the end" in guard.release()
    assert not claims.folder().exists()
