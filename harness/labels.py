"""The label of a run: on everything that it makes outside its own folder, so that whoever cleans up finds it.

Processes carry the run's id in their environment, which their children inherit, also those in sessions of
their own. Temporary folders carry it in their names. Objects of Docker have labels of the engine's
(`harness/backends/docker_engine.py`).
"""

import re
import tempfile
from collections.abc import Mapping

RUN_VARIABLE = "WORDAROUND_RUN"
RUN_ID = re.compile(r"[0-9a-f]{8}")


def labelled(environment: Mapping[str, str], run_id: str) -> dict[str, str]:
    """Return the environment for a process of the run."""
    return {**environment, RUN_VARIABLE: run_id}


def folder_prefix(run_id: str) -> str:
    """Return how the names of the run's temporary folders begin."""
    return f"wordaround-{run_id}-"


def temporary_folder(run_id: str, what: str = "") -> tempfile.TemporaryDirectory[str]:
    """Make a temporary folder of the run; `what` is for people who find it."""
    return tempfile.TemporaryDirectory(prefix=folder_prefix(run_id) + (f"{what}-" if what else ""))
