"""clock-skew: the wall clock of a member is wrong by some time; its monotonic clock runs on."""

import time
from typing import Annotated, ClassVar

from harness.backends import process_clock
from harness.backends.base import Backend
from harness.clock import deadline_ns, left_s
from harness.faults.base import Evidence, NotProven, Spec, Undo
from harness.faults.together import spoken, together
from harness.records.plan import FaultPlan
from harness.scenario.keys import Reversible, told
from harness.scenario.values import offset

# Reading a clock from outside takes a process, and so some time, on a busy machine up to this.
TOLERANCE_S = 0.5
LOADED_S = 5.0  # For a process that was begun just now: it has no library yet.
GOES_ON_S = 30.0  # For a member that stands still: in a frozen container nobody can read a clock.
_POLL_S = 0.05


class ClockSkewKeys(Reversible):
    """How wrong the clock is."""

    offset: Annotated[
        Annotated[float, offset(least_s=2 * TOLERANCE_S)],
        told("How far the clock goes ahead (`30s`, `+2m`) or behind (`-90s`), 1 s at least."),
    ]


class ClockSkew:
    """Shifts the targets' clocks and sets them right again.

    The proof is a clock read in their place, and that each process of theirs has mapped what shifts it:
    read in its place alone, the clock of a program that is linked statically would seem to be shifted, too.
    """

    spec: ClassVar[Spec] = Spec(
        name="clock-skew",
        summary="The member's wall clock goes ahead or behind; its monotonic clock runs on.",
        keys=ClockSkewKeys,
        mechanisms={"process": "libfaketime, preloaded", "docker": "libfaketime, preloaded"},
        why_not={
            "attach": "a library has to be preloaded into members, and those of an attached cluster run"
        },
        needs=("clock",),
        traits=("degrades",),
    )

    @classmethod
    def available(cls, backend: str) -> str | None:
        """See that the library is there where members are processes; the image for containers has it."""
        return process_clock.lacking() if backend == "process" else None

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        self._targets = plan.targets
        self._offset_s = float(str(plan.settings["offset"]))
        self._backend = backend
        self._shifted = False

    def undo(self) -> Undo:
        """Return nothing to do: the shift ends with the members."""
        return Undo(evidence={"set right": ", ".join(self._targets)})

    def inject(self) -> Evidence:
        """Shift the clocks.

        Raises:
            HarnessError: the members were started without clocks that can be shifted.
        """
        self._shifted = True
        together(lambda member: self._backend.clock.shift(member, self._offset_s), self._targets)
        return {"offset": f"{self._offset_s:+g} s"}

    def prove(self) -> Evidence:
        """Read the clocks, and see whose they are.

        Raises:
            NotProven: one does not show the offset, or a process of a target does not go by it.
        """
        read = self._read(self._offset_s)
        return {"clock": spoken(read), "library mapped by": spoken(together(self._held_by, self._targets))}

    def _held_by(self, member: str) -> str:
        deadline = deadline_ns(LOADED_S)
        while True:
            found = self._backend.clock.holders(member)
            without = [process for process, has in found.items() if not has]
            if found and not without:
                return ", ".join(found)
            if not left_s(deadline):
                raise NotProven(_unmoved(member, without))
            time.sleep(_POLL_S)

    def heal(self) -> Evidence | None:
        """Set the clocks right, and read them; that of a member that another fault pauses, when it goes on.

        Raises:
            NotProven: one still is wrong.
        """
        if not self._shifted:
            return None
        together(lambda member: self._backend.clock.shift(member, 0.0), self._targets)
        together(self._wait_going, self._targets)
        return {"clock": spoken(self._read(0.0))}

    def _wait_going(self, member: str) -> None:
        deadline = deadline_ns(GOES_ON_S)
        while self._backend.paused(member) and left_s(deadline):
            time.sleep(_POLL_S)

    def _read(self, wanted_s: float) -> dict[str, str]:
        read = together(self._backend.clock.offset, self._targets)
        for member, offset_s in read.items():
            if abs(offset_s - wanted_s) > TOLERANCE_S:
                raise NotProven(f"the clock of {member} is {offset_s:+.3f} s off, and not {wanted_s:+g} s")
        return {member: f"{offset_s:+.3f} s" for member, offset_s in read.items()}


def _unmoved(member: str, without: list[str]) -> str:
    if not without:
        return f"{member} has no process whose clock could be off: it is down"
    return (
        f"{', '.join(without)} of {member} runs without libfaketime, so its clock is the machine's: it does "
        "not preload libraries, as programs that are linked statically do not"
    )
