"""Healing: end what is left of a run whose owner is dead, in the order in which it must be done.

1. faults that are open in its journal are undone, the youngest first (`faults.py`);
2. its processes are ended (`processes.py`);
3. its objects of Docker are removed (`docker_objects.py`);
4. what is mounted in its temporary folders is unmounted, and they are removed (`folders.py`).

Everything is found by the run's label. Each step can be repeated, and does what it can: what it could not
do, and how a person can, is told as a sentence, and the run stays claimed.
"""

from collections.abc import Callable
from pathlib import Path

from harness.claims import Claim
from harness.healing import docker_objects, faults, folders, processes
from harness.records.folder import RunFolder

Say = Callable[[str], None]  # gets a sentence for each thing that was done


def heal(claim: Claim, say: Say) -> tuple[str, ...]:
    """End what is left of the run; return what remains and how to mend it, nothing when all is clean."""
    folder = RunFolder(Path(claim.folder))
    left = faults.undo_open(folder, Path(claim.working_folder), say)
    left += processes.end_all(claim.run_id, folder.logs, Path(claim.temporary), say)
    if claim.backend != "process":
        left += docker_objects.remove(claim.run_id, claim.docker_host, say)
    left += folders.remove(claim.run_id, Path(claim.temporary), say)
    return tuple(left)
