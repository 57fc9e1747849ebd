"""The steady state: what a probe measures, when it holds, what is said when it does not."""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from harness.checkers import steady_state
from harness.checkers.steady_state import Window
from harness.checkers.view import View, prepare
from harness.clock import NS
from harness.records.history import Op
from harness.records.journal import MemberState
from harness.records.plan import PhasePlan
from harness.records.steady import PROBE_NAMES, ProbeName, SteadyBound
from harness.scenario.parse import ScenarioError, parse

PHASES = (
    PhasePlan(name="warmup", start_s=0.0, end_s=5.0),
    PhasePlan(name="steady", start_s=5.0, end_s=15.0),
    PhasePlan(name="chaos", start_s=15.0, end_s=20.0),
    PhasePlan(name="recovery", start_s=20.0, end_s=30.0),
)


def world_of(made: ModuleType, *bounds: SteadyBound, talk: int = 30) -> Any:
    """A world of three bots in which `talk` messages are sent from 5 s on."""
    world = made.World()
    world.plan = replace(world.plan, phases=PHASES, steady_state=bounds)
    world.start()
    world.now_ns = made.ZERO_NS + 5 * NS
    world.talk(talk)
    return world


def view_of(world: Any) -> View:
    return prepare(
        plan=world.plan,
        meta=world.meta,
        histories=world.histories(),
        faults=world.faults,
        members=world.members,
    )


def value(world: Any, probe: ProbeName) -> float | None:
    world.plan = replace(world.plan, steady_state=(SteadyBound(probe=probe, least=0.0),))
    view = view_of(world)
    window = steady_state.before_faults(view)
    assert window is not None
    [(_, measured)] = steady_state.measured(view, window)
    return measured


# What is measured


def test_every_probe_has_a_value_on_a_good_steady_phase(made: ModuleType) -> None:
    world = world_of(made)
    values = {probe: value(world, probe) for probe in PROBE_NAMES}
    assert values["ack_ratio"] == values["delivery_ratio"] == values["connected_ratio"] == 1.0
    assert values["ready_nodes"] == 3
    assert values["ack_rate"] == pytest.approx(30 / 9)  # of 10 s, the last second takes no new sends
    # send, three deliveries, acknowledgement: each a millisecond after the other
    assert values["ack_latency_p50"] == values["ack_latency_p99"] == pytest.approx(0.004)
    assert values["delivery_latency_p50"] == pytest.approx(0.002)
    assert values["delivery_latency_p99"] == pytest.approx(0.003)


def test_without_any_send_nothing_is_measured_and_nothing_holds(made: ModuleType) -> None:
    world = world_of(made, talk=0)
    assert value(world, "ack_ratio") is None
    assert value(world, "ack_latency_p99") is None
    assert not SteadyBound(probe="ack_ratio", least=0.0).holds(None)


def test_a_send_that_is_not_acknowledged_by_the_end_lowers_the_ack_ratio(made: ModuleType) -> None:
    world = world_of(made, talk=9)
    late = world.send(1, answer="none")
    assert value(world, "ack_ratio") == 0.9
    world.now_ns = made.ZERO_NS + 16 * NS
    world.acknowledge(late)
    assert value(world, "ack_ratio") == 0.9


def test_a_delivery_that_is_missing_lowers_the_delivery_ratio(made: ModuleType) -> None:
    world = world_of(made, talk=9)
    sent = world.send(1)
    world.drop(world.deliveries(sent, bot=2))
    assert value(world, "delivery_ratio") == pytest.approx(29 / 30)


def test_a_delivery_after_the_end_does_not_count(made: ModuleType) -> None:
    world = world_of(made, talk=9)
    [entry] = world.deliveries(world.send(1), bot=3)
    entry.t_ns = made.ZERO_NS + 16 * NS
    assert value(world, "delivery_ratio") == pytest.approx(29 / 30)


def test_who_had_left_the_room_is_owed_nothing(made: ModuleType) -> None:
    world = world_of(made, talk=9)
    world.leave(3)
    world.send(1)
    assert value(world, "delivery_ratio") == 1.0


def test_what_is_sent_in_the_last_second_or_before_the_phase_is_not_looked_at(made: ModuleType) -> None:
    world = world_of(made, talk=6)
    world.now_ns = made.ZERO_NS + int(14.2 * NS)
    world.send(1, answer="none", lands=False)
    assert value(world, "ack_ratio") == 1.0
    world = world_of(made, talk=6)
    early = world.find(Op.SEND)[0]
    early.t_ns = made.ZERO_NS + NS
    assert value(world, "ack_latency_p99") == pytest.approx(0.004)


def test_a_bot_that_lost_its_connection_and_a_paused_node_are_counted_out(made: ModuleType) -> None:
    world = world_of(made)
    world.lose(2)
    assert value(world, "connected_ratio") == pytest.approx(2 / 3)
    world._see("node-2", MemberState.PAUSED)
    assert value(world, "ready_nodes") == 2


