"""Whether the faults of a scenario fit together: their times, their targets, and each with the others."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from harness.scenario.facts import Facts, FaultFacts
from harness.scenario.keys import FaultKeys, Target
from harness.scenario.shape import written_keys
from harness.scenario.source import Path
from harness.scenario.targets import (
    REDIS,
    NoTarget,
    Reach,
    cut_off,
    may_be_member,
    reach,
)
from harness.scenario.values import did_you_mean, listed

Finding = tuple[Path, str]


def findings(facts: Facts) -> Iterator[Finding]:
    """Yield everything about the faults that does not fit together."""
    for check in (_ids, _own, _log, _moments, _times, _repeats, _shapes, _links):
        yield from check(facts)
    reaches: dict[int, Reach] = {}
    yield from _targets(facts, reaches)
    yield from _roles(facts, reaches)
    yield from _overlaps(facts, reaches)
    yield from _survivors(facts, reaches)


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


def _own(facts: Facts) -> Iterator[Finding]:
    """What a fault's own keys say of each other."""
    for fault in facts.faults:
        if fault.spec is not None:
            yield from ((fault.path + key, what) for key, what in fault.spec.keys.findings(fault.valid))


def _log(facts: Facts) -> Iterator[Finding]:
    """Some faults show only where Redis keeps its log in one way."""
    for fault in facts.faults:
        wanted = fault.spec.appendfsync if fault.spec is not None else None
        if fault.spec is not None and wanted is not None and facts.appendfsync not in (None, wanted):
            yield (
                (*fault.path, "fault"),
                f"{fault.spec.name!r} is proven only where Redis has `appendfsync: {wanted}`, not "
                f"`{facts.appendfsync}`; write that in `redis` of `cluster`, or leave it out",
            )


# Times


def _moments(facts: Facts) -> Iterator[Finding]:
    """A fault has one beginning: `at`, or `after` the event of one that is listed before it."""
    for index, fault in enumerate(facts.faults):
        if {"at", "after"} <= fault.written:
            yield (*fault.path, "after"), "`after` does not go with `at`: a fault has one beginning"
        elif not fault.written & {"at", "after"} and not _misspelt(fault):
            yield (
                fault.path,
                "the key `at` is missing in `faults`, or `after` in its place",
            )
        elif fault.after is not None:
            yield from _event(facts, index, fault)


def _misspelt(fault: FaultFacts) -> bool:
    """Whether a key stands there that no fault has: it may well be the one that is missing."""
    known = fault.spec.keys if fault.spec is not None else FaultKeys
    return bool(fault.written - set(written_keys(known)))


def _event(facts: Facts, index: int, fault: FaultFacts) -> Iterator[Finding]:
    assert fault.after is not None
    path = (*fault.path, "after", "id")
    before = {other.id: other for other in facts.faults[:index] if other.id is not None}
    other = before.get(fault.after.id)
    if other is None:
        if None not in {known.id for known in facts.faults[:index]}:
            listed_later = fault.after.id in {known.id for known in facts.faults[index:]}
            how = " is listed later" if listed_later else _instead(fault.after.id, sorted(before))
            yield path, f"`after` wants an earlier fault in the list; {fault.after.id!r}{how}"
    elif fault.after.event == "healed" and other.timing is not None and other.timing.length == math.inf:
        yield path, f"{other.id!r} is never healed, so nothing can come after that"


def _times(facts: Facts) -> Iterator[Finding]:
    for fault in facts.faults:
        if facts.chaos is None or fault.timing is None:
            continue
        path = (*fault.path, "after" if fault.at is None else "at")
        late = next((start for start in fault.timing.starts if start >= facts.chaos), None)
        if late is not None:
            many = len(fault.timing.starts) > 1
            yield (
                (*fault.path, "repeat") if many else path,
                f"{late:g} s after the start of chaos is not within it: it lasts {facts.chaos:g} s",
            )
        elif facts.recovery is not None:
            yield from _end(fault, facts.chaos, facts.recovery)


def _end(fault: FaultFacts, chaos: float, recovery: float) -> Iterator[Finding]:
    assert fault.timing is not None
    back, end = fault.timing.end, round(chaos + recovery, 6)
    if end <= back < math.inf:
        keys = fault.written & {"duration", "restart_after"}
        yield (
            (*fault.path, *sorted(keys)[:1]),
            f"{back:g} s after the start of chaos is too late to be over: the load ends after {end:g} s",
        )


