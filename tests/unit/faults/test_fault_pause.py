"""pause: proven by the kernel's word and by silence, healed as the incarnation that it was."""

import pytest

from harness.errors import HarnessError, MemberError
from harness.faults.base import NotProven
from harness.faults.pause import Pause
from harness.records.plan import FaultPlan


@pytest.fixture
def pause(run, monkeypatch):
    """A planned pause over a backend whose paused members do not answer."""
    really_ready = run.backend.wait_ready

    def silent_when_paused(member, *, timeout_s):
        if run.backend.paused(member):
            raise MemberError(f"{member} does not answer", member=member)
        really_ready(member, timeout_s=timeout_s)

    monkeypatch.setattr(run.backend, "wait_ready", silent_when_paused)

    def planned(*targets):
        plan = FaultPlan(id="p", fault="pause", at_s=0.0, targets=targets, duration_s=1.0)
        return Pause(plan, run.backend)

    return planned


def test_a_paused_member_stands_still_and_goes_on_as_who_it_was(run, pause):
    fault = pause("node-1", "node-3")
    fault.inject()

    state = fault.prove()["state"]
    assert state.startswith("node-1: stands still, no answer within 1 s; node-3: stands still")
    assert fault.heal() is not None
    assert run.backend.calls.count(("restart", "node-1")) == 0


def test_a_pause_that_did_nothing_is_not_proven(run, pause):
    run.backend.restless.add("node-1")
    fault = pause("node-1")
    fault.inject()

    with pytest.raises(NotProven, match="nothing says that it stands still"):
        fault.prove()


def test_who_stands_still_by_its_word_but_answers_is_not_proven_paused(run, monkeypatch):
    fault = Pause(
        FaultPlan(id="p", fault="pause", at_s=0.0, targets=("node-1",), duration_s=1.0), run.backend
    )
    fault.inject()

    with pytest.raises(NotProven, match=r"node-1 was paused, but answered after 0\.\d+ s"):
        fault.prove()


def test_who_still_stands_after_the_heal_is_not_healed(run, pause):
    run.backend.stuck.add("node-1")
    fault = pause("node-1")
    fault.inject()

    with pytest.raises(NotProven, match="node-1 was resumed, but still stands"):
        fault.heal()


def test_who_came_back_as_another_did_not_survive(run, pause):
    fault = pause("node-1")
    fault.inject()
    run.backend.kill("node-1")
    run.backend.restart("node-1")

    with pytest.raises(NotProven, match="did not survive the pause: pid 100 started t100 is now pid 103"):
        fault.heal()


def test_how_long_they_stood_is_not_told_where_not_all_were_paused(run, pause):
    run.backend.kill("node-2")
    fault = pause("node-1", "node-2")
    with pytest.raises(HarnessError, match="node-2 could not be paused"):
        fault.inject()

    assert "stood" not in fault.heal()


def test_who_is_down_cannot_be_paused_and_nothing_is_resumed(run, pause):
    run.backend.kill("node-1")
    fault = pause("node-1")

    with pytest.raises(HarnessError, match="node-1 could not be paused: it was down already"):
        fault.inject()
    assert fault.heal() is None
