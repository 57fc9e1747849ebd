"""What a run shows goes to the screen, and into its folder (`live.jsonl`) for whoever follows it there.

`wordaround serve` reads that file and nothing else of a run that goes on, so nobody who looks can disturb it.
"""

from pathlib import Path

from harness import clock
from harness.progress import Progress, Status
from harness.records.live import LiveWriter, Moment, Said

INTERVAL_S = 0.5


class Broadcast:
    """A `Progress` that also writes. A folder that takes no more ends the writing, never the run."""

    def __init__(self, screen: Progress, path: Path, *, interval_s: float = INTERVAL_S) -> None:
        """Nothing is opened before there is something to write."""
        self._screen = screen
        self._path = path
        self._interval_ns = int(interval_s * clock.NS)
        self._writer: LiveWriter | None = None
        self._over = False
        self._last: Moment | None = None

    def say(self, text: str) -> None:
        """Say one thing that stays."""
        self._screen.say(text)
        self._write(Said(t_ns=clock.now_ns(), text=text))

    def show(self, status: Status) -> None:
        """Show this moment; it is written where it differs, or after a while."""
        self._screen.show(status)
        moment = _moment(status)
        if self._last is None or self._is_news(self._last, moment):
            self._last = moment
            self._write(moment)

    def close(self) -> None:
        """End the writing; the screen is somebody else's. Idempotent."""
        self._over = True
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _is_news(self, last: Moment, now: Moment) -> bool:
        changed = (last.phase, last.faults, last.members) != (now.phase, now.faults, now.members)
        return changed or now.t_ns - last.t_ns >= self._interval_ns

    def _write(self, line: Moment | Said) -> None:
        if self._over:
            return
        try:
            if self._writer is None:
                self._writer = LiveWriter(self._path)
            self._writer.append(line)
        except OSError as error:
            self.close()
            self._screen.say(f"Nobody can follow the run any longer: {self._path}: {error.strerror or error}")


def _moment(status: Status) -> Moment:
    return Moment(
        t_ns=clock.now_ns(),
        phase=status.phase,
        at_s=round(status.at_s, 3),
        of_s=status.of_s,
        members=dict(status.members),
        faults=status.faults,
        joined=status.joined,
        bots=status.bots,
        acked=status.acked,
        delivered=status.delivered,
        acked_per_s=round(status.acked_per_s, 1),
        delivered_per_s=round(status.delivered_per_s, 1),
    )