def test_the_window_after_recovery_is_the_second_half_of_it_as_it_was(made: ModuleType) -> None:
    world = world_of(made)
    zero = made.ZERO_NS
    world.meta = replace(world.meta, recovery_began_ns=zero + 22 * NS, load_ended_ns=zero + 32 * NS)
    window = steady_state.after_recovery(view_of(world))
    assert window == Window(began_ns=zero + 27 * NS, ended_ns=zero + 32 * NS)


# What the judge says


def finished(made: ModuleType, *bounds: SteadyBound, before_end: Callable[[Any], None]) -> Any:
    world = world_of(made, *bounds)
    world.now_ns = made.ZERO_NS + 20 * NS
    world.meta = replace(world.meta, recovery_began_ns=world.now_ns)
    world.wait(6)
    world.talk(12)
    before_end(world)
    world.now_ns = made.ZERO_NS + 30 * NS
    world.finish()
    return world.judge()


def test_a_steady_state_that_holds_twice_passes_with_its_values(made: ModuleType) -> None:
    bounds = (
        SteadyBound(probe="delivery_ratio", least=0.999),
        SteadyBound(probe="ack_latency_p99", most=0.25),
    )
    verdict = finished(made, *bounds, before_end=lambda world: None)
    for name in ("steady-state", "steady-state-after"):
        finding = made.finding(verdict, name)
        assert finding.verdict == "pass"
        assert "ack_latency_p99 was 4 ms (at most 250 ms)" in finding.evidence
        assert "delivery_ratio was 1 (at least 0.999)" in finding.evidence
    assert verdict.verdict == "pass"


def test_a_steady_state_that_does_not_come_back_makes_the_run_unknown(made: ModuleType) -> None:
    bound = SteadyBound(probe="ack_latency_p99", most=0.25)

    def slowly(world: Any) -> None:
        world.send(1, before_answer=lambda: world.wait(0.3))

    verdict = finished(made, bound, before_end=slowly)
    assert made.finding(verdict, "steady-state").verdict == "pass"
    after = made.finding(verdict, "steady-state-after")
    assert after.verdict == "fail"
    assert after.evidence == "ack_latency_p99 was 304 ms (at most 250 ms)"
    assert verdict.verdict == "unknown"


def test_a_run_that_did_not_reach_recovery_is_unknown_there(made: ModuleType) -> None:
    world = world_of(made, SteadyBound(probe="ack_ratio", least=0.5))
    world.now_ns = made.ZERO_NS + 16 * NS
    world.finish()
    assert made.finding(world.judge(), "steady-state-after").verdict == "unknown"


def test_without_a_steady_state_there_is_no_such_finding(made: ModuleType) -> None:
    assert not [f for f in made.quiet().judge().lifecycle if f.name.startswith("steady")]


# What a scenario may say

SCENARIO = """\
version: 1
name: steady
load: {users: 2, messages_per_second: 10}
phases: {warmup: 1s, steady: 3s, chaos: 1s, recovery: 5s}
steady_state:
  - {probe: ack_latency_p99, max: 250ms}
  - {probe: delivery_ratio, min: 0.999}
  - {probe: ready_nodes, min: 3}
faults: []
"""


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            "max: 250ms",
            "max: 250",
            "`max` of ack_latency_p99 wants a duration like 250ms, not the number 250",
        ),
        ("min: 0.999", "min: 99.9", "`min` of delivery_ratio wants a share from 0 to 1, like 0.999"),
        ("min: 0.999", "min: 1s", "`min` of delivery_ratio wants a share from 0 to 1, like 0.999"),
        ("min: 3", "min: 4", "`min` of ready_nodes wants a whole number of nodes, 3 at most"),
        ("min: 3", "mni: 3", "unknown key `mni` in `steady_state`; known are probe, min, max"),
        ("delivery_ratio", "delivery_ration", "did you mean 'delivery_ratio'"),
        (", max: 250ms", "", "a probe wants `min` or `max`, or both"),
        ("max: 250ms", "min: 1s, max: 250ms", "`max` is below `min`"),
        ("ready_nodes, min: 3", "delivery_ratio, max: 1", "'delivery_ratio' is here twice"),
        ("steady: 3s", "steady: 1s", "the steady state is measured in it, which takes 2s at least"),
        ("recovery: 5s", "recovery: 3s", "measured again in its second half, so it takes 4s at least"),
    ],
)
def test_a_mistake_is_told_where_it_is(right: str, wrong: str, said: str) -> None:
    parse(SCENARIO, label="x")
    with pytest.raises(ScenarioError) as caught:
        parse(SCENARIO.replace(right, wrong), label="x")
    assert said in str(caught.value)
    assert len(caught.value.problems) == 1
