"""reconnect-storm: all clients of the targets lose their connections at once, and come back together.

Nothing is wrong with the members: what is tested is what they do when everybody knocks in the same moment.
"""

from typing import ClassVar

from harness.backends.base import Backend
from harness.clock import NS, now_ns
from harness.faults.base import Evidence, NotProven, Spec, Undo
from harness.faults.downtime import READY_TIMEOUT_S
from harness.faults.link_fault import lacking
from harness.faults.together import spoken, together
from harness.records.plan import CLIENTS, FaultPlan
from harness.scenario.keys import OneShot


class ReconnectStorm:
    """Resets every client's connection to the targets. The proof is how many were there and were cut."""

    spec: ClassVar[Spec] = Spec(
        name="reconnect-storm",
        summary="All clients' connections are reset in the same moment, so that all come back together.",
        keys=OneShot,
        mechanisms={"process": "the clients' TCP proxy resets", "docker": "resets in the network namespace"},
        why_not={"attach": "the links of an attached cluster are not ours to cut"},
        roles=("node",),
        needs=("links",),
        traits=("comes-back", "cuts-off"),
    )

    @classmethod
    def available(cls, backend: str) -> str | None:
        """Try what links of the backend need."""
        return lacking(backend)

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        self._targets = plan.targets
        self._backend = backend
        self._cut: dict[str, int] = {}

    def undo(self) -> Undo:
        """Return nothing: who was cut off connects again."""
        return Undo(evidence={"reconnect": "the clients, by themselves"})

    def inject(self) -> Evidence:
        """Reset the connections.

        Raises:
            HarnessError: the links could not be reset.
        """
        began_ns = now_ns()
        self._cut = together(lambda member: self._backend.links.reset(member, (CLIENTS,)), self._targets)
        return {"within": f"{(now_ns() - began_ns) / NS:.3f} s"}

    def prove(self) -> Evidence:
        """See that there were connections to cut, on every target.

        Raises:
            NotProven: a target had no client: nobody would come back to it.
        """
        if idle := [member for member, count in self._cut.items() if not count]:
            raise NotProven(f"no client was connected to {', '.join(idle)}, so there was nothing to cut")
        return {"cut": spoken({member: f"{count} connections" for member, count in self._cut.items()})}

    def heal(self) -> Evidence | None:
        """See that the targets serve; the clients come back by themselves, which is for the judge to see.

        Raises:
            HarnessError: one is not ready any more.
        """
        if not self._cut:
            return None
        together(lambda member: self._backend.wait_ready(member, timeout_s=READY_TIMEOUT_S), self._cut)
        return {"ready": ", ".join(self._cut)}
