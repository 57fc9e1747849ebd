"""Temporary folders of a run, with what is mounted in them."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil

from harness.labels import folder_prefix

_UNMOUNT_S = 10.0


def remove(run_id: str, temporary: Path, say: Callable[[str], None]) -> list[str]:
    """Unmount what is mounted in them and remove them; return what could not be removed."""
    left = []
    for folder in sorted(temporary.glob(f"{folder_prefix(run_id)}*")):
        if folder.is_symlink() or not folder.is_dir() or folder.lstat().st_uid != os.getuid():
            left.append(f"{folder} is not a folder of ours and was left alone")
            continue
        left += [why for mount in mounts_in(folder) if (why := _unmount(mount, say))]
        if still := mounts_in(folder):  # What is mounted there would be emptied.
            left.append(f"{folder} was not removed: {', '.join(map(str, still))} is still mounted in it")
            continue
        left += _remove(folder, say)
    return left


def mounts_in(folder: Path) -> list[Path]:
    """Return the mount points in a folder, or at it, the deepest first."""
    points = {Path(part.mountpoint) for part in psutil.disk_partitions(all=True)}
    return sorted((p for p in points if p.is_relative_to(folder.resolve())), reverse=True)


def _unmount(point: Path, say: Callable[[str], None]) -> str:
    try:
        done = subprocess.run(
            ["umount", str(point)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_UNMOUNT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{point} could not be unmounted ({error}); by hand: sudo umount {point}"
    if done.returncode:
        return f"{point} could not be unmounted ({done.stderr.strip()}); by hand: sudo umount {point}"
    say(f"unmounted {point}")
    return ""


def _remove(folder: Path, say: Callable[[str], None]) -> list[str]:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        return [f"{folder} could not be removed ({error}); by hand: rm -r {folder}"]
    say(f"removed {folder}")
    return []
