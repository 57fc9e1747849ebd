"""The throttle: a busy group gets its share, an idle one is let be, and its end lets the group go on."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from harness import throttle

pytestmark = pytest.mark.process


@pytest.fixture
def group():
    """Starts a program in a group of its own."""
    started = []

    def start(program: str) -> int:
        process = subprocess.Popen((sys.executable, "-c", program), start_new_session=True)
        started.append(process)
        return process.pid

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def held():
    started = []

    def hold(group: int, cores: float) -> subprocess.Popen:
        command = (sys.executable, "-m", "harness.throttle", str(group), str(cores))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline().startswith(throttle.HOLDS)
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def used_in(group: int, seconds: float) -> float:
    """Return the cores that the group used."""
    began, before = time.monotonic(), throttle.used_s(group)
    time.sleep(seconds)
    return (throttle.used_s(group) - before) / (time.monotonic() - began)


def test_a_busy_group_with_a_child_gets_its_share_and_no_more(group, held):
    busy = group("import os\nos.fork()\nwhile True: pass")
    held(busy, 0.2)

    assert used_in(busy, 2.0) < 0.3


def test_an_idle_group_is_never_stopped(group, held):
    idle = group("import time\nwhile True: time.sleep(0.01)")
    held(idle, 0.2)

    states = set()
    for _ in range(100):
        states.add(psutil.Process(idle).status())
        time.sleep(0.01)
    assert psutil.STATUS_STOPPED not in states


def test_who_ends_the_throttle_lets_the_group_go_on(group, held):
    busy = group("while True: pass")
    throttled = held(busy, 0.01)
    end = time.monotonic() + 10
    while psutil.Process(busy).status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < end
        time.sleep(0.01)

    throttled.terminate()
    assert throttled.wait(timeout=10) == 0

    assert psutil.Process(busy).status() != psutil.STATUS_STOPPED


def test_the_throttle_ends_with_its_group(group, held):
    busy = group("while True: pass")
    throttled = held(busy, 0.5)

    os.killpg(busy, signal.SIGKILL)

    assert throttled.wait(timeout=10) == 0
