"""What the run folder is told: why the run ended early, and no half-written file stays in it."""

from dataclasses import replace

from harness.clock import now_ns
from harness.records.codec import read_json, write_json
from harness.records.folder import RunFolder
from harness.records.meta import Meta


def aborted(run: RunFolder, why: str) -> None:
    """Note in `meta.json` why the run ended early, unless that is known already, and when.

    Who died may have been writing a file: the half that there is goes, the old one is there beside it.
    """
    for part in run.path.glob("*.part"):
        part.unlink(missing_ok=True)
    if not run.meta.exists():  # It died before it had started anything, or it is no run but a cluster.
        return
    meta = read_json(Meta, run.meta)
    ended = meta.ended_ns if meta.ended_ns is not None else now_ns()
    write_json(run.meta, replace(meta, aborted=meta.aborted or why, ended_ns=ended))
