"""Redis and servers as processes: pinned to a core, in groups of their own, ended whatever happens.

Nothing outlives the benchmark: the contexts here kill what they started, and the kernel does where the
benchmark itself was killed.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.backends.readiness import free_port
from harness.backends.redis_binary import find_redis_binary

HOST = "127.0.0.1"
START_TIMEOUT_S = 30.0
END_TIMEOUT_S = 10.0
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


class BenchmarkError(Exception):
    """The benchmark cannot go on; the message is for people."""


@dataclass(slots=True, kw_only=True, eq=False)
class Member:
    """One process, which can be killed and started again with the same command."""

    name: str
    command: Sequence[str]
    port: int
    folder: Path
    environment: Mapping[str, str]
    core: int | None
    popen: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.popen is not None
        return self.popen.pid

    def start(self) -> "Member":
        """Start it; its output goes to a file."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.popen = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self._in_child,
            )
        return self

    def kill(self) -> None:
        """SIGKILL to its group, and wait until it is gone."""
        if self.popen is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait(END_TIMEOUT_S)

    def signal(self, number: int) -> None:
        """Send a signal to its process."""
        os.kill(self.pid, number)

    def wait_for(self, ready: Callable[[], bool]) -> None:
        """Wait until it is ready.

        Raises:
            BenchmarkError: it ended, or is not ready in time.
        """
        until_s = time.monotonic() + START_TIMEOUT_S
        while not ready():
            assert self.popen is not None
            if self.popen.poll() is not None or time.monotonic() > until_s:
                raise BenchmarkError(f"{self.name} did not get ready:\n{self.log_tail()}")
            time.sleep(0.02)  # Between two looks at another process there is nothing to wait for.

    def log_tail(self) -> str:
        """Return the end of its log."""
        return (self.folder / f"{self.name}.log").read_text(errors="replace")[-2000:]

    def _in_child(self) -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if self.core is not None:
            os.sched_setaffinity(0, {self.core})


@contextlib.contextmanager
def running(member: Member) -> Iterator[Member]:
    """Start a member, and kill it at the end."""
    try:
        yield member.start()
    finally:
        member.kill()


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder for logs and data, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="wordaround-bench-") as folder:
        yield Path(folder)


def redis_member(folder: Path, *, core: int | None, durable: bool) -> Member:
    """Return a Redis: with its log synced on every write, or with no persistence at all."""
    port = free_port()
    data = folder / "data"
    data.mkdir(exist_ok=True)
    command = find_redis_binary().command(port=port, data=data, appendfsync="always")
    if not durable:
        command = (*command, "--appendonly", "no")
    return Member(
        name="redis", command=command, port=port, folder=folder, environment=dict(os.environ), core=core
    )


def python_member(
    name: str, arguments: Sequence[str], *, folder: Path, core: int | None, environment: Mapping[str, str]
) -> Member:
    """Return a Python program whose imports come from the current directory first."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("WORDAROUND_")}
    port = free_port()
    return Member(
        name=name,
        command=(sys.executable, *(word.replace("{port}", str(port)) for word in arguments)),
        port=port,
        folder=folder,
        environment=inherited | {"PYTHONPATH": str(Path.cwd())} | dict(environment),
        core=core,
    )


def answers_ping(port: int) -> bool:
    """Tell whether a Redis answers."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=0.5) as sock:
        sock.sendall(b"PING\r\n")
        return sock.recv(64).startswith(b"+PONG")
    return False


def http_ok(url: str) -> bool:
    """Tell whether a URL answers with 200."""
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
        return bool(answer.status == 200)
    return False


def accepts(port: int) -> bool:
    """Tell whether somebody listens."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=0.5):
        return True
    return False
