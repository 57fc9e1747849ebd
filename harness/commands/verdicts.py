"""Verdicts that are made while something else is still to be done."""

import threading
from concurrent.futures import Future

from harness.records.folder import RunFolder
from harness.records.verdict import RunVerdict


class EarlyVerdict:
    """Judges a run and writes its reports on a thread of its own: the cluster is being ended meanwhile."""

    def __init__(self) -> None:
        self._outcome: Future[RunVerdict] | None = None

    def begin(self, folder: RunFolder) -> None:
        """Begin to judge a run whose record is complete."""
        outcome: Future[RunVerdict] = Future()

        def work() -> None:
            try:
                outcome.set_result(_judged(folder))
            except BaseException as error:  # noqa: BLE001 - whoever asks for the verdict gets it
                outcome.set_exception(error)

        self._outcome = outcome
        # A daemon: who interrupts the judging does not wait for its end.
        threading.Thread(target=work, name="judge", daemon=True).start()

    def of(self, folder: RunFolder) -> RunVerdict:
        """Return the verdict when it is there; one that nobody began to make is made."""
        return _judged(folder) if self._outcome is None else self._outcome.result()


def _judged(folder: RunFolder) -> RunVerdict:
    from harness import judging  # It takes long; by now the runner has had it imported.

    return judging.judge_and_report(folder)