def _repeats(facts: Facts) -> Iterator[Finding]:
    for fault in facts.faults:
        if fault.target is not None and fault.target.mode == "each":
            if fault.repeat is not None:
                yield (*fault.path, "repeat"), "`repeat` does not go with `mode: each`"
            if fault.timing is not None and fault.timing.length == math.inf:
                yield (
                    (*fault.path, "target", "mode"),
                    "`mode: each` goes on when the member before is back, and these stay down; "
                    "add `restart_after`, or write `mode: all`",
                )
        elif fault.repeat is not None and fault.timing is not None:
            yield from _room_for_repeats(fault)


def _room_for_repeats(fault: FaultFacts) -> Iterator[Finding]:
    assert fault.repeat is not None
    assert fault.timing is not None
    held = round(fault.timing.length + fault.repeat.jitter, 6)
    if held >= fault.repeat.every:
        length = "is for good" if held == math.inf else f"may take {held:g} s (jitter included)"
        yield (
            (*fault.path, "repeat", "every"),
            f"one that {length} cannot be repeated every {fault.repeat.every:g} s",
        )


# Targets


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
        yield (), "the key `mode` is missing in `target`: one, all, fixed, percent or each of the role"
    elif target.mode in ("fixed", "percent") and target.value is None:
        what = "how many members" if target.mode == "fixed" else "how many per cent of them"
        yield ("mode",), f"`mode: {target.mode}` wants a `value`: {what}"
    elif target.mode in ("one", "all", "each") and target.value is not None:
        yield ("value",), f"`value` does not go with `mode: {target.mode}`"


def _links(facts: Facts) -> Iterator[Finding]:
    """What faults on links say of their ends."""
    for fault in facts.faults:
        if fault.side is not None:
            yield from _side(facts, fault)
        if fault.groups is not None:
            yield from _groups(facts, fault)
        yield from _whom(fault)
        yield from _jitter(fault)


def _whom(fault: FaultFacts) -> Iterator[Finding]:
    """A partition has a target, or groups."""
    grouped = fault.spec is not None and "groups" in fault.spec.keys.model_fields
    if grouped and not fault.written & {"target", "groups"} and not _misspelt(fault):
        yield fault.path, "the key `target` is missing in `faults`, or `groups` in its place"


def _jitter(fault: FaultFacts) -> Iterator[Finding]:
    delay, jitter = fault.values.get("delay"), fault.values.get("jitter")
    if delay is not None and jitter is not None and jitter > delay:
        yield (
            (*fault.path, "jitter"),
            f"a `jitter` of {jitter:g} s is more than the `delay` of {delay:g} s, which it varies",
        )


def _side(facts: Facts, fault: FaultFacts) -> Iterator[Finding]:
    assert fault.side is not None
    path = (*fault.path, "from")
    if (fault.side.name is None) == (fault.side.role is None):
        yield path, "`from` wants either the `name` of a member, or a `role`: node, redis or client"
    elif fault.side.name is not None and facts.nodes is not None:
        members = facts.members
        if fault.side.name not in members:
            yield (*path, "name"), f"there is no member {fault.side.name!r}; there are {listed(members)}"
        elif fault.target is not None and fault.target.name == fault.side.name:
            yield (*path, "name"), f"{fault.side.name!r} has no link to itself"
    elif fault.side.role == "client" and fault.target is not None and _is_redis(fault.target):
        yield (*path, "role"), f"clients have no link to {REDIS}; they reach nodes"


def _is_redis(target: Target) -> bool:
    return REDIS in (target.name, target.role)


def _groups(facts: Facts, fault: FaultFacts) -> Iterator[Finding]:
    assert fault.groups is not None
    path = (*fault.path, "groups")
    for key in sorted(fault.written & {"target", "from", "direction"}):
        yield (*fault.path, key), f"`{key}` does not go with `groups`, which say all of it"
    if len(fault.groups) < 2 or not all(fault.groups):
        yield path, "`groups` wants at least two lists of members, none of them empty"
    seen: set[str] = set()
    members = facts.members
    for index, group in enumerate(fault.groups):
        for at, name in enumerate(group):
            if facts.nodes is not None and name not in members:
                yield (*path, index, at), f"there is no member {name!r}; there are {listed(members)}"
            elif name in seen:
                yield (*path, index, at), f"{name!r} is in `groups` twice"
            seen.add(name)


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
                by_id.setdefault(fault.id, _over_all_times(fault, found))


