"""What a run shows of itself while it goes on: figures of bots, members and faults, made into a status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.open_ended import LONGEST_S
from harness.progress import Progress, Status
from harness.records.journal import FaultEntry, MemberState
from harness.records.plan import Plan

RATE_WINDOW_S = 1.5


@dataclass
class _Rates:
    """Acknowledged and delivered messages a second, from the totals that the bots report."""

    samples: list[tuple[float, int, int]] = field(default_factory=list)

    def add(self, at_s: float, acked: int, delivered: int) -> tuple[float, float]:
        self.samples = [s for s in self.samples if at_s - s[0] <= RATE_WINDOW_S] + [(at_s, acked, delivered)]
        then, acked_then, delivered_then = self.samples[0]
        elapsed = at_s - then
        if elapsed < 0.5:
            return 0.0, 0.0
        return (acked - acked_then) / elapsed, (delivered - delivered_then) / elapsed


class Display:
    """Keeps what a status needs beside the newest figures. `on_fault` may be called from several threads."""

    def __init__(self, plan: Plan, progress: Progress, label: str = "") -> None:
        """`label` says which of several runs this is."""
        self._plan = plan
        self._progress = progress
        self._label = label
        self._rates = _Rates()
        self._active: dict[str, str] = {}

    @property
    def active(self) -> tuple[str, ...]:
        """The faults that were injected and not yet seen healed."""
        return tuple(self._active.values())

    def say(self, text: str) -> None:
        """Say one thing that stays on the screen."""
        self._progress.say(text)

    def show(
        self, phase: str, at_s: float, live: Mapping[str, Any], members: Mapping[str, MemberState]
    ) -> None:
        """Show this moment; `live` is what the bots said last."""
        acked, delivered = self._rates.add(at_s, live.get("acked", 0), live.get("delivered", 0))
        self._progress.show(
            Status(
                label=self._label,
                phase=phase,
                at_s=max(0.0, at_s),
                of_s=self._plan.load_s if self._plan.load_s < LONGEST_S else None,
                members=members,
                faults=self.active,
                joined=live.get("joined", 0),
                bots=live.get("users", len(self._plan.bots)),
                acked=live.get("acked", 0),
                delivered=live.get("delivered", 0),
                acked_per_s=acked,
                delivered_per_s=delivered,
            )
        )

    def on_fault(self, entry: FaultEntry) -> None:
        """Keep which faults are active; say what failed."""
        what = " ".join((entry.fault, ", ".join(entry.targets))).rstrip()
        match entry.step:
            case "injected":
                self._active[entry.fault_id] = what
            case "heal_proved":
                self._active.pop(entry.fault_id, None)
            case "failed":
                why = entry.evidence.get("error", "")
                self._progress.say(f"Fault {entry.fault_id} ({what}) failed: {why}")
