"""A scenario and a seed make a plan: every choice made, before anything starts.

Pure: no clock, no files, no global randomness. Each fault draws from a stream of its own, seeded by the
run's seed and the fault's id, and each bot gets a seed of its own, so that editing one fault, or adding
one, reshuffles no other. Of Python's generator only `random()` is used, whose values for a seed are the
same in every version of Python (`choice`, `sample` and `shuffle` promise no such thing).
"""

import random
import shlex
from collections.abc import Iterable

from harness.faults.registry import FAULTS
from harness.records.guarantees import IMPLEMENTED
from harness.records.plan import (
    BotPlan,
    ClusterPlan,
    Expectation,
    FaultPlan,
    Limits,
    PhasePlan,
    Plan,
)
from harness.scenario.model import Fault, Load, Phases, Scenario, Target
from harness.scenario.targets import candidates, how_many, node_names

_SEEDS = 2**53  # what one draw of `random()` can tell apart

# The shape of the load beside what a scenario says: what the guarantees of order and membership need to bite.
REPLY_SHARE = 0.1  # one message in ten answers the one that its sender heard last
ROAMER = 10  # every tenth bot leaves its room now and then, and joins it again
ROAM_EVERY_S = 4.0
REST_S = 6.0  # before the end nobody leaves any more: the last lists of users have time to come


def make_plan(scenario: Scenario, *, seed: int) -> Plan:
    """Make the plan of a parsed scenario; equal arguments give equal plans, byte for byte."""
    cluster = _cluster(scenario)
    rooms = tuple(f"room-{number}" for number in range(1, scenario.load.rooms + 1))
    phases = _phases(scenario.phases)
    return Plan(
        scenario=scenario.name,
        description=scenario.description,
        seed=seed,
        cluster=cluster,
        rooms=rooms,
        bots=tuple(_bots(scenario.load, rooms, cluster.nodes, seed, end_s=phases[-1].end_s)),
        messages_per_second=scenario.load.messages_per_second,
        phases=phases,
        faults=_faults(scenario, seed, chaos_s=phases[2].start_s),
        checks=IMPLEMENTED if scenario.checks == "all" else _in_order(scenario.checks),
        checks_named=scenario.checks != "all",
        limits=_limits(scenario),
        expect=Expectation(
            verdict=scenario.expect.verdict,
            violates=_in_order(scenario.expect.violates),
            may_violate=_in_order(scenario.expect.may_violate),
        ),
    )


def _cluster(scenario: Scenario) -> ClusterPlan:
    return ClusterPlan(
        nodes=node_names(_node_count(scenario)),
        delivery=scenario.cluster.delivery,
        appendfsync=scenario.cluster.redis.appendfsync,
        command=scenario.cluster.command,
        ready=scenario.cluster.ready,
        attach=scenario.cluster.attach or (),
    )


def _node_count(scenario: Scenario) -> int:
    return len(scenario.cluster.attach or ()) or scenario.cluster.nodes


