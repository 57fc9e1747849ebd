"""Shifted clocks of processes: the wall clock alone, of one member alone, seen at once by who runs."""

import os
import subprocess
import sys

import pytest

from harness.backends import process_clock
from harness.backends.private_mounts import PrivateMounts
from harness.backends.process_clock import SHARED_MEMORY, SHARED_MEMORY_SIZE, ProcessClock
from harness.clock import now_ns, utc_now
from harness.errors import HarnessError

pytestmark = pytest.mark.process

# Says the time whenever it is asked, by a line.
_TELLER = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic_ns(), flush=True)"


@pytest.fixture
def clock(tmp_path):
    if missing := process_clock.lacking():
        pytest.skip(missing)
    mounts = PrivateMounts({SHARED_MEMORY: SHARED_MEMORY_SIZE}, log=tmp_path / "log", environment=os.environ)
    yield ProcessClock(tmp_path, ("one", "other"), mounts.inside), mounts
    mounts.close()


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


def test_where_the_library_is_missing_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(process_clock, "_FOLDERS", ("/nonexistent/*/faketime",))

    with pytest.raises(
        HarnessError, match=r"libfaketimeMT.so.1 is not on this machine .*apt-get install libfaketime"
    ):
        process_clock.library()
    assert process_clock.lacking() is not None
