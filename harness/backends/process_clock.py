"""Clocks of members that are processes: libfaketime, preloaded into each, reads its offset from a file.

Only the wall clock is shifted: the monotonic one runs on, as it does on a machine whose clock is set. The
file is read at each look at the clock (2 µs), so that a shift is seen at once. The library leaves something
in /dev/shm behind when its process is killed: the members get a private one.
"""

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil

from harness import throttle
from harness.backends import faketime, private_mounts
from harness.backends.faketime import LIBRARY
from harness.backends.process_group import ProcessGroup
from harness.clock import utc_now
from harness.errors import HarnessError

SHARED_MEMORY = Path("/dev/shm")
SHARED_MEMORY_SIZE = 16 * 2**20  # bytes

_FOLDERS = ("/usr/lib/*/faketime", "/usr/lib*/faketime", "/usr/local/lib*/faketime", "/opt/*/lib/faketime")
_READ_S = 10.0

Inside = Callable[[tuple[str, ...]], tuple[str, ...]]
GroupOf = Callable[[str], ProcessGroup | None]


def library() -> Path:
    """Return where libfaketime is.

    Raises:
        HarnessError: nowhere.
    """
    for pattern in _FOLDERS:
        for found in sorted(Path("/").glob(f"{pattern[1:]}/{LIBRARY}")):
            return found
    raise HarnessError(
        f"{LIBRARY} is not on this machine (looked for in {', '.join(_FOLDERS)}); on Debian or Ubuntu: "
        "apt-get install libfaketime"
    )


def lacking() -> str | None:
    """Return what is missing for shifted clocks; `None`: nothing."""
    try:
        library()
    except HarnessError as error:
        return str(error)
    return private_mounts.lacking()


class ProcessClock:
    """Shifts the clocks of members that were started through `preloaded` (see `abilities.Clock`)."""

    def __init__(self, folder: Path, members: tuple[str, ...], inside: Inside, group_of: GroupOf) -> None:
        """Prepare the members' clocks, unshifted; `folder` is for the files with their offsets.

        `inside` returns the command that runs where the members' private /dev/shm is, `group_of` a member's
        process group.

        Raises:
            HarnessError: libfaketime is not on this machine.
        """
        self._library = library()
        self._folder = folder
        self._inside = inside
        self._group_of = group_of
        for member in members:
            self.shift(member, 0.0)

    def preloaded(self, member: str, command: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command that runs with the member's clock."""
        settings = faketime.settings(str(self._library), str(self._file(member)))
        return ("env", *(f"{name}={value}" for name, value in settings.items()), *command)

    def shift(self, member: str, offset_s: float) -> None:
        """Shift the member's wall clock to `offset_s` from the machine's; 0 ends the shift."""
        file = self._file(member)
        new = file.with_suffix(".new")
        new.write_text(f"{offset_s:+.6f}\n")
        new.replace(file)  # In one step: a reader that saw half of it would say so in the member's log.

    def offset(self, member: str) -> float:
        """Return how far a clock that is read in the member's place is from the machine's, in seconds.

        Raises:
            HarnessError: it could not be read.
        """
        command = self._inside(self.preloaded(member, ("date", "+%s.%N")))
        before = utc_now().timestamp()
        try:
            read = subprocess.run(command, capture_output=True, text=True, timeout=_READ_S, check=True)
            seen = float(read.stdout)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise HarnessError(f"the clock of {member} could not be read: {error}") from error
        return seen - (before + utc_now().timestamp()) / 2

    def holders(self, member: str) -> dict[str, bool]:
        """Return whether each of the member's living processes has the library, as the kernel's maps say.

        Raises:
            HarnessError: those of one cannot be read.
        """
        group = self._group_of(member)
        if group is None or not group.lives:
            return {}
        found: dict[str, bool] = {}
        for process in throttle.members(group.pid):
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
                found[f"{process.name()} (pid {process.pid})"] = LIBRARY in _maps(process.pid)
        return found

    def _file(self, member: str) -> Path:
        return self._folder / f"{member}.clock"


def _maps(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except PermissionError as error:
        raise HarnessError(f"what process {pid} has loaded cannot be seen: {error}") from error
