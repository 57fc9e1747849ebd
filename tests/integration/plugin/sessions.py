"""pytest as somebody else runs it: in a folder of its own, with temporary files of its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

_ENDED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a session runs, and where everything that it starts keeps its temporary files."""

    folder: Path
    temporary: Path

    def start(self, *options: str) -> "subprocess.Popen[str]":
        """Start a session of pytest, as the leader of a session of the system's."""
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", *options],
            cwd=self.folder,
            env={**os.environ, "TMPDIR": str(self.temporary), "PYTEST_ADDOPTS": "", "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def left(self) -> list[str]:
        """Name what is left: processes of the session, claims, folders, sockets."""
        files = [path.name for path in self.temporary.iterdir() if not path.name.startswith("pytest-of-")]
        return files + [
            " ".join(process.cmdline()) for process in psutil.process_iter() if self._ours(process)
        ]

    def _ours(self, process: psutil.Process) -> bool:
        try:
            if process.status() in _ENDED:
                return False
            # A server may have written its title over its environment; its folder still tells.
            told = process.environ().get("TMPDIR") == str(self.temporary)
            return told or Path(process.cwd()).is_relative_to(self.temporary)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False


@contextmanager
def place(folder: Path) -> Iterator[Place]:
    """Make a place. Its temporary folder has a short name: sockets go into it."""
    with tempfile.TemporaryDirectory(prefix="wap-", ignore_cleanup_errors=True) as temporary:
        yield Place(folder=folder, temporary=Path(temporary))
