"""Holds a process group to a share of a core, from outside: `python -m harness.throttle PID CORES`.

The kernel's own quotas need control groups that this user may write to, which few have; signals everybody
has. The group may use `CORES` seconds of CPU a second: who has used more than that since it was last in
credit is stopped (SIGSTOP) until the time that has passed covers it, then goes on (SIGCONT). So a busy group
runs in bursts and gets its share, and an idle one is never stopped. Ends when the group has ended; on SIGTERM
it lets the group go on first.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator

import psutil

POLL_S = 0.01  # The kernel tells CPU time in steps of this.
HOLDS = "holds"  # what it prints first, once it does
STOPPED = "."  # what it prints after that, each time
CREDIT_S = 0.02  # What an idle group saves up, in seconds of CPU: a short burst is not held against it.
_ENDED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def used_s(group: int) -> float:
    """Return the seconds of CPU that the living processes of the group have used."""
    return sum(_cpu_s(process) for process in members(group))


def held_bytes(group: int) -> int:
    """Return the bytes of memory that the living processes of the group hold (resident)."""
    held = 0
    for process in members(group):
        with contextlib.suppress(psutil.NoSuchProcess):
            held += process.memory_info().rss
    return held


def members(group: int) -> Iterator[psutil.Process]:
    """Yield the living processes of the group."""
    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if os.getpgid(pid) == group:
                process = psutil.Process(pid)
                if process.status() not in _ENDED:
                    yield process


def hold(group: int, cores: float) -> None:
    """Hold the group to its share; returns when it has ended."""
    processes = list(members(group))
    debt_s, used, now = 0.0, sum(map(_cpu_s, processes)), time.monotonic()
    _say(f"{HOLDS} {group}\n")
    while processes:
        time.sleep(POLL_S)
        before, last = used, now
        used, now = sum(map(_cpu_s, processes)), time.monotonic()
        debt_s = max(debt_s + used - before - (now - last) * cores, -CREDIT_S)
        if debt_s > 0:
            os.killpg(group, signal.SIGSTOP)
            time.sleep(debt_s / cores)
            os.killpg(group, signal.SIGCONT)
            _say(STOPPED)
        processes = [process for process in processes if _lives(process)]


def _say(words: str) -> None:
    sys.stdout.write(words)
    sys.stdout.flush()


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() not in _ENDED
    except psutil.NoSuchProcess:
        return False


def main(arguments: list[str]) -> None:
    """Run as a program."""
    group, cores = int(arguments[0]), float(arguments[1])
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        with contextlib.suppress(ProcessLookupError):
            hold(group, cores)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGCONT)


if __name__ == "__main__":
    main(sys.argv[1:])
