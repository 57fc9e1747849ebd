"""Redis's disk where members are processes: its data folder, on a small disk of its own where that is needed.

The small disk is a tmpfs in a mount namespace of its own: a process of ours holds the namespace, and Redis is
started inside it. Nobody else on the machine sees the mount, nobody need be root where user namespaces are
allowed, and it is gone with the last of these processes, however they end.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.backends import aof
from harness.backends.abilities import Evidence
from harness.backends.process_group import ProcessGroup
from harness.backends.readiness import tail_lines
from harness.clock import deadline_ns, left_s
from harness.errors import HarnessError

SIZE = 64 * 2**20  # Bytes; holds the log of ten minutes at 100 messages a second, and is filled in no time.
_MOUNTED_S = 10.0
_FILLER = "filler"  # what takes the space that is left
_BLOCK = bytes(2**20)

# Mounts, says so by a file that only shows inside, and waits.
_HOLD = 'mount -t tmpfs -o size="$2",mode=700 wordaround "$1" && : > "$1/.mounted" && exec sleep infinity'


class SmallDisk:
    """A tmpfs at `folder` that only processes started through `inside` see there."""

    def __init__(self, folder: Path, *, log: Path, environment: Mapping[str, str], size: int = SIZE) -> None:
        """Mount it.

        Raises:
            HarnessError: this machine does not allow it; the message has what the kernel said.
        """
        self._folder = folder
        command = ("unshare", *_namespaces(), "--mount", "--propagation", "private")
        held = (*command, "sh", "-c", _HOLD, "sh", str(folder), str(size))
        try:
            self._holder = ProcessGroup(held, folder=folder, environment=environment, log=log)
        except OSError as error:
            raise HarnessError(f"no small disk for Redis: {error}; `unshare` is in util-linux") from error
        self._wait_mounted(log)

    @property
    def path(self) -> Path:
        """The disk as everybody else sees it."""
        return Path(f"/proc/{self._holder.pid}/root{self._folder}")

    def inside(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command that runs where the disk is; it keeps its process id."""
        namespaces = [
            "--preserve-credentials" if name == "--map-root-user" else name for name in _namespaces()
        ]
        return ("nsenter", "--target", str(self._holder.pid), "--mount", *namespaces, "--", *command)

    def close(self) -> None:
        """Let go of it; it is unmounted when the last process inside has ended. Idempotent."""
        self._holder.end()

    def _wait_mounted(self, log: Path) -> None:
        deadline = deadline_ns(_MOUNTED_S)
        while not (self.path / ".mounted").exists():
            if not self._holder.lives or not left_s(deadline):
                self.close()
                raise HarnessError(
                    f"no small disk for Redis could be mounted: {' '.join(tail_lines(log, 3))}; run as root, "
                    "or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), or use "
                    "--backend docker"
                )


def lacking() -> str | None:
    """Try to mount a small disk; return what is missing where that fails."""
    with tempfile.TemporaryDirectory(prefix="wordaround-probe-") as name:
        folder = Path(name, "disk")
        folder.mkdir()
        try:
            disk = SmallDisk(folder, log=Path(name, "log"), environment=os.environ, size=2**20)
            disk.close()
        except HarnessError as error:
            return str(error)
    return None


class ProcessDisk:
    """The folder that Redis writes to (see `harness.backends.abilities.Disk`)."""

    def __init__(self, folder: Path, small: SmallDisk | None) -> None:
        self._folder = folder
        self._small = small

    @property
    def _path(self) -> Path:
        return self._small.path if self._small is not None else self._folder

    def fill(self) -> Evidence:
        """Take all space that is left, to the last byte.

        Raises:
            HarnessError: Redis has no disk of its own here, and this machine's is not ours to fill.
        """
        if self._small is None:
            raise HarnessError(
                "Redis's disk cannot be filled: it has none of its own, since no fault of the plan needed "
                "one when the cluster started"
            )
        filler = self._path / _FILLER
        with filler.open("ab", buffering=0) as file:
            block = _BLOCK
            while block:
                try:
                    file.write(block)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    block = block[: len(block) // 2]
        free = os.statvfs(self._path).f_bavail
        return {"filled": f"{filler.stat().st_size} bytes", "left": f"{free} blocks"}

    def free(self) -> None:
        """Give it back. Idempotent."""
        (self._path / _FILLER).unlink(missing_ok=True)

    def truncate_log(self, *, keep: float) -> Evidence:
        """Keep that share of the log of a Redis that is down, 0: nothing of it.

        Raises:
            HarnessError: there is no log of Redis 7.0 or newer.
        """
        folder = self._path / aof.FOLDER
        if not folder.is_dir():
            raise HarnessError(f"Redis has no log to truncate: there is no {aof.FOLDER} in {self._path}")
        files = {file.name: file.read_bytes() for file in folder.iterdir()}
        kept = aof.cut(files, keep=keep)
        shutil.rmtree(folder)
        if kept.files:
            folder.mkdir()
            for name, content in kept.files.items():
                (folder / name).write_bytes(content)
        return kept.evidence


def _namespaces() -> tuple[str, ...]:
    """Return the options beside the mount namespace: who is not root needs a user namespace for it."""
    return () if os.geteuid() == 0 else ("--user", "--map-root-user")
