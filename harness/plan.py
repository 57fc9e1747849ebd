"""A scenario and a seed make a plan: every choice made, before anything starts.

Pure: no clock, no files, no global randomness. Each bot gets a seed of its own, as each fault does
(`planned_faults.py`), so that editing one reshuffles no other. Of Python's generator only `random()` is
used, whose values for a seed are the same in every version of Python (`choice`, `sample` and `shuffle`
promise no such thing).
"""

from collections.abc import Iterable

from harness.faults.registry import FAULTS
from harness.planned_faults import planned_faults
from harness.records.guarantees import IMPLEMENTED
from harness.records.plan import (
    BotPlan,
    ClusterPlan,
    Expectation,
    Limits,
    PhasePlan,
    Plan,
)
from harness.records.steady import SteadyBound
from harness.scenario.model import Load, Phases, Scenario
from harness.scenario.targets import node_names
from harness.scenario.times import rounded
from harness.seeds import seed_of

# The shape of the load beside what a scenario says: what the guarantees of order and membership need to bite.
REPLY_SHARE = 0.1  # one message in ten answers the one that its sender heard last
ROAMER = 10  # every tenth bot leaves its room now and then, and joins it again
ROAM_EVERY_S = 4.0
REST_S = 6.0  # before the end nobody leaves any more: the last lists of users have time to come

# What an attached cluster must deliver in its steady state, where the scenario asks for nothing else.
ATTACHED_DELIVERY_RATIO = 0.999


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
        faults=planned_faults(scenario, seed, chaos_s=phases[2].start_s),
        checks=IMPLEMENTED if scenario.checks == "all" else _in_order(scenario.checks),
        checks_named=scenario.checks != "all",
        limits=_limits(scenario),
        expect=Expectation(
            verdict=scenario.expect.verdict,
            violates=_in_order(scenario.expect.violates),
            may_violate=_in_order(scenario.expect.may_violate),
        ),
        steady_state=_steady_state(scenario),
    )


def _cluster(scenario: Scenario) -> ClusterPlan:
    return ClusterPlan(
        nodes=node_names(scenario.cluster.size),
        delivery=scenario.cluster.delivery,
        appendfsync=scenario.cluster.redis.appendfsync,
        command=scenario.cluster.command,
        ready=scenario.cluster.ready,
        attach=scenario.cluster.attach or (),
        needs=tuple(sorted({need for fault in scenario.faults for need in FAULTS[fault.fault].spec.needs})),
    )


def _steady_state(scenario: Scenario) -> tuple[SteadyBound, ...]:
    """Return what the scenario asks for; nobody's cluster is hurt that does not hold still before."""
    asked = tuple(
        SteadyBound(probe=probe.probe, least=probe.min, most=probe.max) for probe in scenario.steady_state
    )
    if asked or scenario.cluster.attach is None:
        return asked
    return (
        SteadyBound(probe="delivery_ratio", least=ATTACHED_DELIVERY_RATIO),
        SteadyBound(probe="ready_nodes", least=scenario.cluster.size),
    )


def _limits(scenario: Scenario) -> Limits:
    seconds = {f"{name}_s": limit for name, limit in scenario.limits if name != "max_unavailable"}
    return Limits(**seconds, max_unavailable=scenario.limits.max_unavailable)


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return guarantees in the order in which they are published."""
    return tuple(sorted(names, key=IMPLEMENTED.index))


def _phases(phases: Phases) -> tuple[PhasePlan, ...]:
    steady_s = phases.warmup
    chaos_s = rounded(steady_s + phases.steady)
    recovery_s = rounded(chaos_s + phases.chaos)
    end_s = rounded(recovery_s + phases.recovery)
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
            start_at_s=rounded(index / load.spawn_rate),
            messages_per_second=load.messages_per_second / load.users,
            seed=seed_of(f"{seed}:bot:{index + 1}"),
            reply_share=REPLY_SHARE,
            roam_every_s=ROAM_EVERY_S if index % ROAMER == ROAMER - 1 else None,
            roam_until_s=rounded(max(0.0, end_s - REST_S)),
        )
