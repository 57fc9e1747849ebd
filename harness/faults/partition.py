"""partition: a member is cut off from others, or groups of members from each other, both ways or one."""

from typing import Annotated, ClassVar, Literal

from harness.backends.abilities import Impairment
from harness.backends.base import Backend
from harness.faults.base import NotProven, Spec
from harness.faults.link_fault import ANSWER_S, NOT_OURS, LinkFault, Trips, spoken_trips
from harness.records.plan import FaultPlan
from harness.scenario.keys import ReversibleOnLinks, Target, Text, told
from harness.scenario.values import choice

SILENCE_S = 0.5  # How long a probe waits for an answer that must not come.

Behavior = Annotated[Literal["drop", "reject"], choice("drop", "reject")]


class PartitionKeys(ReversibleOnLinks):
    """What is cut, and how."""

    # Groups name everybody who is hit.
    target: Annotated[Target | None, told("Whom it cuts off; needed without `groups`.")] = None  # type: ignore[assignment]
    behavior: Annotated[
        Behavior,
        told("`drop`: what is sent vanishes in silence. `reject`: connections are reset, new ones refused."),
    ] = "drop"
    groups: Annotated[
        tuple[tuple[Text, ...], ...] | None,
        told(
            "In the place of `target`, `from` and `direction`: members that reach only who is in their own "
            "list, like `[[node-1], [node-2, node-3, redis]]`. Clients reach all."
        ),
    ] = None


class Partition(LinkFault):
    """Cuts links. The proof is that nobody answers over them."""

    spec: ClassVar[Spec] = Spec(
        name="partition",
        summary="The member is cut off from others, or groups from each other, both ways or one.",
        keys=PartitionKeys,
        mechanisms={"process": "TCP proxies that stall or reset", "docker": "iptables DROP or REJECT"},
        why_not=NOT_OURS,
        needs=("links",),
        traits=("cuts-silently",),
    )

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        super().__init__(plan, backend)
        self._rejects = plan.settings.get("behavior") == "reject"

    def impairment(self, member: str, peers: tuple[str, ...]) -> Impairment:
        """Cut."""
        return self._impaired(member, peers, "reject" if self._rejects else "drop")

    def check(self, before: Trips) -> Trips:
        """See that no question is answered: the handshake alone needs both ways.

        Raises:
            NotProven: one was.
        """
        slowest = max(trip or 0.0 for trip in before.values())
        during = self._ends.trips(before, timeout_s=min(ANSWER_S, max(SILENCE_S, 3 * slowest)))
        answered = {link: trip for link, trip in during.items() if trip is not None}
        if answered:
            raise NotProven(f"cut off, but there are answers: {spoken_trips(answered)}")
        return during
