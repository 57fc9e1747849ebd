"""Packages from npm for tests, installed when a test first needs them, once for each `package.json`.

Each `package.json` has exact versions; lock files, which would do the same, record addresses.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_INSTALL_S = 120
_INSTALL = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--no-update-notifier")


def installed(package: Path) -> Path:
    """Return the folder in which what a `package.json` names is installed, as `node_modules`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(package.read_bytes()).hexdigest()[:12]
    folder = cache / f"wordaround-npm-{key}"
    if not folder.exists():
        _install(package, folder)
    return folder


def _install(package: Path, folder: Path) -> None:
    """Install beside the final place, so that nobody ever sees half of it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.") as beside:
        made = Path(beside, "made")
        made.mkdir()
        shutil.copy(package, made)
        done = subprocess.run(
            _INSTALL, cwd=made, capture_output=True, text=True, timeout=_INSTALL_S, check=False
        )
        assert done.returncode == 0, f"npm install failed:\n{done.stdout}{done.stderr}"
        with contextlib.suppress(OSError):  # Another run was faster.
            made.rename(folder)
    assert folder.exists()
