"""What a run was made on, for `meta.json`."""

import os
import platform

import psutil


def machine() -> dict[str, str]:
    """Return system, cores and memory of this machine."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "cores": str(os.cpu_count() or "?"),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
    }
