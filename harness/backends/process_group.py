"""One incarnation of a member as a process group of our own, and how it is ended for certain.

Two rules keep every signal from hitting anybody else:

- A child that ended is not reaped at once. As long as it is a zombie, the kernel gives neither its pid
  nor its group's id to another process; so a signal to the group always means our group.
- It is reaped only by `end`, after every process of the group was killed and seen to be gone.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

from harness.backends.base import Identity
from harness.clock import deadline_ns, left_s
from harness.errors import HarnessError

_POLL_S = 0.01  # How often a group that was killed is looked at.
_STOP_S = 5.0  # SIGSTOP works at once, unless the kernel itself hangs.
_KILL_S = 10.0  # Nobody can refuse SIGKILL; it takes this long only where the kernel itself hangs.
_ENDED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


class ProcessGroup:
    """A child in a session of its own, with whatever it forks. Safe to use from several threads."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        inherited: tuple[int, ...] = (),
    ) -> None:
        """Start the command in `folder`; what it prints is appended to `log`.

        `inherited` are descriptors of ours that it gets under their own numbers.

        Raises:
            OSError: the command cannot be run, or the log not be written.
        """
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
                pass_fds=inherited,
            )
        self._ending = threading.Lock()
        # Nobody has reaped the child yet, so its id is its own, even if it has ended already.
        self._process = psutil.Process(self.pid)
        started = datetime.fromtimestamp(self._process.create_time(), UTC)
        self.identity = Identity(
            kind="process", host_pid=self.pid, started=started.isoformat(timespec="milliseconds")
        )

    @property
    def pid(self) -> int:
        """The child's process id, which is also the id of its group."""
        return self._child.pid

    @property
    def lives(self) -> bool:
        """Whether the child runs; a zombie does not."""
        try:
            return self._process.is_running() and self._process.status() not in _ENDED
        except psutil.NoSuchProcess:  # Reaped meanwhile.
            return False

    def terminate(self) -> None:
        """Ask the group to end (SIGTERM), also where it stands still: only who runs can end politely."""
        with self._ending:
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)

    def pause(self) -> None:
        """Stop every process of the group where it stands; returns once the kernel says so.

        Raises:
            HarnessError: a process does not stop; the group was set going again.
        """
        with self._ending:
            self._signal(signal.SIGSTOP)
            deadline = deadline_ns(_STOP_S)
            while not self.stands:
                if not left_s(deadline):
                    self._signal(signal.SIGCONT)
                    raise HarnessError(
                        f"process group {self.pid} did not stop within {_STOP_S:g} s of SIGSTOP"
                    )
                time.sleep(_POLL_S)

    def resume(self) -> None:
        """Let the group go on (SIGCONT). Idempotent."""
        with self._ending:
            self._signal(signal.SIGCONT)

    @property
    def stands(self) -> bool:
        """Whether the group lives and every process in it is stopped."""
        if _status(self.pid) != psutil.STATUS_STOPPED:  # Most often; and cheaper than to look at everybody.
            return False
        return all(_status(pid) == psutil.STATUS_STOPPED for pid in self._members_alive())

    def end(self) -> int:
        """SIGKILL what is left of the group; return the child's return code. Idempotent.

        A negative code is the number of the signal that ended the child.

        Raises:
            HarnessError: the kernel does not end a process of the group.
        """
        with self._ending:
            if self._child.returncode is None:
                self._kill()
            return self._child.wait()

    def _kill(self) -> None:
        deadline = deadline_ns(_KILL_S)
        self._signal(signal.SIGKILL)
        while alive := self._members_alive():
            if not left_s(deadline):
                raise HarnessError(
                    f"process {', '.join(map(str, alive))} did not end within {_KILL_S:g} s of SIGKILL; "
                    "the kernel holds it: `ps -o pid,stat,wchan` says in what"
                )
            time.sleep(_POLL_S)
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._child.returncode is not None:
            return  # Reaped: the group's id may be somebody else's by now.
        # Where only zombies are left, Linux lets the signal pass and macOS says EPERM.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _members_alive(self) -> list[int]:
        return [pid for pid in psutil.pids() if _group_of(pid) == self.pid and _is_alive(pid)]


def spoken_end(returncode: int) -> str:
    """Return how a child ended in words: by which signal, or with which exit status."""
    if returncode >= 0:
        return f"ended with exit status {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:  # A real-time signal between SIGRTMIN and SIGRTMAX has no name.
        return f"was killed by signal {-returncode}"


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except (ProcessLookupError, PermissionError):
        return None  # It has ended, or it is another user's.


def _is_alive(pid: int) -> bool:
    return _status(pid) not in _ENDED


def _status(pid: int) -> str:
    try:
        return str(psutil.Process(pid).status())
    except psutil.NoSuchProcess:
        return str(psutil.STATUS_DEAD)
