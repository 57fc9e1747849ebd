"""The faults of a scenario with every choice made: whom they hit, when, how often.

Each fault draws from a stream of its own, seeded by the run's seed and the fault's id, so that editing one
fault, or adding one, reshuffles no other. What is repeated, or done to each member in turn, becomes several
planned faults: `crash#1`, `crash#2` …
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from harness.faults.registry import FAULTS
from harness.records.plan import CLIENTS, AfterPlan, FaultPlan, Setting
from harness.scenario.keys import FaultKeys, Links, OneShot, Reversible, Side, TakesDown, Target
from harness.scenario.model import Scenario
from harness.scenario.targets import REDIS, candidates, cut_off, how_many, member_names
from harness.scenario.times import Timing, rounded
from harness.seeds import seed_of

# What has a place of its own in a planned fault; whatever else a fault's keys have are its settings.
_PLACED = (
    set(FaultKeys.model_fields)
    | set(Reversible.model_fields)
    | set(TakesDown.model_fields)
    | set(OneShot.model_fields)
    | {"from_"}
)


@dataclass(kw_only=True, slots=True)
class _Known:
    """What is decided of the faults that are listed before."""

    hit: dict[str, tuple[str, ...]] = field(default_factory=dict)
    timings: dict[str, Timing] = field(default_factory=dict)
    planned: dict[str, list[FaultPlan]] = field(default_factory=dict)


def planned_faults(scenario: Scenario, seed: int, *, chaos_s: float) -> tuple[FaultPlan, ...]:
    """Return the faults in the order of their times, those of one time as the scenario lists them."""
    known = _Known()
    for fault in scenario.faults:
        plans = list(_occurrences(fault, scenario.cluster.size, known, seed, chaos_s))
        known.planned[fault.id] = plans
        known.hit[fault.id] = tuple(dict.fromkeys(member for plan in plans for member in plan.targets))
    every = (plan for plans in known.planned.values() for plan in plans)
    seeded = (replace(plan, seed=seed_of(f"{seed}:within:{plan.id}")) for plan in every)
    return tuple(sorted(seeded, key=lambda plan: plan.at_s))


def _occurrences(
    fault: FaultKeys, nodes: int, known: _Known, seed: int, chaos_s: float
) -> Iterator[FaultPlan]:
    stream = random.Random(f"{seed}:fault:{fault.id}")
    once = _once(fault, nodes)
    target: Target | None = getattr(fault, "target", None)
    if target is not None and target.mode == "each":
        targets = _targets(target, nodes, known.hit, stream)
        timing = _timing(fault, len(targets), known)
        yield from _in_turn(replace(once, after=_after(fault, known)), targets, timing, chaos_s)
        return
    timing = _timing(fault, 1, known)
    for turn, start_s in enumerate(timing.starts):
        repeat = fault.repeat
        late_s = repeat.jitter * stream.random() if repeat is not None and turn else 0.0
        yield replace(
            once,
            id=fault.id if repeat is None else f"{fault.id}#{turn + 1}",
            at_s=rounded(chaos_s + start_s + late_s),
            after=_after(fault, known, delay_s=start_s - timing.starts[0] + late_s),
            targets=_members(fault, nodes, known, stream),
        )


def _timing(fault: FaultKeys, each: int, known: _Known) -> Timing:
    timing = Timing.of(
        at=fault.at,
        after=fault.after,
        repeat=fault.repeat,
        each=each,
        length=_length(fault),
        known=known.timings,
    )
    assert timing is not None, "the checks of sense let no such scenario pass"
    known.timings[fault.id] = timing
    return timing


def _length(fault: FaultKeys) -> float | None:
    if (duration := getattr(fault, "duration", None)) is not None:
        return float(duration)
    length: float | None = fault.restart_after if isinstance(fault, TakesDown) else 0.0
    return length


def _once(fault: FaultKeys, nodes: int) -> FaultPlan:
    """Return what is the same for every time that the fault comes."""
    spec = FAULTS[fault.fault].spec
    return FaultPlan(
        id=fault.id,
        fault=fault.fault,
        at_s=0.0,
        targets=(),
        duration_s=getattr(fault, "duration", None),
        restart_after_s=getattr(fault, "restart_after", None),
        peers=_peers(fault, nodes) if "links" in spec.needs and isinstance(fault, Links) else (),
        settings=_settings(fault),
        traits=spec.traits,
    )


def _settings(fault: FaultKeys) -> dict[str, Setting]:
    values: dict[str, Any] = {name: getattr(fault, name) for name in type(fault).model_fields}
    return {name: _flat(value) for name, value in values.items() if name not in _PLACED}


def _flat(value: Any) -> Setting:
    """Return groups of members as texts with a blank between names; all else as it is."""
    if isinstance(value, tuple) and any(isinstance(item, tuple) for item in value):
        return tuple(" ".join(group) for group in value)
    flat: Setting = value
    return flat


def _after(fault: FaultKeys, known: _Known, *, delay_s: float = 0.0) -> AfterPlan | None:
    """Return what the fault waits for: of several occurrences the first inject, or the last heal."""
    if fault.after is None:
        return None
    others = known.planned[fault.after.id]
    other = others[0] if fault.after.event == "injected" else others[-1]
    return AfterPlan(id=other.id, event=fault.after.event, delay_s=rounded(fault.after.delay + delay_s))


def _in_turn(
    once: FaultPlan, targets: tuple[str, ...], timing: Timing, chaos_s: float
) -> Iterator[FaultPlan]:
    """Yield one planned fault per member, each after the heal of the one before."""
    turn_s = timing.length / len(targets)
    for turn, target in enumerate(targets):
        before = AfterPlan(id=f"{once.id}#{turn}", event="healed") if turn else once.after
        yield replace(
            once,
            id=f"{once.id}#{turn + 1}",
            at_s=rounded(chaos_s + timing.starts[0] + turn * turn_s),
            after=before,
            targets=(target,),
        )


# Whom


def _members(fault: FaultKeys, nodes: int, known: _Known, stream: random.Random) -> tuple[str, ...]:
    if groups := getattr(fault, "groups", None):
        return cut_off(groups)
    target: Target | None = getattr(fault, "target", None)
    return () if target is None else _targets(target, nodes, known.hit, stream)


def _targets(
    target: Target, nodes: int, hit: dict[str, tuple[str, ...]], stream: random.Random
) -> tuple[str, ...]:
    """Return the members that the fault hits, in the cluster's order."""
    if target.name is not None:
        return (target.name,)
    pool = candidates(str(target.role), nodes)
    # Each member draws its rank before anyone is left out: what another fault hits changes no rank.
    ranks = {member: stream.random() for member in pool}
    free = [member for member in pool if member not in _left_out(target, hit)]
    chosen = sorted(free, key=ranks.__getitem__)[: how_many(target, len(free))]
    return tuple(member for member in pool if member in chosen)


def _left_out(target: Target, hit: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    if target.exclude is None:
        return ()
    return hit.get(target.exclude, (target.exclude,))


def _peers(fault: Links, nodes: int) -> tuple[str, ...]:
    """Return the other ends of the links; a target's link to itself is left to the fault to leave out."""
    side: Side | None = fault.from_
    if getattr(fault, "groups", None):
        return ()
    if side is None:
        return (*member_names(nodes), CLIENTS)
    if side.name is not None:
        return (side.name,)
    return (CLIENTS,) if side.role == "client" else candidates(side.role or REDIS, nodes)
