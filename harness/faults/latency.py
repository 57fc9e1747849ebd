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
ANSWERS = 3  # late ones, below something else that slows the link, after which time tells nothing
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
        self._during: Trips = {}  # when it was proven
        self._otherwise: dict[Link, list[str]] = {}  # what else was wrong, each time an answer was late

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
        self._during = during
        return during

    def _late(self, links: Iterable[Link]) -> Trips:
        during = self._ends.trips(links, timeout_s=self._patience_s)
        wrong = {link: trip for link, trip in during.items() if trip is None or trip < self._least_s}
        if wrong:
            raise NotProven(f"wanted answers after {self._least_s:g} s or more: {spoken_trips(wrong)}")
        return during

    def heal(self) -> Evidence | None:
        """End it at once, and see that it is over.

        Nobody is asked before: over a link that another fault cuts, the answer would be waited for in vain,
        and the delay last longer than planned. An answer that comes sooner than through the delay shows its
        end, and that nothing is counted any more does; that alone where another fault slows or cuts the link.

        Raises:
            NotProven: an answer comes as late as before, or none, and nobody else makes it so; or the delay
                is still in force, or still counts.
            HarnessError: a link could not be restored; the others were.
        """
        self._otherwise = {}
        evidence = super().heal()
        if evidence is None:
            return None
        self.see_uncounted(exchanges=1)
        in_force = self._backend.links.in_force()
        if still := ", ".join(m for m, handle in self._handles.items() if handle in in_force):
            raise NotProven(f"after the heal the delay is still in force at {still}")
        return {
            **evidence,
            "seen by": "; ".join(f"{link}: {self._seen_by(link)}" for link in self._ends.links),
        }

    def is_back(self, link: Link, trip: float | None) -> bool:
        """Tell whether half of the delay is gone at least; the rest is left to a busy machine.

        Also where something else that is wrong with the link hides it; below what only slows, a few answers
        have the chance to show it all the same.
        """
        if trip is not None and trip < self._soonest_s(link):
            self._otherwise.pop(link, None)
            return True
        mine = set(self._handles.values())
        in_force = self._backend.links.in_force()
        others = [
            it for handle, it in in_force.items() if handle not in mine and it.touches(link.member, link.peer)
        ]
        self._otherwise.setdefault(link, []).append(", ".join(sorted({it.effect for it in others})))
        return bool(others) and (trip is None or len(self._otherwise[link]) >= ANSWERS)

    def _soonest_s(self, link: Link) -> float:
        """Return what an answer must not take any more, below whatever else slowed it when it was proven."""
        during = self._during.get(link) or self._usual_s
        return max(self._least_s, during - self._least_s / 2)

    def _seen_by(self, link: Link) -> str:
        if not (seen := self._otherwise.get(link)):
            return "time and counts"
        why = f"{seen[-1]} of another fault holds" if seen[-1] else "an end is down, or stands still"
        return f"counts alone, since {why}: it is not in force, and nothing is counted any more"
