"""kill: SIGKILL to a member, which gets no chance to say goodbye; the harness may start it again later."""

from typing import ClassVar

from harness.faults.base import Spec
from harness.faults.downtime import NOT_OURS, Downtime
from harness.scenario.keys import TakesDown


class Kill(Downtime):
    """Kills all targets, and brings them back where the plan says so."""

    spec: ClassVar[Spec] = Spec(
        name="kill",
        summary="SIGKILL: no goodbye to anyone, nothing flushed.",
        keys=TakesDown,
        mechanisms={"process": "SIGKILL to the process group", "docker": "SIGKILL by the engine"},
        why_not=NOT_OURS,
        traits=("takes-down",),
    )
    noun = "the kill"
    past = "killed"

    def take_down(self, member: str) -> None:
        """SIGKILL it."""
        self._backend.kill(member)
