"""The executor: times, order, journal, and that nothing stays open."""

import threading
import time
from collections.abc import Callable

import pytest

from harness.clock import NS, now_ns
from harness.errors import HarnessError
from harness.faults.base import NotProven, Spec, Undo
from harness.faults.executor import FaultExecutor
from harness.faults.kill import Kill
from harness.faults.registry import FAULTS
from harness.records.plan import FaultPlan
from harness.scenario.keys import Reversible

ALL = ["undo", "injected", "proved", "healed", "heal_proved"]
LATE_S = 2.0  # What a busy machine may add; how exact the executor itself is has a test of its own.


def until(condition: Callable[[], bool], *, timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.005)


def at_s(run, fault_id: str, step: str) -> float:
    """When a step began, in seconds of the plan."""
    (entry,) = [e for e in run.entries(fault_id) if e.step == step]
    return (entry.t_ns - run.began_ns) / NS


class Slow(Kill):
    """A kill whose verbs can be made to wait; the gates are set from outside."""

    gates: dict[str, threading.Event]
    log: list[str]

    def __init__(self, plan, backend) -> None:
        super().__init__(plan, backend)
        self._id = plan.id

    def _pass(self, verb: str) -> None:
        self.log.append(f"{verb} {self._id}")
        gate = self.gates.get(f"{verb} {self._id}")
        if gate is not None:
            assert gate.wait(10)

    def inject(self):
        self._pass("inject")
        return super().inject()

    def heal(self):
        self._pass("heal")
        return super().heal()


@pytest.fixture
def slow(monkeypatch) -> type[Slow]:
    Slow.gates, Slow.log = {}, []
    monkeypatch.setitem(FAULTS, "kill", Slow)
    return Slow


class Lasting:
    """Does nothing but last. Its heal is over when that of the fault is that it waits for, if any."""

    spec = Spec(name="lasting", summary="", keys=Reversible, mechanisms={"process": ""})
    over: dict[str, threading.Event]
    waits_for: dict[str, str]

    def __init__(self, plan, backend) -> None:
        self._id = plan.id

    def undo(self):
        return Undo(evidence={})

    def inject(self):
        return {}

    def prove(self):
        return {}

    def heal(self):
        other = self.waits_for.get(self._id)
        if other is not None and not self.over[other].wait(5):
            raise NotProven(f"{other} was not over")
        self.over[self._id].set()
        return {}


@pytest.fixture
def lasting(monkeypatch) -> Callable[..., FaultPlan]:
    """Return a maker of faults that last: `lasting("a", "node-1", at=0.1, lasts=0.1, waits_for="b")`."""
    Lasting.over, Lasting.waits_for = {}, {}
    monkeypatch.setitem(FAULTS, "lasting", Lasting)

    def planned(
        fault_id: str, *targets: str, at: float = 0.0, lasts: float, waits_for: str | None = None
    ) -> FaultPlan:
        Lasting.over[fault_id] = threading.Event()
        if waits_for is not None:
            Lasting.waits_for[fault_id] = waits_for
        return FaultPlan(id=fault_id, fault="lasting", at_s=at, targets=targets, duration_s=lasts)

    return planned


def test_a_fault_goes_through_its_steps_at_its_times(run, kill):
    executor = run.start(kill("k", "node-2", at=0.2, back=0.3))

    assert executor.wait(timeout_s=20)
    assert executor.stop() == ()

    assert run.steps("k") == ALL
    assert 0.2 <= at_s(run, "k", "injected") < 0.2 + LATE_S
    assert 0.5 <= at_s(run, "k", "healed") < 0.5 + LATE_S  # restart_after counts from the inject
    proved, healed = run.entries("k")[2], run.entries("k")[4]
    assert proved.evidence == {"before": "pid 101 started t101", "after": "down"}
    assert healed.evidence["after"] == "pid 103 started t103"
    assert run.entries() == run.events


def test_faults_come_on_the_dot(run, kill):
    times = [0.1 * n for n in range(1, 10)]
    executor = run.start(
        *(kill(f"k{at}", f"node-{n % 3 + 1}", at=at, back=0.0) for n, at in enumerate(times))
    )

    assert executor.wait(timeout_s=20)
    late = sorted(at_s(run, f"k{at}", "injected") - at for at in times)
    assert late[0] >= 0
    assert late[0] < 0.05  # The best of them, since other programs may have the processor meanwhile.


