"""Programs of the user's own that a fault runs: with a deadline, in a group of their own, and what they said.

A program is over when the process that was started is. What it leaves running in the background is wanted
(an `inject` may start what a `heal` ends), and goes on. At the deadline the whole group is killed.
"""

import os
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from harness.backends.process_group import spoken_end
from harness.clock import NS, deadline_ns, left_s, now_ns
from harness.errors import HarnessError

_POLL_S = 0.02
_MOST_LINES = 10
_MOST_BYTES = 1000  # of its last lines; the journal is read by people


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a program ended, and the last lines of what it printed on both streams."""

    command: tuple[str, ...]
    returncode: int | None  # `None`: it was not over at its deadline, and was killed
    took_s: float
    said: tuple[str, ...]

    @property
    def well(self) -> bool:
        """Whether it ended with exit status 0."""
        return self.returncode == 0

    def __str__(self) -> str:
        how = "was not over" if self.returncode is None else spoken_end(self.returncode)
        killed = ", and was killed" if self.returncode is None else ""
        said = f"; it said: {' | '.join(self.said)}" if self.said else ""
        return f"`{shlex.join(self.command)}` {how} after {self.took_s:.3f} s{killed}{said}"


class Programs:
    """Runs programs one after the other; `cancel` ends the one that runs, and lets none begin."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # No signal to the group of a process that was reaped already.
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled = False

    def run(self, command: Sequence[str], *, environment: Mapping[str, str], timeout_s: float) -> Outcome:
        """Run it to its end, in the folder in which the harness was started.

        Raises:
            HarnessError: it cannot be started, or `cancel` was called.
        """
        began = now_ns()
        with tempfile.TemporaryFile() as output:
            process = self._start(command, environment, output)
            returncode = self._wait(process, deadline_ns(timeout_s))
            return Outcome(
                command=tuple(command),
                returncode=returncode,
                took_s=(now_ns() - began) / NS,
                said=_last_lines(output),
            )

    def cancel(self) -> None:
        """Kill the program that runs. Idempotent."""
        with self._lock:
            self._cancelled = True
            self._kill()

    def allow(self) -> None:
        """Let programs begin again after a `cancel`."""
        with self._lock:
            self._cancelled = False

    def _start(
        self, command: Sequence[str], environment: Mapping[str, str], output: BinaryIO
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._cancelled:
                raise HarnessError(f"`{shlex.join(command)}` was not run: the run is over")
            try:
                self._process = subprocess.Popen(
                    command,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                raise HarnessError(
                    f"`{shlex.join(command)}` cannot be started: {error.strerror or error}"
                ) from error
            return self._process

    def _wait(self, process: subprocess.Popen[bytes], deadline: int) -> int | None:
        pause = threading.Event()
        while True:
            with self._lock:
                if process.poll() is not None:
                    self._process = None
                    return process.returncode
                if not left_s(deadline):
                    self._kill()
                    process.wait()
                    self._process = None
                    return None
            pause.wait(min(_POLL_S, left_s(deadline)))

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)  # Not reaped: the group's id is its own.


def _last_lines(output: BinaryIO) -> tuple[str, ...]:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _MOST_BYTES))
    lines = output.read(_MOST_BYTES).decode("utf-8", "replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())[-_MOST_LINES:]
