"""Which members a target can hit, and how many it will: the arithmetic that checks and plan share.

How many members a fault hits never depends on the seed, only which ones. So everything that could go
wrong with a target is known before a seed is drawn.
"""

import re
from dataclasses import dataclass

from harness.scenario.keys import Target

REDIS = "redis"
_MEMBER = re.compile(r"redis|node-[0-9]+", re.ASCII)


class NoTarget(Exception):
    """A target that cannot be met; `key` is the key in it to mend."""

    def __init__(self, key: str, sentence: str) -> None:
        self.key = key
        super().__init__(sentence)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """What a fault hits: `count` of the `possible` members, in the cluster's order."""

    possible: tuple[str, ...]
    count: int

    @property
    def certain(self) -> frozenset[str]:
        """The members that are hit whatever the seed."""
        return frozenset(self.possible) if self.count == len(self.possible) else frozenset()


def node_names(nodes: int) -> tuple[str, ...]:
    """Return the names of a cluster's nodes: `node-1` …"""
    return tuple(f"node-{number}" for number in range(1, nodes + 1))


def member_names(nodes: int, *, redis: bool = True) -> tuple[str, ...]:
    """Return the names of all members, Redis first; an attached cluster has no `redis`."""
    return ((REDIS,) if redis else ()) + node_names(nodes)


def may_be_member(name: str) -> bool:
    """Return whether this is how members are called, in a cluster of whatever size."""
    return _MEMBER.fullmatch(name) is not None


def candidates(role: str, nodes: int) -> tuple[str, ...]:
    """Return the members of a role."""
    return (REDIS,) if role == REDIS else node_names(nodes)


def reach(target: Target, nodes: int, excluded: Reach | None) -> Reach:
    """Return what a target of sound shape hits; `excluded` is what it must leave out.

    Raises:
        NoTarget: nobody is left, or fewer than a fixed number.
    """
    if target.name is not None:
        return Reach(possible=(target.name,), count=1)
    pool = candidates(str(target.role), nodes)
    left_out = excluded or Reach(possible=(), count=0)
    possible = tuple(member for member in pool if member not in left_out.certain)
    # Nobody is in two roles, so the other fault's members are all of this role or none is.
    size = len(pool) - (left_out.count if set(left_out.possible) & set(pool) else 0)
    if size < 1:
        raise NoTarget("exclude", f"no {target.role} is left to hit once {target.exclude!r} is excluded")
    return Reach(possible=possible, count=how_many(target, size))


def how_many(target: Target, size: int) -> int:
    """Return how many of `size` candidates the target hits.

    Raises:
        NoTarget: fewer are there than a fixed number.
    """
    value = target.value or 0
    match target.mode:
        case "all" | "each":
            return size
        case "fixed" if value > size:
            raise NoTarget("value", f"wants {value} of role {target.role}; there are {size} to choose from")
        case "fixed":
            return value
        case "percent":
            return -(-size * value // 100)
        case _:
            return 1


def cut_off(groups: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Return whom a partition into groups takes away: all that are not with Redis, or with the most."""
    kept = next((group for group in groups if REDIS in group), max(groups, key=len, default=()))
    return tuple(member for group in groups if group is not kept for member in group)
