"""What a run shows while it goes on: one live line in a terminal, plain lines elsewhere. On stderr."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from harness.records.journal import MemberState

PLAIN_INTERVAL_S = 5.0

_MARKS = {
    MemberState.READY: ("●", "green"),
    MemberState.STARTING: ("◐", "yellow"),
    MemberState.NOT_READY: ("◑", "yellow"),
    MemberState.PAUSED: ("‖", "magenta"),
    MemberState.DOWN: ("○", "red"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """One moment of a run. Rates are messages a second over the last second or so, totals since the start.

    `of_s` of `None`: nobody knows when it will end. `label` says which of several runs it is.
    """

    phase: str
    at_s: float
    of_s: float | None
    label: str = ""
    members: Mapping[str, MemberState] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    joined: int = 0
    bots: int = 0
    acked: int = 0
    delivered: int = 0
    acked_per_s: float = 0.0
    delivered_per_s: float = 0.0


class Progress(Protocol):
    """Where a run says what it does."""

    def say(self, text: str) -> None:
        """Say one thing that stays on the screen."""

    def show(self, status: Status) -> None:
        """Show the state of this moment; called several times a second."""

    def close(self) -> None:
        """Leave the screen tidy. Idempotent."""


class LiveProgress:
    """A line at the bottom of the terminal that changes in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=8, transient=True)
        self._live.start()

    def say(self, text: str) -> None:
        """Print above the live line."""
        self._live.console.print(text, highlight=False, markup=False)

    def show(self, status: Status) -> None:
        """Change the live line."""
        self._live.update(render(status))

    def close(self) -> None:
        """Remove the live line."""
        self._live.stop()


class PlainProgress:
    """A line every few seconds and at every change of phase or members: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: Status | None = None

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, status: Status) -> None:
        """Print the status when something changed, or after a while."""
        last = self._last
        if last is None or _differs(last, status) or status.at_s - last.at_s >= PLAIN_INTERVAL_S:
            self._last = status
            self.say(render(status).plain)

    def close(self) -> None:
        """Nothing to tidy."""


def _differs(last: Status, status: Status) -> bool:
    return (last.phase, last.faults, dict(last.members)) != (
        status.phase, status.faults, dict(status.members)
    )  # fmt: skip


def make_progress(console: Console) -> Progress:
    """Return the live form for a terminal, else the plain one."""
    return LiveProgress(console) if console.is_terminal else PlainProgress(console)


def render(status: Status) -> Text:
    """Return a status as one line of text."""
    of = f" / {status.of_s:.0f}" if status.of_s is not None else ""
    label = f"{status.label}  " if status.label else ""
    line = Text.assemble(f"  {label}", f"{status.at_s:5.1f}{of} s  ", (f"{status.phase:<8}", "bold"), "  ")
    for member, state in status.members.items():
        mark, colour = _MARKS[state]
        word = "" if state is MemberState.READY else f" {state.value}"
        line.append(f"{mark} {member}{word}  ", colour)
    if status.faults:
        line.append(f"⚡ {', '.join(status.faults)}  ", "bold magenta")
    line.append(f"{status.joined}/{status.bots} bots in their rooms  ")
    line.append(f"{status.acked_per_s:.0f} acked/s  {status.delivered_per_s:.0f} delivered/s", "cyan")
    return line
