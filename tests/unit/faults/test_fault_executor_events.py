"""Faults that wait for other faults, and faults that end after a while."""

from dataclasses import replace

from harness.clock import NS
from harness.records.plan import AfterPlan, FaultPlan

ALL = ["undo", "injected", "proved", "healed", "heal_proved"]
LATE_S = 5.0  # A busy machine may be late; nobody may be early.


def after(plan: FaultPlan, other: str, event: str, delay_s: float = 0.0) -> FaultPlan:
    return replace(plan, after=AfterPlan(id=other, event=event, delay_s=delay_s))


def stamp(run, fault_id: str, step: str) -> int:
    return next(entry.t_ns for entry in run.entries(fault_id) if entry.step == step)


def done(run, fault_id: str, step: str) -> int:
    return next(entry.done_ns for entry in run.entries(fault_id) if entry.step == step)


def test_a_fault_after_an_inject_comes_its_delay_later_whatever_its_own_time(run, kill):
    second = after(kill("second", "node-2", back=0.0), "first", "injected", 0.3)
    executor = run.start(kill("first", "node-1", at=0.2, back=1.0), second)

    assert executor.wait(timeout_s=20)
    late_s = (stamp(run, "second", "injected") - done(run, "first", "injected")) / NS - 0.3
    assert 0 <= late_s < LATE_S
    assert run.steps("second") == ALL


def test_a_fault_after_a_heal_comes_once_the_member_is_back(run, kill):
    run.backend.ready.clear()
    second = after(kill("second", "node-2", back=0.0), "first", "healed")
    executor = run.start(kill("first", "node-1", back=0.1), second)
    assert not executor.wait(timeout_s=0.5)
    assert run.steps("second") == []

    run.backend.ready.set()
    assert executor.wait(timeout_s=20)
    assert stamp(run, "second", "undo") >= done(run, "first", "heal_proved")


def test_what_is_never_healed_is_over_once_it_is_proven(run, kill):
    second = after(kill("second", "node-2", back=0.0), "first", "healed")
    executor = run.start(kill("first", "node-1"), second)

    assert executor.wait(timeout_s=20)
    assert run.steps("second") == ALL


def test_a_fault_whose_event_never_comes_is_not_injected_and_says_why(run, kill):
    run.backend.immortal.add("node-1")
    second = after(kill("second", "node-2", back=0.0), "first", "injected")
    third = after(kill("third", "node-3", back=0.0), "second", "healed")
    executor = run.start(kill("first", "node-1", back=60.0), second, third)
    executor.wait(timeout_s=1)

    assert run.steps("second") == run.steps("third") == ["failed"]
    assert "waited for first to be injected, which failed" in run.entries("second")[0].evidence["error"]
    assert ("kill", "node-2") not in run.backend.calls


def test_stop_does_not_wait_for_who_waits(run, kill):
    second = after(kill("second", "node-2", back=0.0), "first", "healed")
    executor = run.start(kill("first", "node-1", at=60.0, back=0.0), second)

    assert executor.stop() == ()
    assert executor.wait(timeout_s=5)
    assert run.entries() == []


def test_a_reversible_fault_is_healed_after_its_duration(run, kill):
    plan = replace(kill("first", "node-1", back=30.0), duration_s=0.3)
    executor = run.start(plan)

    assert executor.wait(timeout_s=20)
    lasted_s = (stamp(run, "first", "healed") - stamp(run, "first", "injected")) / NS
    assert 0.3 <= lasted_s < 0.3 + LATE_S


def test_what_comes_back_by_itself_is_healed_at_once(run, kill):
    plan = replace(kill("first", "node-1"), traits=("takes-down", "comes-back"))
    executor = run.start(plan)

    assert executor.wait(timeout_s=20)
    assert run.steps("first") == ALL
