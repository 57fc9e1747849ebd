"""Whether the parts of a scenario fit together: what no single key can tell.

Each check is a pure function from facts to findings, and says nothing where a fact that it needs is
itself wrong. A scenario that passes has a plan for every seed, and no fault of it can hit a member that
another one has already taken down.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from harness.records.guarantees import NOT_APPLICABLE
from harness.scenario.facts import Facts, FaultFacts
from harness.scenario.model import MOST_NODES, Target
from harness.scenario.source import Path
from harness.scenario.targets import (
    REDIS,
    NoTarget,
    Reach,
    may_be_member,
    member_names,
    reach,
)
from harness.scenario.values import did_you_mean, listed

Finding = tuple[Path, str]


def findings(facts: Facts) -> Iterator[Finding]:
    """Yield everything that does not fit together, with the path of what should be mended."""
    for check in (_command, _attach, _spawn, _rooms, _ids, _times, _shapes, _checks, _expectation):
        yield from check(facts)
    reaches: dict[int, Reach] = {}
    yield from _targets(facts, reaches)
    yield from _overlaps(facts, reaches)
    yield from _survivors(facts, reaches)


def _command(facts: Facts) -> Iterator[Finding]:
    if facts.command is not None and not any(facts.command[:1]):
        yield ("cluster", "command"), "`command` wants a program and its arguments; the program is missing"
    if facts.ready is not None and facts.no_command:
        yield (
            ("cluster", "ready"),
            "`ready` goes with `command` only; our own node has its own",
        )


def _attach(facts: Facts) -> Iterator[Finding]:
    if "attach" not in facts.cluster_keys:
        return
    for key in ("nodes", "redis", "command", "ready"):
        if key in facts.cluster_keys:
            yield ("cluster", key), f"`{key}` does not go with `attach`, which uses nodes as they run already"
    if facts.attach == ():
        yield ("cluster", "attach"), "`attach` wants the URL of each node; there is none"
    elif len(facts.attach or ()) > MOST_NODES:
        yield ("cluster", "attach"), f"`attach` wants {MOST_NODES} nodes at most"
    yield from _repeated(("cluster", "attach"), facts.attach)


def _spawn(facts: Facts) -> Iterator[Finding]:
    if facts.users is None or facts.spawn_rate is None or facts.warmup is None:
        return
    length = round(facts.users / facts.spawn_rate, 6)
    if length > facts.warmup:
        yield (
            ("load", "spawn_rate"),
            f"{facts.users} users at {facts.spawn_rate:g} a second take {length:g} s "
            f"to start, longer than the warm-up of {facts.warmup:g} s; raise `spawn_rate` to at least "
            f"{math.ceil(facts.users / facts.warmup)} or lengthen `warmup`",
        )


def _rooms(facts: Facts) -> Iterator[Finding]:
    if facts.users is not None and facts.rooms is not None and facts.rooms > facts.users:
        yield ("load", "rooms"), f"{facts.rooms} rooms for {facts.users} users would leave rooms empty"


def _ids(facts: Facts) -> Iterator[Finding]:
    seen: set[str] = set()
    for fault in facts.faults:
        if fault.id is None:
            continue
        if fault.id in seen:
            yield (*fault.path, "id"), f"another fault has the id {fault.id!r} already"
        if may_be_member(fault.id):
            yield (*fault.path, "id"), f"{fault.id!r} is the name of a member; a fault needs one of its own"
        seen.add(fault.id)


def _times(facts: Facts) -> Iterator[Finding]:
    for fault in facts.faults:
        if facts.chaos is None or fault.at is None:
            continue
        if fault.at >= facts.chaos:
            yield (
                (*fault.path, "at"),
                f"{fault.at:g} s after the start of chaos is not within it: it lasts {facts.chaos:g} s",
            )
        elif facts.recovery is not None and fault.down is not None:
            back, end = fault.down[1], round(facts.chaos + facts.recovery, 6)
            if end <= back < math.inf:
                yield (
                    (*fault.path, "restart_after"),
                    f"{back:g} s after the start of chaos is too late to come back: the load ends after "
                    f"{end:g} s",
                )


def _shapes(facts: Facts) -> Iterator[Finding]:
    for fault in facts.faults:
        if fault.target is not None:
            path = (*fault.path, "target")
            yield from ((path + step, sentence) for step, sentence in _shape(fault.target))


def _shape(target: Target) -> Iterator[Finding]:
    """Say what is wrong with the combination of a target's keys."""
    if target.name is not None:
        for key in ("role", "mode", "value", "exclude"):
            if getattr(target, key) is not None:
                yield (key,), f"`{key}` does not go with `name`: a target is one member, or some of a role"
    elif target.role is None:
        yield (), "a target wants `name: node-2`, or a `role` with a `mode`"
    elif target.mode is None:
        yield (), "the key `mode` is missing in `target`: one, all, fixed or percent of the role's members"
    elif target.mode in ("fixed", "percent") and target.value is None:
        what = "how many members" if target.mode == "fixed" else "how many per cent of them"
        yield ("mode",), f"`mode: {target.mode}` wants a `value`: {what}"
    elif target.mode in ("one", "all") and target.value is not None:
        yield ("value",), f"`value` does not go with `mode: {target.mode}`"


def _targets(facts: Facts, reaches: dict[int, Reach]) -> Iterator[Finding]:
    """Check whom each fault can hit, and leave what was found out in `reaches`, by the fault's index."""
    by_id: dict[str, Reach] = {}
    for index, fault in enumerate(facts.faults):
        try:
            found = _reach(facts, index, by_id)
        except NoTarget as error:
            yield (*fault.path, "target", error.key), str(error)
            continue
        if found is not None:
            reaches[index] = found
            if fault.id is not None:
                by_id.setdefault(fault.id, found)


