"""bandwidth: no more than so many bytes a second pass over each of the links, each way."""

from typing import Annotated, ClassVar

from harness.backends.abilities import Impairment
from harness.backends.base import Backend
from harness.faults.base import Spec
from harness.faults.counted import CountedLinkFault
from harness.faults.link_fault import NOT_OURS
from harness.records.plan import FaultPlan
from harness.scenario.keys import ReversibleOnLinks, told
from harness.scenario.values import byte_rate


class BandwidthKeys(ReversibleOnLinks):
    """How narrow."""

    rate: Annotated[
        Annotated[int, byte_rate()],
        told("What passes over each link, each way: `64KiB/s`, `1MiB/s`, `500kB/s`. Clients share one link."),
    ]


class Bandwidth(CountedLinkFault):
    """Narrows links. The proof is counted: bytes of our own that went through what is narrow."""

    spec: ClassVar[Spec] = Spec(
        name="bandwidth",
        summary="No more than so many bytes a second pass over the links.",
        keys=BandwidthKeys,
        mechanisms={"process": "TCP proxies that pace", "docker": "paced verdicts (NFQUEUE)"},
        why_not=NOT_OURS,
        needs=("links",),
        traits=("degrades",),
    )

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        super().__init__(plan, backend)
        self._bytes_per_s = int(str(plan.settings["rate"]))

    def impairment(self, member: str, peers: tuple[str, ...]) -> Impairment:
        """Narrow."""
        return self._impaired(member, peers, "rate", bytes_per_s=self._bytes_per_s)