def _limits(scenario: Scenario) -> Limits:
    return Limits(**{f"{name}_s": limit for name, limit in scenario.limits})


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return guarantees in the order in which they are published."""
    return tuple(sorted(names, key=IMPLEMENTED.index))


def _phases(phases: Phases) -> tuple[PhasePlan, ...]:
    steady_s = phases.warmup
    chaos_s = _rounded(steady_s + phases.steady)
    recovery_s = _rounded(chaos_s + phases.chaos)
    end_s = _rounded(recovery_s + phases.recovery)
    return (
        PhasePlan(name="warmup", start_s=0.0, end_s=steady_s),
        PhasePlan(name="steady", start_s=steady_s, end_s=chaos_s),
        PhasePlan(name="chaos", start_s=chaos_s, end_s=recovery_s),
        PhasePlan(name="recovery", start_s=recovery_s, end_s=end_s),
    )


def _bots(
    load: Load, rooms: tuple[str, ...], nodes: tuple[str, ...], seed: int, *, end_s: float
) -> Iterable[BotPlan]:
    """Yield the bots; those of one room begin spread over all nodes, and so do all of them together."""
    width = max(2, len(str(load.users)))
    for index in range(load.users):
        round_, room = divmod(index, len(rooms))
        name = f"bot-{index + 1:0{width}}"
        yield BotPlan(
            ordinal=index + 1,
            name=name,
            rooms=(rooms[room],),
            first_node=nodes[(round_ + room) % len(nodes)],
            start_at_s=_rounded(index / load.spawn_rate),
            messages_per_second=load.messages_per_second / load.users,
            seed=int(random.Random(f"{seed}:bot:{index + 1}").random() * _SEEDS),
            reply_share=REPLY_SHARE,
            roam_every_s=ROAM_EVERY_S if index % ROAMER == ROAMER - 1 else None,
            roam_until_s=_rounded(max(0.0, end_s - REST_S)),
        )


def _faults(scenario: Scenario, seed: int, *, chaos_s: float) -> tuple[FaultPlan, ...]:
    """Return the faults in the order of their times, those of one time as the scenario lists them."""
    hit: dict[str, tuple[str, ...]] = {}
    planned: list[FaultPlan] = []
    for fault in scenario.faults:
        hit[fault.id] = _targets(fault, _node_count(scenario), hit, seed)
        planned.append(
            FaultPlan(
                id=fault.id,
                fault=fault.fault,
                at_s=_rounded(chaos_s + fault.at),
                targets=hit[fault.id],
                restart_after_s=fault.restart_after,
                traits=FAULTS[fault.fault].spec.traits,
            )
        )
    return tuple(sorted(planned, key=lambda fault: fault.at_s))


def _targets(fault: Fault, nodes: int, hit: dict[str, tuple[str, ...]], seed: int) -> tuple[str, ...]:
    """Return the members that the fault hits, in the cluster's order."""
    target = fault.target
    if target.name is not None:
        return (target.name,)
    stream = random.Random(f"{seed}:fault:{fault.id}")
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


def _rounded(seconds: float) -> float:
    """Drop what floating-point sums leave behind: 0.1 + 0.2 is 0.3 s."""
    return round(seconds, 6)


def timeline(plan: Plan) -> tuple[str, ...]:
    """Return the plan as lines for people, in the order of their times."""
    moments = [*_phase_moments(plan), *_fault_moments(plan)]
    moments.sort(key=lambda moment: moment[0])
    return tuple(f"{at_s:7.1f} s  {what}" for at_s, what in moments)


def _phase_moments(plan: Plan) -> Iterable[tuple[float, str]]:
    for phase in plan.phases:
        yield phase.start_s, _phase_line(plan, phase)
    if plan.cluster.command is not None:
        yield 0.0, f"each node is `{shlex.join(plan.cluster.command)}`"
    if plan.cluster.attach:
        nodes = zip(plan.cluster.nodes, plan.cluster.attach, strict=True)
        yield 0.0, f"attached, and not started: {', '.join(f'{name} {url}' for name, url in nodes)}"
    yield plan.load_s, f"load stops; within {plan.limits.drain_s:g} s all is resent, caught up and read"


def _phase_line(plan: Plan, phase: PhasePlan) -> str:
    if phase.name != "warmup":
        return phase.name
    last_s = plan.bots[-1].start_at_s
    return (
        f"warmup: {len(plan.bots)} bots within {last_s:.1f} s, {len(plan.rooms)} "
        f"{'room' if len(plan.rooms) == 1 else 'rooms'}, {plan.messages_per_second:g} messages/s "
        f"over {', '.join(plan.cluster.nodes)} ({plan.cluster.delivery})"
    )


def _fault_moments(plan: Plan) -> Iterable[tuple[float, str]]:
    for fault in plan.faults:
        targets = ", ".join(fault.targets)
        stays = "" if fault.restart_after_s is not None else ", for good"
        yield fault.at_s, f"{fault.fault} {targets} ({fault.id}){stays}"
        if fault.restart_after_s is not None:
            yield _rounded(fault.at_s + fault.restart_after_s), f"start {targets} again ({fault.id})"
