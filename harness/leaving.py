"""How a run leaves its watchdog: let go when all is clean, set to work when it is not."""

from dataclasses import dataclass

from harness.guard import Guard
from harness.progress import Progress
from harness.records.folder import RunFolder

WATCHDOG_S = 20.0  # for what we could not end ourselves, before we say so and go


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaving:
    """Says to the watchdog and to the user what remains of a run."""

    run_id: str
    folder: RunFolder
    guard: Guard
    progress: Progress

    def leave(self, *, clean: bool, unhealed: tuple[str, ...]) -> None:
        """Let the watchdog go when all was ended and healed; else it has its turn, with fresh eyes."""
        if clean and not unhealed:
            if trouble := self.guard.release():
                self.progress.say(trouble)
        elif self.guard.abandon("the harness could not clean up", timeout_s=WATCHDOG_S):
            self.progress.say("What could not be ended was ended by the watchdog")
        else:
            self.progress.say(f"Not everything could be ended: {self._how_to_mend()}")

    def give_up(self) -> str:
        """Leave everything to the watchdog; return the sentence that says so."""
        self.guard.abandon("interrupted by the user, who did not wait for the cleaning up")
        self.progress.close()
        return f"Given up: what run {self.run_id} started is left to its watchdog; {self._how_to_mend()}"

    def _how_to_mend(self) -> str:
        return (
            f"`wordaround heal --run {self.run_id}` says what remains and ends it, and "
            f"{self.folder.path / 'watchdog.log'} what was done"
        )
