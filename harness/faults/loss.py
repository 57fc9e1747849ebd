"""loss: a share of the packets vanishes, at random."""

from typing import Annotated, ClassVar

from harness.backends.abilities import Impairment
from harness.backends.base import Backend
from harness.faults.base import Spec
from harness.faults.counted import CountedLinkFault
from harness.faults.link_fault import NOT_OURS
from harness.records.plan import FaultPlan
from harness.scenario.keys import ReversibleOnLinks, told
from harness.scenario.values import rate


class LossKeys(ReversibleOnLinks):
    """How much is lost."""

    percent: Annotated[Annotated[float, rate(90)], told("How many of a hundred packets vanish, each way.")]


class Loss(CountedLinkFault):
    """Loses packets. The proof is counted: packets that vanished while we exchanged some."""

    spec: ClassVar[Spec] = Spec(
        name="loss",
        summary="A share of the packets on the links vanishes, at random.",
        keys=LossKeys,
        mechanisms={"docker": "iptables DROP with a probability"},
        why_not={**NOT_OURS, "process": "a TCP proxy has no packets that could be lost"},
        needs=("links",),
        traits=("degrades",),
    )

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        super().__init__(plan, backend)
        self._share = float(str(plan.settings["percent"])) / 100

    def impairment(self, member: str, peers: tuple[str, ...]) -> Impairment:
        """Lose."""
        return self._impaired(member, peers, "loss", loss=self._share)