def _over_all_times(fault: FaultFacts, once: Reach) -> Reach:
    """Return whom a fault hits: one that is repeated may hit others each time."""
    if fault.repeat is None:
        return once
    return Reach(possible=once.possible, count=len(once.possible))


def _reach(facts: Facts, index: int, earlier: Mapping[str, Reach]) -> Reach | None:
    """Return what the fault hits, `None` where that is not known.

    Raises:
        NoTarget: a name in its target is wrong, or too few members are left.
    """
    target, groups = facts.faults[index].target, facts.faults[index].groups
    if groups is not None:
        return Reach(possible=cut_off(groups), count=len(cut_off(groups)))
    if facts.nodes is None or target is None or any(_shape(target)):
        return None
    members = facts.members
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


def _unknown_exclude(exclude: str, facts: Facts, index: int) -> str:
    """Say what is wrong with an `exclude` that leads to nothing; "" where only the fault it names is."""
    before = {fault.id for fault in facts.faults[:index]}
    if exclude in before or None in before:
        return ""
    if exclude in {fault.id for fault in facts.faults[index:]}:
        return f"and {exclude!r} is listed {'later' if exclude != facts.faults[index].id else 'here'}"
    options = sorted({*(id_ for id_ in before if id_), *facts.members})
    return f"not {exclude!r}{_instead(exclude, options)}"


def _roles(facts: Facts, reaches: Mapping[int, Reach]) -> Iterator[Finding]:
    """Some faults make sense for one role only."""
    for index, found in reaches.items():
        fault = facts.faults[index]
        if fault.spec is None:
            continue
        for role in {"redis" if member == REDIS else "node" for member in found.possible}:
            if role not in fault.spec.roles:
                only = listed(fault.spec.roles)
                yield (*fault.path, "target"), f"{fault.spec.name!r} hits {only} only, never a {role}"


def _overlaps(facts: Facts, reaches: Mapping[int, Reach]) -> Iterator[Finding]:
    """A member that is down cannot be hit, nor can one thing be done to a member twice at a time."""
    known = [(fault, reaches[index]) for index, fault in enumerate(facts.faults) if index in reaches]
    for (first, first_reach), (second, second_reach) in combinations(known, 2):
        both = [member for member in first_reach.possible if member in second_reach.possible]
        if both and not _apart(first, second) and _clash(first, second):
            held = "has it down" if first.takes_down else "holds it"
            yield (
                (*second.path, "target"),
                f"may hit {listed(both)} while the fault {first.id!r} {held}; "
                f"exclude {first.id!r}, or choose another time",
            )


def _apart(first: FaultFacts, second: FaultFacts) -> bool:
    """Return whether they cannot hit the same member, or whether that is not known."""
    return first.id is None or second.target is None or second.target.exclude == first.id


def _clash(first: FaultFacts, second: FaultFacts) -> bool:
    if first.timing is None or second.timing is None or first.id in second.timing.waits_for:
        return False
    same = first.spec is not None and first.spec == second.spec and not first.spec.of_its_own
    if not (first.takes_down or second.takes_down or same):
        return False
    return first.timing.meets(second.timing)


def _survivors(facts: Facts, reaches: Mapping[int, Reach]) -> Iterator[Finding]:
    """The final reads need a node, and nodes need Redis: what stays down cannot be judged."""
    left = {REDIS: 1, "node": facts.nodes or 0}
    for index, fault in enumerate(facts.faults):
        if index not in reaches or fault.timing is None or fault.timing.length != math.inf:
            continue
        role = REDIS if REDIS in reaches[index].possible else "node"
        left[role] -= reaches[index].count
        if left[role] <= 0:
            yield (
                fault.path,
                f"no {role} would be alive in the end, so that nothing could be judged; add `restart_after`",
            )
            return


def _instead(word: str, options: Sequence[str]) -> str:
    return did_you_mean(word, options) or f"; there are {listed(options)}"