def test_the_undo_is_on_disk_before_the_member_is_touched(run, kill, slow):
    slow.gates["inject k"] = threading.Event()
    executor = run.start(kill("k", "node-2", back=0.0))

    until(lambda: slow.log == ["inject k"])
    assert run.steps("k") == ["undo"]
    assert run.entries("k")[0].evidence == {"restart": "node-2"}
    assert run.backend.calls == []

    slow.gates["inject k"].set()
    assert executor.wait(timeout_s=20)
    assert run.steps("k") == ALL


def test_stamps_hold_the_time_that_a_step_took(run, kill):
    run.backend.ready.clear()
    executor = run.start(kill("k", "node-2", back=0.0))
    until(lambda: ("restart", "node-2") in run.backend.calls)
    time.sleep(0.1)  # The length of the heal is what is tested.
    run.backend.ready.set()
    assert executor.wait(timeout_s=20)

    (healed,) = [e for e in run.entries("k") if e.step == "healed"]
    assert healed.done_ns - healed.t_ns >= 0.1 * NS


def test_a_member_that_is_to_stay_down_ends_with_its_proof(run, kill):
    executor = run.start(kill("k", "node-2"))

    assert executor.wait(timeout_s=20)
    assert executor.stop() == ()
    assert run.steps("k") == ["undo", "injected", "proved"]
    assert run.backend.identity("node-2") is None


def test_faults_on_different_members_overlap(run, kill):
    run.backend.ready.clear()  # The first heal hangs until the end.
    executor = run.start(
        kill("a", "node-1", back=0.0), kill("b", "node-2", at=0.15), kill("c", "node-3", at=0.15)
    )
    until(lambda: len(run.steps("b")) == 3 and len(run.steps("c")) == 3)

    assert run.steps("a") == ["undo", "injected", "proved"]
    assert at_s(run, "b", "injected") < 0.15 + LATE_S
    assert at_s(run, "c", "injected") < 0.15 + LATE_S
    run.backend.ready.set()
    executor.stop()
    assert run.steps("a") == ALL


def test_the_order_of_the_plan_does_not_matter(run, kill):
    executor = run.start(kill("late", "node-1", at=0.5), kill("early", "node-2", at=0.0))

    assert executor.wait(timeout_s=20)
    assert [e.fault_id for e in run.entries() if e.step == "injected"] == ["early", "late"]


def test_a_member_can_be_killed_again_after_it_came_back(run, kill):
    executor = run.start(kill("one", "node-1", back=0.1), kill("two", "node-1", at=1.0, back=0.1))

    assert executor.wait(timeout_s=20)
    assert run.steps("one") == ALL
    assert run.steps("two") == ALL
    assert run.entries("one")[4].evidence["after"] == run.entries("two")[2].evidence["before"]


def test_a_second_kill_waits_for_a_heal_that_is_under_way(run, kill):
    run.backend.ready.clear()
    executor = run.start(kill("one", "node-1", back=0.0), kill("two", "node-1", at=0.5, back=0.0))
    until(lambda: now_ns() > run.began_ns + NS)  # Well past the second kill's time: it must not have come.

    assert run.backend.calls == [("kill", "node-1"), ("restart", "node-1")]
    run.backend.ready.set()
    assert executor.wait(timeout_s=20)
    assert run.steps("one") == ALL
    assert run.steps("two") == ALL
    assert at_s(run, "two", "injected") >= 1.0


def test_a_heal_is_not_kept_waiting_by_another_one_on_its_member(run, lasting):
    """As of a node that was paused, and is not ready before a partition from Redis is over as well."""
    executor = run.start(
        lasting("pause", "node-1", lasts=0.1, waits_for="cut"), lasting("cut", "node-1", lasts=0.5)
    )

    assert executor.wait(timeout_s=20)
    assert executor.stop() == ()
    assert run.steps("pause") == run.steps("cut") == ALL


def test_who_waits_for_a_heal_before_it_injects_keeps_no_other_heal_waiting(run, kill, lasting):
    executor = run.start(
        lasting("pause", "node-2", lasts=0.1, waits_for="cut"),
        lasting("cut", "node-1", "node-2", lasts=0.6),
        kill("k", "node-1", "node-2", at=0.3, back=0.1),
    )

    assert executor.wait(timeout_s=20)
    assert executor.stop() == ()
    assert run.steps("pause") == run.steps("cut") == run.steps("k") == ALL
    assert at_s(run, "k", "injected") >= 0.6


def test_who_waits_for_a_member_injects_in_the_order_in_which_it_came(run, lasting):
    late = [lasting(f"late-{n}", "node-1", at=0.2 + 0.05 * n, lasts=60.0) for n in range(12)]
    gate = Lasting.over["gate"] = threading.Event()
    executor = run.start(lasting("slow", "node-1", lasts=0.0, waits_for="gate"), *late)
    until(lambda: now_ns() > run.began_ns + 1.2 * NS)  # All are late by now.
    gate.set()
    until(lambda: len(run.steps("late-11")) == 3)

    injected = [entry.fault_id for entry in run.entries() if entry.step == "injected"]
    assert injected == ["slow", *(fault.id for fault in late)]
    assert executor.stop() == ()


