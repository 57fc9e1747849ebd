"""CPU time and memory from /proc: of processes, and of the whole machine. Linux only."""

import os
from pathlib import Path

import psutil

_TICKS_S = os.sysconf("SC_CLK_TCK")


def used_s(pids: list[int]) -> float:
    """Return user and system seconds of processes, of their living children and of those they waited for."""
    return sum(_process_s(pid) + sum(_process_s(c.pid) for c in _children(pid)) for pid in pids)


def busy_s() -> float:
    """Return the seconds that all cores together did something for somebody, since boot."""
    name, *ticks = Path("/proc/stat").read_text().splitlines()[0].split()
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
    assert name == "cpu"
    return (user + nice + system + irq + softirq + steal) / _TICKS_S


def pss_kb(pid: int) -> int:
    """Return a process' proportional set size in KB (1,024 bytes)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"the kernel tells no PSS of process {pid}")


def cores() -> int:
    """Return how many cores the machine has."""
    return os.cpu_count() or 1


def pin(core: int | None) -> None:
    """Keep this process on a core; `None` leaves it free."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def split_cores() -> tuple[int | None, int | None]:
    """Return a core for the nodes and one for everything else; `None`s where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[1]) if len(cores) > 1 else (None, None)


def _process_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS_S  # utime, stime, cutime, cstime


def _children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)
