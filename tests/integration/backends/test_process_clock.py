"""Shifted clocks of processes: the wall clock alone, of one member alone, seen at once by who runs."""

import os
import subprocess
import sys
import time

import pytest

from harness.backends import process_clock
from harness.backends.private_mounts import PrivateMounts
from harness.backends.process_clock import SHARED_MEMORY, SHARED_MEMORY_SIZE, ProcessClock
from harness.backends.process_group import ProcessGroup
from harness.clock import deadline_ns, left_s, now_ns, utc_now
from harness.errors import HarnessError

pytestmark = pytest.mark.process

# Says the time whenever it is asked, by a line.
_TELLER = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic_ns(), flush=True)"


@pytest.fixture
def clock(tmp_path, groups):
    if missing := process_clock.lacking():
        pytest.skip(missing)
    mounts = PrivateMounts({SHARED_MEMORY: SHARED_MEMORY_SIZE}, log=tmp_path / "log", environment=os.environ)
    yield ProcessClock(tmp_path, ("one", "other"), mounts.inside, groups.get), mounts
    mounts.close()


@pytest.fixture
def groups():
    """The members' processes, by their names."""
    groups: dict[str, ProcessGroup] = {}
    yield groups
    for group in groups.values():
        group.end()


@pytest.fixture
def teller(clock):
    """Asks a process of the member `one`, which runs all the time, how far its clocks are off, in seconds."""
    shifted, mounts = clock
    with subprocess.Popen(
        mounts.inside(shifted.preloaded("one", (sys.executable, "-c", _TELLER))),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def off() -> tuple[float, float]:
            process.stdin.write("\n")
            process.stdin.flush()
            wall, monotonic = process.stdout.readline().split()
            return float(wall) - utc_now().timestamp(), (int(monotonic) - now_ns()) / 1e9

        yield off
        process.stdin.close()


@pytest.mark.parametrize("offset", [86_400.0, -3600.5])
def test_a_running_process_sees_its_wall_clock_jump_and_its_monotonic_clock_run_on(clock, teller, offset):
    shifted, _ = clock
    assert max(map(abs, teller())) < 1

    shifted.shift("one", offset)
    wall, monotonic = teller()
    assert abs(wall - offset) < 1
    assert abs(monotonic) < 1
    assert abs(shifted.offset("one") - offset) < 1
    assert abs(shifted.offset("other")) < 1

    shifted.shift("one", 0.0)
    assert max(map(abs, teller())) < 1


def test_whose_processes_have_the_library_is_told_by_the_kernel(clock, groups, tmp_path):
    shifted, mounts = clock

    def started(*command: str) -> ProcessGroup:
        log = tmp_path / "member.log"
        return ProcessGroup(command, folder=tmp_path, environment=os.environ, log=log)

    # As a program that is linked statically: it is given the library, and has no use for it.
    without = ("env", "-u", "LD_PRELOAD", "sleep", "60")
    groups["one"] = started(*mounts.inside(shifted.preloaded("one", ("sleep", "60"))))
    groups["other"] = started(*mounts.inside(shifted.preloaded("other", without)))

    has, has_not = f"sleep (pid {groups['one'].pid})", f"sleep (pid {groups['other'].pid})"
    deadline = deadline_ns(10.0)
    while shifted.holders("one") != {has: True} or shifted.holders("other") != {has_not: False}:
        assert left_s(deadline), (shifted.holders("one"), shifted.holders("other"))
        time.sleep(0.01)  # They become `sleep` by several programs, each of which loads what it needs.
    groups["one"].end()
    assert shifted.holders("one") == {}


def test_where_the_library_is_missing_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(process_clock, "_FOLDERS", ("/nonexistent/*/faketime",))

    with pytest.raises(
        HarnessError, match=r"libfaketimeMT.so.1 is not on this machine .*apt-get install libfaketime"
    ):
        process_clock.library()
    assert process_clock.lacking() is not None