def _reach(facts: Facts, index: int, earlier: Mapping[str, Reach]) -> Reach | None:
    """Return what the fault hits, `None` where that is not known.

    Raises:
        NoTarget: a name in its target is wrong, or too few members are left.
    """
    target = facts.faults[index].target
    if facts.nodes is None or target is None or any(_shape(target)):
        return None
    members = _members(facts)
    if target.role == REDIS and REDIS not in members:
        raise NoTarget("role", f"an attached cluster has no Redis that we know; there are {listed(members)}")
    if target.name is not None and target.name not in members:
        raise NoTarget("name", f"there is no member {target.name!r}; there are {listed(members)}")
    if target.exclude is None:
        return reach(target, facts.nodes, None)
    if target.exclude in members:
        return reach(target, facts.nodes, Reach(possible=(target.exclude,), count=1))
    if target.exclude in earlier:
        return reach(target, facts.nodes, earlier[target.exclude])
    wrong = _unknown_exclude(target.exclude, facts, index)
    if wrong:
        raise NoTarget("exclude", f"`exclude` wants a member or an earlier fault, {wrong}")
    return None


def _members(facts: Facts) -> tuple[str, ...]:
    return member_names(facts.nodes or 0, redis="attach" not in facts.cluster_keys)


def _unknown_exclude(exclude: str, facts: Facts, index: int) -> str:
    """Say what is wrong with an `exclude` that leads to nothing; "" where only the fault it names is."""
    before = {fault.id for fault in facts.faults[:index]}
    if exclude in before or None in before:
        return ""
    if exclude in {fault.id for fault in facts.faults[index:]}:
        return f"and {exclude!r} is listed {'later' if exclude != facts.faults[index].id else 'here'}"
    options = sorted({*(id_ for id_ in before if id_), *_members(facts)})
    return f"not {exclude!r}{_instead(exclude, options)}"


def _overlaps(facts: Facts, reaches: Mapping[int, Reach]) -> Iterator[Finding]:
    """A member that is down cannot be killed, nor one that another fault is just bringing back."""
    known = [(fault, reaches[index]) for index, fault in enumerate(facts.faults) if index in reaches]
    for (first, first_reach), (second, second_reach) in combinations(known, 2):
        both = [member for member in first_reach.possible if member in second_reach.possible]
        if both and not _apart(first, second) and _down_together(first, second):
            yield (
                (*second.path, "target"),
                f"may hit {listed(both)} while the fault {first.id!r} has it down; "
                f"exclude {first.id!r}, or choose another time",
            )


def _apart(first: FaultFacts, second: FaultFacts) -> bool:
    """Return whether they cannot hit the same member, or whether that is not known."""
    return first.id is None or second.target is None or second.target.exclude == first.id


def _down_together(first: FaultFacts, second: FaultFacts) -> bool:
    if first.down is None or second.down is None:
        return False
    return first.down[0] <= second.down[1] and second.down[0] <= first.down[1]


def _survivors(facts: Facts, reaches: Mapping[int, Reach]) -> Iterator[Finding]:
    """The final reads need a node, and nodes need Redis: what stays down cannot be judged."""
    left = {REDIS: 1, "node": facts.nodes or 0}
    for index, fault in enumerate(facts.faults):
        if index not in reaches or fault.restart_after != math.inf:
            continue
        role = REDIS if REDIS in reaches[index].possible else "node"
        left[role] -= reaches[index].count
        if left[role] <= 0:
            yield (
                fault.path,
                f"no {role} would be alive in the end, so that nothing could be judged; add `restart_after`",
            )
            return


def _checks(facts: Facts) -> Iterator[Finding]:
    if facts.checks == ():
        yield ("checks",), "an empty list would judge nothing; write `all`, or name guarantees"
    yield from _repeated(("checks",), facts.checks)
    for path, names in (
        (("checks",), facts.checks),
        (("expect", "violates"), facts.violates),
        (("expect", "may_violate"), facts.may_violate),
    ):
        for index, name in enumerate(names or ()):
            if facts.delivery and name in NOT_APPLICABLE[facts.delivery]:
                yield (*path, index), f"{name!r} has no meaning with `delivery: {facts.delivery}`"


def _expectation(facts: Facts) -> Iterator[Finding]:
    yield from _verdict(facts)
    for key, names in (("violates", facts.violates), ("may_violate", facts.may_violate)):
        path = ("expect", key)
        yield from _repeated(path, names)
        for index, name in enumerate(names or ()):
            if facts.checks and name not in facts.checks:
                yield (*path, index), f"{name!r} is expected to be violated, but is not among `checks`"
    for index, name in enumerate(facts.may_violate or ()):
        if name in (facts.violates or ()):
            yield ("expect", "may_violate", index), f"{name!r} is in `violates` already"


def _verdict(facts: Facts) -> Iterator[Finding]:
    if facts.verdict == "fail" and facts.violates == ():
        yield ("expect", "verdict"), "`verdict: fail` wants `violates`: which guarantees are broken"
    if facts.verdict == "pass":
        for key, names in (("violates", facts.violates), ("may_violate", facts.may_violate)):
            if names:
                yield ("expect", key), f"`{key}` does not go with `verdict: pass`, where nothing is violated"


def _repeated(path: Path, names: tuple[str, ...] | None) -> Iterator[Finding]:
    for index, name in enumerate(names or ()):
        if name in (names or ())[:index]:
            yield (*path, index), f"{name!r} is here twice"


def _instead(word: str, options: Sequence[str]) -> str:
    return did_you_mean(word, options) or f"; there are {listed(options)}"
