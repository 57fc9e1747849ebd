"""The npm packages of the socket.io servers, installed when a benchmark first needs them.

No lock file and no package is in the repository: `package.json` has exact versions, and npm's own settings
say where packages come from.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.members import BenchmarkError

SOURCE = Path(__file__).parent / "servers" / "socketio"
INSTALL = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--no-update-notifier")
INSTALL_TIMEOUT_S = 300.0


def missing() -> str | None:
    """Return what this machine lacks for Node.js servers, `None` when it has all."""
    lacking = [program for program in ("node", "npm") if shutil.which(program) is None]
    return f"{' and '.join(lacking)} not on PATH" if lacking else None


@functools.cache
def installed() -> Path:
    """Return the folder of the servers with their packages; installs them once a version of our files.

    Raises:
        BenchmarkError: npm could not install them.
    """
    files = sorted(path for path in SOURCE.iterdir() if path.is_file())
    digest = hashlib.blake2b(b"".join(path.read_bytes() for path in files), digest_size=6).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "wordaround-benchmarks" / f"npm-{digest}"
    if not (folder / "node_modules" / ".installed").exists():
        _install(files, folder)
    return folder


def _install(files: list[Path], folder: Path) -> None:
    print(f"npm install of {SOURCE / 'package.json'} into {folder}", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    for path in files:
        shutil.copy(path, folder)
    done = subprocess.run(
        INSTALL, cwd=folder, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise BenchmarkError(f"npm could not install the socket.io servers:\n{done.stderr[-2000:]}")
    (folder / "node_modules" / ".installed").touch()
