"""Redis's disk where members are containers: its volume, a small tmpfs where a fault fills it.

What is done to it is done by a helper that has the same volume, made of Redis's own image. A tmpfs lasts as
long as somebody uses it, and a killed Redis does not: there the helper runs from the beginning.
"""

import io
import tarfile
import threading
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from harness.backends import aof
from harness.backends.abilities import Evidence
from harness.backends.docker_container import DATA
from harness.backends.docker_helper import Helper
from harness.backends.process_disk import SIZE
from harness.errors import HarnessError

# Any user may write there, as the images' own folder lets theirs.
TMPFS = {"type": "tmpfs", "device": "tmpfs", "o": f"size={SIZE},mode=1777"}

_FILLER = f"{DATA}/filler"
_FILL = f"cat /dev/zero 2>/dev/null >> {_FILLER}; df -P {DATA} | tail -n 1; wc -c < {_FILLER}"


class DockerDisk:
    """The volume that Redis writes to (see `harness.backends.abilities.Disk`)."""

    def __init__(
        self, helper: Helper, create: Callable[[], None], lives: Callable[[], bool], *, own: bool
    ) -> None:
        """Prepare nothing yet. `create` creates the helper and starts it.

        `lives` says whether Redis does, `own` that the volume is a small one, which may be filled.
        """
        self._helper = helper
        self._create = create
        self._lives = lives
        self._own = own
        self._held = False
        self._lock = threading.Lock()

    def hold(self) -> None:
        """Begin to use the volume. Idempotent.

        Raises:
            HarnessError: the engine refuses.
        """
        with self._lock:
            if not self._held:
                self._create()
                self._held = True

    def fill(self) -> Evidence:
        """Take all space that is left.

        Raises:
            HarnessError: Redis has no disk of its own, or it still has space.
        """
        if not self._own:
            raise HarnessError(
                "Redis's disk cannot be filled: it has none of its own, since no fault of the plan needed "
                "one when the cluster started"
            )
        *_, disk, size = self._helper.run("sh", "-c", _FILL).strip().splitlines()
        left = int(disk.split()[3])
        if left:
            raise HarnessError(f"Redis's disk could not be filled: {left} KiB are left")
        return {"filled": f"{int(size)} bytes", "left": f"{left} KiB"}

    def free(self) -> None:
        """Give it back. Idempotent."""
        if self._own:
            self._helper.run("rm", "-f", _FILLER)

    def truncate_log(self, *, keep: float) -> Evidence:
        """Keep that share of the log of a Redis that is down, 0: nothing of it.

        Raises:
            HarnessError: Redis runs, or there is no log of Redis 7.0 or newer.
        """
        if self._lives():
            raise HarnessError("the log of Redis cannot be truncated: Redis runs")
        self.hold()
        log = self._read()
        kept = aof.cut({_name(entry): data for entry, data in log if entry.isfile()}, keep=keep)
        self._helper.run("rm", "-rf", f"{DATA}/{aof.FOLDER}")
        if kept.files:
            self._helper.put(DATA, _packed(log, kept.files))
        return kept.evidence

    def _read(self) -> list[tuple[tarfile.TarInfo, bytes]]:
        """Return the log's folder and its files, with their owners, and what is in them."""
        packed = self._helper.fetch(f"{DATA}/{aof.FOLDER}")
        if packed is None:
            raise HarnessError(f"Redis has no log to truncate: there is no {aof.FOLDER} in its {DATA}")
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            return [(entry, file.read() if (file := tar.extractfile(entry)) else b"") for entry in tar]


def _name(entry: tarfile.TarInfo) -> str:
    return PurePosixPath(entry.name).name


def _packed(log: list[tuple[tarfile.TarInfo, bytes]], kept: Mapping[str, bytes]) -> bytes:
    """Return the folder with the files that are kept, owned as they were."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for entry, _ in log:
            if entry.isdir():
                tar.addfile(entry)
            elif (data := kept.get(_name(entry))) is not None:
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
