"""What the watchdog does once its owner is dead, or has given up."""

import sys
import time
from pathlib import Path

from harness import claims
from harness.clock import utc_now
from harness.healing import heal, notes
from harness.records.folder import RunFolder

_OWNER_GOES_S = 30.0  # The kernel ends a pipe before it frees a lock, but not long before.
_PAUSES_S = (2.0, 10.0, 30.0)  # A Docker engine that restarts is back within these.


def heal_after_death(path: str, why: str) -> int:
    """Heal the claim at `path`; return 0 when nothing is left, 4 when something is, which stays claimed.

    `why` the owner gave up; "" when it died.
    """
    lock = claims.take(Path(path), patience_s=_OWNER_GOES_S)
    if lock is None:
        return 0  # `wordaround heal` was faster.
    claim = lock.read()
    _say(why or f"the harness died (process {claim.owner}: {claim.command})")
    notes.aborted(
        RunFolder(Path(claim.folder)),
        f"{why}; its watchdog cleaned up" if why else "the harness died; its watchdog cleaned up",
    )
    left = heal(claim, _say)
    for pause in _PAUSES_S:
        if not left:
            break
        time.sleep(pause)  # What was in the way may have gone.
        left = heal(claim, _say)
    for sentence in left:
        _say(f"still there: {sentence}")
    if left:
        lock.close()
        return 4
    lock.delete()
    return 0


def _say(sentence: str) -> None:
    sys.stdout.write(f"{utc_now():%Y-%m-%dT%H:%M:%S.%fZ} {sentence}\n")
    sys.stdout.flush()
