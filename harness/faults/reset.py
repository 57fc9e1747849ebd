"""reset: connections that are established are cut with a RST; whoever had them connects anew."""

from typing import ClassVar

from harness.backends.base import Backend
from harness.faults.base import Evidence, NotProven, Spec, Undo
from harness.faults.link_ends import by_member
from harness.faults.link_fault import NOT_OURS, LinkEnds, lacking, spoken_trips
from harness.faults.together import spoken
from harness.records.plan import FaultPlan
from harness.scenario.keys import OneShotOnLinks


class Reset:
    """Resets the targets' connections. The proof is how many there were."""

    spec: ClassVar[Spec] = Spec(
        name="reset",
        summary="Connections of the member that are established are reset.",
        keys=OneShotOnLinks,
        mechanisms={"process": "TCP proxies that reset", "docker": "resets in the network namespace"},
        why_not=NOT_OURS,
        needs=("links",),
        traits=("comes-back", "cuts-off"),
    )

    @classmethod
    def available(cls, backend: str) -> str | None:
        """Try what links of the backend need."""
        return lacking(backend)

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        self._backend = backend
        self._ends = LinkEnds(plan, backend)
        self._cut: dict[str, int] = {}

    def undo(self) -> Undo:
        """Return nothing to do: who was cut off connects again."""
        return Undo(evidence={"reconnect": "by themselves"})

    def inject(self) -> Evidence:
        """Reset the connections.

        Raises:
            HarnessError: they cannot be reset.
        """
        for member, peers in by_member(self._ends.links).items():
            self._cut[member] = self._backend.links.reset(member, peers)
        return {"links": str(self._ends)}

    def prove(self) -> Evidence:
        """See that every target had connections to lose.

        Raises:
            NotProven: one had none.
        """
        if idle := [member for member, count in self._cut.items() if not count]:
            raise NotProven(f"{', '.join(idle)} had no connection over {self._ends}, so nothing was cut")
        return {"cut": spoken({member: f"{count} connections" for member, count in self._cut.items()})}

    def heal(self) -> Evidence | None:
        """See that the links serve; who was cut off connects by itself, which is for the judge to see.

        Raises:
            NotProven: one does not.
        """
        if not self._cut:
            return None
        return {"after": spoken_trips(self._ends.wait(lambda link, trip: trip is not None))}
