"""latency: what is said over the links comes later, by a delay that may vary."""

from collections.abc import Iterable
from typing import Annotated, ClassVar

from harness.backends.abilities import Impairment
from harness.backends.base import Backend
from harness.faults.base import Evidence, NotProven, Spec
from harness.faults.link_ends import Link
from harness.faults.link_fault import ANSWER_S, NOT_OURS, LinkFault, Trips, spoken_trips
from harness.records.plan import FaultPlan
from harness.scenario.keys import Duration, DurationOrZero, ReversibleOnLinks, told

GRAIN = 0.95  # of the delay must be seen: clocks and timers have a grain
TRIES = 20  # With jitter every second answer takes the delay itself or longer.


class LatencyKeys(ReversibleOnLinks):
    """How much later."""

    delay: Annotated[Duration, told("How much later what is sent arrives, each way.")]
    jitter: Annotated[
        DurationOrZero, told("The delay varies by up to so much more or less; at most `delay` itself.")
    ] = 0.0


class Latency(LinkFault):
    """Delays. The proof: exchanges take as long as their way through the delays must, and were delayed here.

    Their time alone would prove nothing below another delay, nor where the jitter is as large as the delay.
    """

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
    def _usual_s(self) -> float:
        """What every second exchange takes at least."""
        return self._ways * self._delay_s * GRAIN

    @property
    def _patience_s(self) -> float:
        return self._ways * (self._delay_s + self._jitter_s) + 2 * ANSWER_S

    def impairment(self, member: str, peers: tuple[str, ...]) -> Impairment:
        """Delay."""
        return self._impaired(member, peers, "delay", delay_s=self._delay_s, jitter_s=self._jitter_s)

    def check(self, before: Trips) -> Trips:
        """See that every answer comes, and comes late, and that each member counts what it delayed.

        Raises:
            NotProven: one does not.
        """
        first = self.counts_by_member()
        during: Trips = {}
        for _ in range(TRIES):
            during |= self._late(link for link in before if (during.get(link) or 0.0) < self._usual_s)
            if all(trip is not None and trip >= self._usual_s for trip in during.values()):
                break
        else:
            raise NotProven(f"wanted one answer after {self._usual_s:g} s or more: {spoken_trips(during)}")
        asked = {link.member for link in before}
        if uncounted := asked & set(self.uncounted_since(first)):
            members = ", ".join(sorted(uncounted))
            raise NotProven(f"answers came late, but nothing of them was counted at {members}")
        return during

    def _late(self, links: Iterable[Link]) -> Trips:
        during = self._ends.trips(links, timeout_s=self._patience_s)
        wrong = {link: trip for link, trip in during.items() if trip is None or trip < self._least_s}
        if wrong:
            raise NotProven(f"wanted answers after {self._least_s:g} s or more: {spoken_trips(wrong)}")
        return during

    def heal(self) -> Evidence | None:
        """End it; what is measured right before tells how much must be gone, also below another delay.

        With much jitter an answer may be early all the same: so nothing may be counted any more, either.
        """
        if self._handles and not self._last:  # Who tries again finds nothing delayed any more.
            self._last = self._ends.trips(self._ends.links, timeout_s=self._patience_s)
        evidence = super().heal()
        self.see_uncounted(exchanges=1)
        return evidence

    def is_back(self, link: Link, trip: float | None) -> bool:
        """Tell whether half of the delay is gone at least; the rest is left to a busy machine."""
        last = self._last.get(link)
        return last is None or (trip is not None and trip <= max(0.0, last - self._least_s / 2))