def test_a_kill_of_a_member_that_is_down_fails_and_leaves_the_first_alone(run, kill):
    executor = run.start(kill("one", "node-1", back=1.5), kill("two", "node-1", at=0.5, back=0.1))

    assert executor.wait(timeout_s=20)
    assert executor.stop() == ()
    assert run.steps("one") == ALL
    assert run.steps("two") == ["undo", "failed"]
    failed = run.entries("two")[1]
    assert failed.evidence == {
        "verb": "inject",
        "kind": "HarnessError",
        "error": "node-1 could not be killed: it was down already",
    }
    assert at_s(run, "one", "healed") >= 1.5


def test_targets_in_any_order_do_not_lock_each_other_out(run, kill):
    there, back = ("node-1", "node-2", "node-3"), ("node-3", "node-2", "node-1")
    faults = [kill(f"k{n}", *(there if n % 2 else back), at=0.05, back=0.0) for n in range(16)]
    executor = run.start(*faults)

    assert executor.wait(timeout_s=20)
    assert executor.stop() == ()
    # Who came while the members were down could not kill them; all others went the whole way.
    assert {tuple(run.steps(fault.id)) for fault in faults} <= {tuple(ALL), ("undo", "failed")}
    assert all(run.backend.identity(name) for name in there)


def test_an_unproven_fault_is_journaled_and_healed_all_the_same(run, kill):
    run.backend.immortal.add("node-2")
    executor = run.start(kill("dud", "node-2", back=0.1), kill("good", "node-1", back=0.1))

    assert executor.wait(timeout_s=20)
    assert run.steps("dud") == ["undo", "injected", "failed", "failed"]
    assert [e.evidence["verb"] for e in run.entries("dud")[2:]] == ["prove", "heal"]
    assert run.steps("good") == ALL


def test_an_error_that_nobody_foresaw_fails_one_fault_only(run, kill, monkeypatch):
    class Broken(Kill):
        def inject(self):
            raise ZeroDivisionError

    monkeypatch.setitem(FAULTS, "broken", Broken)
    broken = FaultPlan(id="broken", fault="broken", at_s=0.0, targets=("node-1",))
    executor = run.start(broken, kill("good", "node-2", back=0.0))

    assert executor.wait(timeout_s=20)
    assert run.entries("broken")[1].evidence["error"] == "ZeroDivisionError"
    assert run.steps("good") == ALL
    assert executor.stop() == ()


def test_stop_injects_nothing_new_and_returns_at_once(run, kill):
    executor = run.start(kill("k", "node-2", at=60.0, back=1.0))
    began = now_ns()

    assert executor.stop() == ()
    assert now_ns() - began < 10 * NS
    assert run.entries() == []
    assert run.backend.calls == []


def test_stop_heals_early_and_the_youngest_first(run, kill, slow):
    executor = run.start(*(kill(f"k{n}", f"node-{n}", at=n * 0.05, back=60.0) for n in (1, 2, 3)))
    until(lambda: [len(run.steps(f"k{n}")) for n in (1, 2, 3)] == [3, 3, 3])
    opened = [entry.fault_id for entry in run.entries() if entry.step == "undo"]
    slow.log.clear()

    assert executor.stop() == ()
    assert slow.log == [f"heal {fault_id}" for fault_id in reversed(opened)]
    assert [run.steps(f"k{n}") for n in (1, 2, 3)] == [ALL] * 3


def test_a_fault_that_waits_for_its_member_is_not_injected_after_stop(run, kill):
    run.backend.ready.clear()
    executor = run.start(kill("one", "node-1", back=0.0), kill("two", "node-1", at=0.3, back=0.0))
    until(lambda: now_ns() > run.began_ns + 0.6 * NS)  # Now the second waits for the first one's heal.
    threading.Timer(0.2, run.backend.ready.set).start()

    assert executor.stop() == ()
    assert run.steps("one") == ALL
    assert run.steps("two") == []


def test_stop_waits_for_an_inject_under_way_and_heals_it(run, kill, slow):
    slow.gates["inject k"] = threading.Event()
    executor = run.start(kill("k", "node-2", back=60.0))
    until(lambda: slow.log == ["inject k"])
    threading.Timer(0.1, slow.gates["inject k"].set).start()

    assert executor.stop() == ()
    assert run.steps("k") == ALL


