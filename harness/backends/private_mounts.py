"""Small disks in memory that only some processes of ours see.

A process of ours holds a mount namespace with a tmpfs at each of some folders, and others are started inside
it. Nobody else on the machine sees the mounts, nobody need be root where user namespaces are allowed, and all
is gone with the last of these processes, however they end.
"""

import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from harness.backends.process_group import ProcessGroup
from harness.backends.readiness import tail_lines
from harness.clock import deadline_ns, left_s
from harness.errors import HarnessError

_MOUNTED_S = 10.0
_POLL_S = 0.005

# Mounts each folder with its size, says so by a file that only shows inside, and waits.
_HOLD = """
while [ $# -gt 1 ]; do mount -t tmpfs -o size="$2",mode=1777 wordaround "$1" || exit; last=$1; shift 2; done
: > "$last/.mounted" && exec sleep infinity
"""


class PrivateMounts:
    """A tmpfs at each of the folders, `sizes` in bytes, for processes that are started through `inside`."""

    def __init__(self, sizes: Mapping[Path, int], *, log: Path, environment: Mapping[str, str]) -> None:
        """Mount them.

        Raises:
            HarnessError: this machine does not allow it; the message has what the kernel said.
        """
        self._last = tuple(sizes)[-1]
        words = [word for folder, size in sizes.items() for word in (str(folder), str(size))]
        command = ("unshare", *_namespaces(), "--mount", "--propagation", "private")
        try:
            self._holder = ProcessGroup(
                (*command, "sh", "-c", _HOLD, "sh", *words),
                folder=Path("/"),
                environment=environment,
                log=log,
            )
        except OSError as error:
            raise HarnessError(f"no private mounts: {error}; `unshare` is in util-linux") from error
        self._wait_mounted(log)

    def seen(self, folder: Path) -> Path:
        """Return where a mounted folder is for everybody else."""
        return Path(f"/proc/{self._holder.pid}/root{folder}")

    def inside(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command that runs where the mounts are; its process id is that of the program."""
        keep = [name if name == "--user" else "--preserve-credentials" for name in _namespaces()]
        return ("nsenter", "--target", str(self._holder.pid), "--mount", *keep, "--", *command)

    def close(self) -> None:
        """Let go of them; they are unmounted when the last process inside has ended. Idempotent."""
        self._holder.end()

    def _wait_mounted(self, log: Path) -> None:
        deadline = deadline_ns(_MOUNTED_S)
        while not (self.seen(self._last) / ".mounted").exists():
            if not self._holder.lives or not left_s(deadline):
                self.close()
                raise HarnessError(
                    f"nothing could be mounted for processes of ours alone: {' '.join(tail_lines(log, 3))}; "
                    "run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), or "
                    "use --backend docker"
                )
            time.sleep(_POLL_S)


def lacking() -> str | None:
    """Try to mount something; return what is missing where that fails."""
    with tempfile.TemporaryDirectory(prefix="wordaround-probe-") as name:
        folder = Path(name, "disk")
        folder.mkdir()
        try:
            PrivateMounts({folder: 2**20}, log=Path(name, "log"), environment=os.environ).close()
        except HarnessError as error:
            return str(error)
    return None


def _namespaces() -> tuple[str, ...]:
    """Return the options beside the mount namespace: who is not root needs a user namespace for it."""
    return () if os.geteuid() == 0 else ("--user", "--map-root-user")
