"""Which links a planned fault is about. Pure: a plan in, links out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import get_args

from harness.backends.abilities import Direction
from harness.records.plan import CLIENTS, FaultPlan


@dataclass(frozen=True, order=True, slots=True)
class Link:
    """Two ends; `to` and `from` are seen from the member, who is never the clients."""

    member: str
    peer: str

    def __str__(self) -> str:
        return f"{self.member}–{self.peer}"


def direction_of(plan: FaultPlan) -> Direction:
    """Return the direction that the plan says, as seen from its targets."""
    said = plan.settings.get("direction") or "both"
    return next(direction for direction in get_args(Direction) if direction == said)


def links_of(plan: FaultPlan, *, without_clients: Iterable[str]) -> tuple[Link, ...]:
    """Return the links between the targets and the peers, or between the groups, each once.

    `without_clients` are the members that no client has a link to: Redis.
    """
    groups = plan.settings.get("groups")
    if isinstance(groups, tuple):
        return tuple(_between([str(group).split() for group in groups], plan.targets))
    return tuple(_of_targets(plan, frozenset(without_clients)))


def by_member(links: Iterable[Link]) -> dict[str, tuple[str, ...]]:
    """Return the peers of each member."""
    peers: dict[str, tuple[str, ...]] = {}
    for link in links:
        peers[link.member] = (*peers.get(link.member, ()), link.peer)
    return peers


def _between(groups: list[list[str]], targets: tuple[str, ...]) -> Iterator[Link]:
    for number, group in enumerate(groups):
        for one in group:
            for two in (name for other in groups[number + 1 :] for name in other):
                yield Link(one, two) if one in targets else Link(two, one)


def _of_targets(plan: FaultPlan, without_clients: frozenset[str]) -> Iterator[Link]:
    seen: set[Link] = set()
    for link in (Link(target, peer) for target in plan.targets for peer in plan.peers):
        if link.member == link.peer or (link.peer == CLIENTS and link.member in without_clients):
            continue
        # What is wrong both ways between two targets is put in force once, not from either end.
        if direction_of(plan) == "both" and Link(link.peer, link.member) in seen:
            continue
        seen.add(link)
        yield link
