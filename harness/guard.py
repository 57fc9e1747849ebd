"""A claim with its watchdog: whoever starts things that must not stay behind holds one meanwhile.

    guard = Guard(Claim(run_id=…, backend=…, folder=…, command=…))   # before anything is started
    …                                    # start, use, end; label all of it (harness/labels.py)
    guard.release()                      # all of it was ended in order
    guard.abandon("why")                 # or: something remains, and the watchdog shall see to it

A process that ends without either, however it ends, has its run healed by the watchdog. The folder of the
claim must exist: what the watchdog does is written to `watchdog.log` in it.
"""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from harness import claims
from harness.claims import Claim
from harness.labels import RUN_VARIABLE
from harness.watchdog import GAVE_UP, RELEASED

_GOES_S = 10.0  # A watchdog that was let go ends at once, on a machine that does anything at all.


class Guard:
    """The claim, locked, and the watchdog, who waits for our end. Not for several threads."""

    def __init__(self, claim: Claim) -> None:
        """Write the claim and start the watchdog.

        Raises:
            HarnessError: one of them cannot be had; then nothing is left of either.
        """
        self.claim = claim
        self._lock = claims.make(claim)
        self._log = Path(claim.folder, "watchdog.log")
        try:
            self._watchdog: subprocess.Popen[bytes] | None = self._started()
        except BaseException:
            self._lock.delete()
            raise

    def release(self) -> str:
        """Delete the claim and let the watchdog go: nothing of the run is left. Idempotent.

        Returns what is to be told when the watchdog had ended before, else "".
        """
        if self._watchdog is None:
            return ""
        self._lock.delete()
        status = self._said(RELEASED, timeout_s=_GOES_S)
        last_words = self._log.read_text(errors="replace").strip()
        if not last_words:
            self._log.unlink()
        if status == 0:
            return ""
        return (
            f"The watchdog of run {self.claim.run_id} was not there at the end (status {status}); had the "
            f"harness died, nobody would have cleaned up. It said: {last_words or 'nothing'}"
        )

    def abandon(self, why: str, *, timeout_s: float = 0.0) -> bool:
        """Leave what remains to the watchdog; return whether it was done with all of it in `timeout_s`."""
        if self._watchdog is None:
            return False
        self._lock.close()
        return self._said(GAVE_UP + why.encode(), timeout_s=timeout_s) == 0

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "harness.watchdog", str(self._lock.path)],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                # It is not a process of the run: it must not end itself.
                env={name: value for name, value in os.environ.items() if name != RUN_VARIABLE},
                start_new_session=True,  # Ctrl-C in the terminal is not meant for it.
            )

    def _said(self, word: bytes, *, timeout_s: float) -> int | None:
        """Say the word and hang up; return the watchdog's exit status, `None` when it is still at work."""
        assert self._watchdog is not None
        watchdog, self._watchdog = self._watchdog, None
        assert watchdog.stdin is not None
        with watchdog.stdin, contextlib.suppress(BrokenPipeError):  # Has it ended? Its status tells.
            watchdog.stdin.write(word)
        try:
            return watchdog.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
