"""pause: a member stands still: alive, its connections open, answering nobody (a long GC, a frozen host)."""

from typing import ClassVar

from harness.backends.base import Backend, Identity
from harness.clock import NS, now_ns
from harness.errors import HarnessError, MemberError
from harness.faults.base import Evidence, NotProven, Spec, Undo
from harness.faults.downtime import READY_TIMEOUT_S
from harness.faults.together import spoken, together
from harness.records.plan import FaultPlan
from harness.scenario.keys import Reversible

SILENCE_S = 1.0  # How long a probe waits for an answer that must not come; a healthy member needs 10 ms.


class Pause:
    """Stops all targets where they stand and lets them go on later, as the same incarnations.

    The proof is twofold: the kernel or the engine says that the target stands still, and a question to it
    stays unanswered.
    """

    spec: ClassVar[Spec] = Spec(
        name="pause",
        summary="The member stands still: alive, connected, and answering nobody.",
        keys=Reversible,
        mechanisms={"process": "SIGSTOP to the process group", "docker": "the engine's freezer"},
        why_not={"attach": "the members of an attached cluster are not ours to stop"},
        traits=("cuts-silently",),
    )

    @classmethod
    def available(cls, backend: str) -> str | None:
        """Whoever started a process can stop it; the engine has its freezer wherever it runs."""
        return None

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        self._targets = plan.targets
        self._backend = backend
        self._before: dict[str, Identity] = {}  # who lived when it was to be paused
        self._paused_ns = 0  # when all of them stood

    def undo(self) -> Undo:
        """Return whom to let go on; with the cluster's end a paused member ends, too."""
        return Undo(evidence={"resume": ", ".join(self._targets)})

    def inject(self) -> Evidence:
        """Pause the targets.

        Raises:
            HarnessError: a target is down, or does not stop.
        """
        for member in self._targets:
            identity = self._backend.identity(member)
            if identity is None:
                raise HarnessError(f"{member} could not be paused: it was down already")
            self._before[member] = identity
            self._backend.pause(member)
        self._paused_ns = now_ns()
        return {"paused": spoken({member: str(identity) for member, identity in self._before.items()})}

    def prove(self) -> Evidence:
        """See that each target is said to stand still, and does not answer.

        Raises:
            NotProven: one runs, or answers.
        """
        return {"state": spoken(together(self._stands_still, self._before))}

    def _stands_still(self, member: str) -> str:
        if not self._backend.paused(member):
            raise NotProven(f"{member} was paused, but nothing says that it stands still")
        if (answered_s := _answer_s(self._backend, member)) is not None:
            raise NotProven(f"{member} was paused, but answered after {answered_s:.3f} s")
        return f"stands still, no answer within {SILENCE_S:g} s"

    def heal(self) -> Evidence | None:
        """Let the targets go on, and see that they are who they were, and are ready.

        Raises:
            NotProven: a target is another incarnation or down, or still stands.
            HarnessError: a target could not be resumed, or did not become ready.
        """
        if not self._before:
            return None
        resumed_ns = now_ns()
        together(self._backend.resume, self._before)
        together(self._goes_on, self._before)
        stood = {"stood": f"{(resumed_ns - self._paused_ns) / NS:.3f} s"} if self._paused_ns else {}
        return {**stood, "ready": f"{(now_ns() - resumed_ns) / NS:.3f} s after it was resumed"}

    def _goes_on(self, member: str) -> None:
        before, after = self._before[member], self._backend.identity(member)
        if after != before:
            raise NotProven(f"{member} did not survive the pause: {before} is now {after or 'down'}")
        if self._backend.paused(member):
            raise NotProven(f"{member} was resumed, but still stands")
        self._backend.wait_ready(member, timeout_s=READY_TIMEOUT_S)


def _answer_s(backend: Backend, member: str) -> float | None:
    """Return after how many seconds the member answered; `None`: it did not."""
    asked_ns = now_ns()
    try:
        backend.wait_ready(member, timeout_s=SILENCE_S)
    except MemberError:
        return None
    return (now_ns() - asked_ns) / NS
