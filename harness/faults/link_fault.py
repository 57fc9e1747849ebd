"""What faults on links have in common: impairing the links, and timing a small exchange over each.

That is done before, during and after. A link on which nobody answered before (an end is down, or another
fault cuts it) can prove nothing, and no answer is expected of it afterwards either while an end is down.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from harness.backends.abilities import GONE, Effect, Evidence, Impairment
from harness.backends.base import Backend
from harness.clock import deadline_ns, left_s
from harness.errors import HarnessError
from harness.faults.base import NotProven, Spec, Undo
from harness.faults.link_ends import Link, by_member, direction_of, links_of
from harness.records.plan import FaultPlan, Role
from harness.seeds import seed_of

Trips = dict[Link, float | None]  # seconds of an exchange; `None`: no answer in time

ANSWER_S = 2.0  # What an exchange may take on a link that nothing is wrong with; on an idle machine, 1 ms.
HEALED_S = 15.0  # How long the heal waits until the links are as they were.
_POLL_S = 0.02
AT_ONCE = 16  # links that are measured at the same time

NOT_OURS = {"attach": "the links of an attached cluster are not ours to cut or slow"}


def lacking(backend: str) -> str | None:
    """Return what links that can be impaired lack on this machine; `None`: nothing, as for processes."""
    if backend != "docker":
        return None
    from harness.backends.docker_iptables import links_lacking  # It takes time to import, and few need it.

    return links_lacking()


class LinkEnds:
    """The links of one planned fault, and exchanges over them."""

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        """Find the links.

        Raises:
            HarnessError: there is none.
        """
        self._backend = backend
        redis = [member.name for member in backend.members() if member.role is Role.REDIS]
        self.links = links_of(plan, without_clients=redis)
        if not self.links:
            raise HarnessError(
                f"fault {plan.id}: {', '.join(plan.targets)} and {', '.join(plan.peers) or 'nobody'} have no "
                "link with each other"
            )

    def __str__(self) -> str:
        return ", ".join(map(str, self.links))

    def trips(self, links: Iterable[Link], *, timeout_s: float) -> Trips:
        """Time an exchange over each of the links, all at once."""
        wanted = tuple(links)

        def trip(link: Link) -> float | None:
            return self._backend.links.round_trip(link.member, link.peer, timeout_s=timeout_s)

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="link") as pool:
            return dict(zip(wanted, pool.map(trip, wanted), strict=True))

    def wait(self, is_back: Callable[[Link, float | None], bool]) -> Trips:
        """Wait until all links are back whose ends live and go on; return their last trips.

        Raises:
            NotProven: one is not, in time.
        """
        deadline = deadline_ns(HEALED_S)
        while True:
            trips = self.trips(self.links, timeout_s=max(0.1, min(ANSWER_S, left_s(deadline))))
            missing = [link for link, trip in trips.items() if not is_back(link, trip) and self._works(link)]
            if not missing:
                return trips
            if not left_s(deadline):
                seen = spoken_trips({link: trips[link] for link in missing})
                raise NotProven(f"{HEALED_S:g} s after the heal not as before: {seen}")
            time.sleep(_POLL_S)  # Who is refused has the answer at once.

    def _works(self, link: Link) -> bool:
        members = {member.name for member in self._backend.members()} & {link.member, link.peer}
        return not any(self._backend.identity(m) is None or self._backend.paused(m) for m in members)


class LinkFault:
    """Impairs links for a while. A subclass says how, and what must be seen of it."""

    spec: ClassVar[Spec]

    @classmethod
    def available(cls, backend: str) -> str | None:
        """Try what links of the backend need."""
        return lacking(backend)

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        self._backend = backend
        self._seed = plan.seed
        self._direction = direction_of(plan)
        self._ways = 2 if self._direction == "both" else 1  # that an exchange goes through what is wrong
        self._ends = LinkEnds(plan, backend)
        self._handles: dict[str, str] = {}  # what is in force, by member
        self._before: Trips = {}

    def impairment(self, member: str, peers: tuple[str, ...]) -> Impairment:
        """Return what is wrong with the links between a member and its peers."""
        raise NotImplementedError

    def check(self, before: Trips) -> Trips:
        """Exchange something over these links, which answered before, and return what was timed.

        Raises:
            NotProven: the impairment is not to be seen.
        """
        raise NotImplementedError

    def is_back(self, link: Link, trip: float | None) -> bool:
        """Tell whether a link is as if nothing was wrong."""
        return trip is not None

    def undo(self) -> Undo:
        """Return nothing to do: what is in force goes with the cluster's own processes and containers."""
        return Undo(evidence={"restore": str(self._ends)})

    def inject(self) -> Evidence:
        """Impair the links.

        Raises:
            HarnessError: one cannot be impaired; the others may be.
        """
        self._before = self._ends.trips(self._ends.links, timeout_s=ANSWER_S)
        for member, peers in by_member(self._ends.links).items():
            self._handles[member] = self._backend.links.impair(self.impairment(member, peers))
        return {"links": str(self._ends), "before": spoken_trips(self._before)}

    def prove(self) -> Evidence:
        """See it on every link that answered before.

        Raises:
            NotProven: it is not to be seen on one, none answered before, or it has ended by itself.
        """
        answered = {link: trip for link, trip in self._before.items() if trip is not None}
        if not answered:
            raise NotProven(f"nobody answered over {self._ends} before, so nothing can be seen of the fault")
        during, counted = self.check(dict(answered)), self.counts()
        if GONE in counted.values():
            raise NotProven(f"{self._ends} is not impaired any more: {GONE}")
        return {"before": spoken_trips(self._before), "during": spoken_trips(during), **counted}

    def heal(self) -> Evidence | None:
        """End it on all links, and see that they are as before.

        Raises:
            NotProven: one is not, in time; or it had ended by itself before.
            HarnessError: one could not be restored; the others were.
        """
        if not self._handles:
            return None
        counted = self.counts()
        self._restore()
        after = spoken_trips(self._ends.wait(self.is_back))
        if GONE in counted.values():
            raise NotProven(f"{self._ends} was not impaired to the end: {GONE}")
        return {"after": after, **counted}

    def counts(self) -> Evidence:
        """Return what the impairments have done so far; of several members each after its name."""
        found = self.counts_by_member()
        if len(found) == 1:
            return dict(next(iter(found.values())))
        return {f"{member}: {name}": said for member, of in found.items() for name, said in of.items()}

    def counts_by_member(self) -> dict[str, Evidence]:
        """Return the same, of each member by itself."""
        return {m: dict(self._backend.links.evidence(handle)) for m, handle in self._handles.items()}

    def uncounted_since(self, first: dict[str, Evidence]) -> list[str]:
        """Return the members whose counts are what they were."""
        return [member for member, counts in self.counts_by_member().items() if counts == first[member]]

    def see_uncounted(self, *, exchanges: int) -> None:
        """Exchange something, and see that no member counts it any more.

        Raises:
            NotProven: one does.
        """
        first = self.counts_by_member()
        for _ in range(exchanges):
            self._ends.trips(self._ends.links, timeout_s=ANSWER_S)
            if changed := first.keys() - set(self.uncounted_since(first)):
                members = ", ".join(sorted(changed))
                raise NotProven(f"after the heal an exchange is still counted at {members}")

    def _restore(self) -> None:
        errors: list[HarnessError] = []
        for handle in self._handles.values():
            try:
                self._backend.links.restore(handle)
            except HarnessError as error:
                errors.append(error)  # The others must be restored all the same.
        if errors:
            raise errors[0]

    def _impaired(self, member: str, peers: tuple[str, ...], effect: Effect, **how: float) -> Impairment:
        return Impairment(
            member=member,
            peers=peers,
            effect=effect,
            direction=self._direction,
            delay_s=how.get("delay_s", 0.0),
            jitter_s=how.get("jitter_s", 0.0),
            loss=how.get("loss", 0.0),
            bytes_per_s=int(how.get("bytes_per_s", 0)),
            seed=seed_of(f"{self._seed}:{member}"),
        )


def spoken_trips(trips: Mapping[Link, float | None]) -> str:
    """Return what was timed in words, each link by its name."""
    times = {link: "no answer" if trip is None else f"{trip * 1000:.1f} ms" for link, trip in trips.items()}
    return "; ".join(f"{link}: {time}" for link, time in times.items())
