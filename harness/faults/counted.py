"""Faults on links that only their counters show: what a small exchange meets is too little to be timed."""

from harness.clock import deadline_ns, left_s
from harness.faults.base import Evidence, NotProven
from harness.faults.link_fault import ANSWER_S, LinkFault, Trips

COUNTED_S = 15.0  # How long exchanges are made until a counter shows one.
EXCHANGES = 5  # After the heal: of a loss that is small not every exchange would meet any.


class CountedLinkFault(LinkFault):
    """Proven by exchanges of our own that its counters show."""

    def check(self, before: Trips) -> Trips:
        """Exchange until each member's counters have changed.

        Raises:
            NotProven: those of one have not.
        """
        deadline, first = deadline_ns(COUNTED_S), self.counts_by_member()
        during: Trips = {}
        while left_s(deadline):
            # Its answer is not needed: what is narrow keeps it longer than the fault is to last.
            seen = self._ends.trips(before, timeout_s=ANSWER_S)
            during = {link: trip if trip is not None else during.get(link) for link, trip in seen.items()}
            if not self.uncounted_since(first):
                return during
        members = ", ".join(self.uncounted_since(first))
        raise NotProven(f"{COUNTED_S:g} s of exchanges, and nothing of them was counted at {members}")

    def heal(self) -> Evidence | None:
        """End it, and see that an exchange is not counted any more.

        Raises:
            NotProven: one still is, or nobody answers.
            HarnessError: a link could not be restored; the others were.
        """
        evidence = super().heal()
        self.see_uncounted(exchanges=EXCHANGES)
        return evidence