def test_stop_tries_a_failed_heal_again(run, kill):
    run.backend.barren.add("node-2")
    executor = run.start(kill("k", "node-2", back=0.0))
    until(lambda: "failed" in run.steps("k"))
    run.backend.barren.clear()

    assert executor.stop() == ()
    assert run.steps("k") == ["undo", "injected", "proved", "failed", "healed", "heal_proved"]


def test_stop_names_what_it_could_not_heal_and_heals_the_rest(run, kill):
    executor = run.start(kill("a", "node-1", back=60.0), kill("b", "node-2", at=0.05, back=60.0))
    until(lambda: len(run.steps("a")) == len(run.steps("b")) == 3)
    run.backend.barren.add("node-2")

    assert executor.stop() == ("b",)
    assert run.steps("a") == ALL
    assert "did not become ready" in run.entries("b")[-1].evidence["error"]


def test_stop_keeps_its_deadline_when_a_heal_hangs(run, kill):
    run.backend.ready.clear()
    executor = run.start(kill("a", "node-1", back=60.0), kill("b", "node-2", at=0.05, back=60.0))
    until(lambda: len(run.steps("a")) == len(run.steps("b")) == 3)
    began = now_ns()

    assert set(executor.stop(timeout_s=0.3)) == {"a", "b"}
    assert 0.3 * NS <= now_ns() - began < 10 * NS
    assert run.steps("a")[-1] == run.steps("b")[-1] == "failed"
    assert "not over" in run.entries("a")[-1].evidence["error"]

    run.backend.ready.set()
    time.sleep(0.1)  # The hanging heal goes on meanwhile: it must neither journal nor start the next.
    assert run.steps("a")[-1] == run.steps("b")[-1] == "failed"
    assert len([call for call in run.backend.calls if call[0] == "restart"]) == 1


def test_abort_leaves_what_goes_with_the_cluster_and_the_journal_alone(run, kill, slow):
    slow.gates["inject b"] = threading.Event()
    executor = run.start(kill("a", "node-1", back=60.0), kill("b", "node-2", at=0.05, back=60.0))
    until(lambda: len(run.steps("a")) == 3 and "inject b" in slow.log)

    assert executor.abort(timeout_s=0.2) == ()  # None has an undo that would be left.
    slow.gates["inject b"].set()
    until(lambda: ("kill", "node-2") in run.backend.calls)
    assert run.steps("b") == ["undo"]
    assert ("restart", "node-1") not in run.backend.calls


def test_stop_can_be_called_again(run, kill):
    executor = run.start(kill("k", "node-2", back=60.0))
    until(lambda: len(run.steps("k")) == 3)

    assert executor.stop() == ()
    steps = run.steps("k")
    assert executor.stop() == ()
    assert run.steps("k") == steps


def test_an_executor_that_was_never_started_stops(run, kill):
    executor = FaultExecutor((kill("k", "node-1"),), run.backend, run.journal, now_ns(), run.events.append)
    assert executor.stop() == ()
    assert run.backend.calls == []


def test_a_fault_whose_undo_cannot_be_journaled_does_not_happen(run, kill, monkeypatch):
    def full(record: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run.journal, "append", full)
    executor = run.start(kill("k", "node-2", back=0.0))
    assert executor.wait(timeout_s=20)

    assert run.backend.calls == []
    with pytest.raises(HarnessError, match=r"could not be journaled.*No space left"):
        executor.stop()


def test_a_listener_that_breaks_is_told_at_the_end_and_heals_nothing_less(run, kill):
    def break_down(entry) -> None:
        if entry.step == "injected":
            raise BrokenPipeError("nobody listens")

    run.on_event = break_down
    executor = run.start(kill("k", "node-2", back=60.0))
    until(lambda: "proved" in run.steps("k"))

    with pytest.raises(HarnessError, match="nobody listens"):
        executor.stop()
    assert run.steps("k") == ALL
    assert run.backend.identity("node-2") is not None


def test_a_fault_that_nobody_knows_is_refused_before_anything_begins(run, kill):
    plan = FaultPlan(id="x", fault="meteor", at_s=0.0, targets=("node-1",))
    with pytest.raises(HarnessError, match="fault x: there is no fault 'meteor'; there are kill"):
        run.start(kill("k", "node-1"), plan)
    assert run.backend.calls == []


def test_a_fault_that_does_not_work_on_the_backend_is_refused(run, kill):
    run.backend.name = "attach"
    with pytest.raises(HarnessError, match="fault k: kill cannot be had with attach"):
        run.start(kill("k", "node-1"))
