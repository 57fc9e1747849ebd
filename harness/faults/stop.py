"""stop: SIGTERM to a member, which may say goodbye: a node moves its clients away, Redis syncs its log."""

from typing import ClassVar

from harness.backends.base import Backend
from harness.clock import NS, now_ns
from harness.faults.base import Evidence, Spec
from harness.faults.downtime import NOT_OURS, Downtime
from harness.faults.together import spoken
from harness.records.plan import FaultPlan
from harness.scenario.keys import TakesDown

STOP_TIMEOUT_S = 20.0  # A node's drain takes 10 s at most; who takes twice that does not stop at all.


class Stop(Downtime):
    """Asks all targets to end and waits until they did, and brings them back where the plan says so.

    Its evidence tells how long each took to say goodbye. One that does not end by itself is left alive: the
    stop has failed then, and no SIGKILL hides it.
    """

    spec: ClassVar[Spec] = Spec(
        name="stop",
        summary="SIGTERM: the member may drain and says goodbye; it ends by itself.",
        keys=TakesDown,
        mechanisms={"process": "SIGTERM to the process group", "docker": "SIGTERM by the engine"},
        why_not=NOT_OURS,
        traits=("takes-down",),
    )
    noun = "the stop"
    past = "stopped"

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        super().__init__(plan, backend)
        self._took_s: dict[str, float] = {}

    def take_down(self, member: str) -> None:
        """SIGTERM, and wait until it has ended."""
        asked_ns = now_ns()
        self._backend.terminate(member, timeout_s=STOP_TIMEOUT_S)
        self._took_s[member] = (now_ns() - asked_ns) / NS

    def prove(self) -> Evidence:
        """As of every downtime, and how long each target took to end."""
        took = {m: f"{self._took_s[m]:.3f} s after SIGTERM" for m in self._targets if m in self._took_s}
        return {**super().prove(), "ended": spoken(took)}
