"""Redis's disk where members are processes: its data folder, on a small disk of its own where needed."""

import errno
import os
import shutil
from pathlib import Path

from harness.backends import aof
from harness.backends.abilities import Evidence
from harness.errors import HarnessError

SIZE = 64 * 2**20  # Bytes; holds the log of ten minutes at 100 messages a second, and is filled in no time.

_FILLER = "filler"  # what takes the space that is left
_BLOCK = bytes(2**20)


class ProcessDisk:
    """The folder that Redis writes to (see `harness.backends.abilities.Disk`)."""

    def __init__(self, folder: Path, *, own: bool) -> None:
        """Prepare; `own` says that the folder is a small disk of Redis's own, which may be filled."""
        self._path = folder
        self._own = own

    def fill(self) -> Evidence:
        """Take all space that is left, to the last byte.

        Raises:
            HarnessError: Redis has no disk of its own here, and this machine's is not ours to fill.
        """
        if not self._own:
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
