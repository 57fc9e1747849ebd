"""Processes of a run, found by its label, and ended.

A process is the run's when one of three things says so, since programs may lose one or the other:

- its environment has the label (servers that write titles over it lose that: Redis, gunicorn);
- it stands in a temporary folder of the run (nodes that are another program do not);
- what it prints goes to a log of the run (a program may redirect it; `less` and `tail -f` only read it).
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from harness.clock import deadline_ns, left_s
from harness.labels import RUN_VARIABLE, folder_prefix

GRACE_S = 3.0  # for what ends in order: bots write out their history on SIGTERM
_KILL_S = 10.0
_ROUND_S = 0.2


def end_all(run_id: str, logs: Path, temporary: Path, say: Callable[[str], None]) -> list[str]:
    """SIGTERM them, then SIGKILL what is left, until a look finds none; return what did not end."""
    found = list(of_run(run_id, logs, temporary))
    for process in found:
        _signal(process, "terminate")
    able = [process for process in found if not _stands_still(process)]
    psutil.wait_procs(able, timeout=GRACE_S if able else 0)
    ended = {process.pid for process in found}
    deadline = deadline_ns(_KILL_S)
    while alive := list(of_run(run_id, logs, temporary)):
        if not left_s(deadline):
            return [_stuck(alive)]
        ended.update(process.pid for process in alive)
        for process in alive:
            _signal(process, "kill")
        psutil.wait_procs(alive, timeout=_ROUND_S)
    if ended:
        say(f"ended {len(ended)} process{'es' if len(ended) > 1 else ''}")
    return []


def of_run(run_id: str, logs: Path, temporary: Path) -> Iterator[psutil.Process]:
    """Yield the run's processes that live: never this one or one that it descends from."""
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    prefix = str(temporary.resolve() / folder_prefix(run_id))
    printed = f"{logs.resolve()}/"
    for process in psutil.process_iter():
        if process.pid not in spared and _is_of(process, run_id, prefix, printed):
            yield process


def _is_of(process: psutil.Process, run_id: str, prefix: str, printed: str) -> bool:
    try:
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return False
        return (
            process.environ().get(RUN_VARIABLE) == run_id
            or process.cwd().startswith(prefix)
            or any(file.fd in (1, 2) and file.path.startswith(printed) for file in process.open_files())
        )
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False  # It has ended, or it is another user's.


def _stands_still(process: psutil.Process) -> bool:
    """Whether it was stopped where it stands: it will take no signal but SIGKILL."""
    try:
        return process.status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, how: str) -> None:
    try:
        getattr(process, how)()
    except psutil.NoSuchProcess:
        return


def _stuck(alive: list[psutil.Process]) -> str:
    pids = " ".join(str(process.pid) for process in alive)
    return (
        f"process {pids} did not end within {_KILL_S:g} s of SIGKILL: the kernel holds it; "
        f"`ps -o pid,stat,wchan -p {pids}` says in what"
    )
