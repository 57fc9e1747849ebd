"""latency: what is said over the links comes later, by a delay that may vary."""

from typing import Annotated, ClassVar

from harness.backends.abilities import Impairment
from harness.backends.base import Backend
from harness.faults.base import Evidence, NotProven, Spec
from harness.faults.link_ends import Link
from harness.faults.link_fault import ANSWER_S, NOT_OURS, LinkFault, Trips, spoken_trips
from harness.records.plan import FaultPlan
from harness.scenario.keys import Duration, DurationOrZero, ReversibleOnLinks, told

GRAIN = 0.95  # of the delay must be seen: clocks and timers have a grain


class LatencyKeys(ReversibleOnLinks):
    """How much later."""

    delay: Annotated[Duration, told("How much later what is sent arrives, each way.")]
    jitter: Annotated[
        DurationOrZero, told("The delay varies by up to so much more or less; at most `delay` itself.")
    ] = 0.0


class Latency(LinkFault):
    """Delays. The proof is an exchange that takes as long as its way through the delays must."""

    spec: ClassVar[Spec] = Spec(
        name="latency",
        summary="What is said over the links comes later, in the same order.",
        keys=LatencyKeys,
        mechanisms={"process": "TCP proxies that hold back", "docker": "delayed verdicts (NFQUEUE)"},
        why_not=NOT_OURS,
        needs=("links",),
        traits=("degrades",),
    )

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        super().__init__(plan, backend)
        self._delay_s = float(str(plan.settings["delay"]))
        self._jitter_s = float(str(plan.settings.get("jitter") or 0.0))
        self._last: Trips = {}  # just before it was ended

    @property
    def _least_s(self) -> float:
        """What an exchange takes at least while it is in force."""
        return self._ways * (self._delay_s - self._jitter_s) * GRAIN

    @property
    def _patience_s(self) -> float:
        return self._ways * (self._delay_s + self._jitter_s) + 2 * ANSWER_S

    def impairment(self, member: str, peers: tuple[str, ...]) -> Impairment:
        """Delay."""
        return self._impaired(member, peers, "delay", delay_s=self._delay_s, jitter_s=self._jitter_s)

    def check(self, before: Trips) -> Trips:
        """See that every answer comes, and comes late.

        Raises:
            NotProven: one does not.
        """
        during = self._ends.trips(before, timeout_s=self._patience_s)
        wrong = {link: trip for link, trip in during.items() if trip is None or trip < self._least_s}
        if wrong:
            raise NotProven(f"wanted answers after {self._least_s:g} s or more: {spoken_trips(wrong)}")
        return during

    def heal(self) -> Evidence | None:
        """End it; what is measured right before tells how much must be gone, also below another delay."""
        if self._handles:
            self._last = self._ends.trips(self._ends.links, timeout_s=self._patience_s)
        return super().heal()

    def is_back(self, link: Link, trip: float | None) -> bool:
        """Tell whether half of the delay is gone at least; the rest is left to a busy machine."""
        last = self._last.get(link)
        return last is None or (trip is not None and trip <= max(0.0, last - self._least_s / 2))
