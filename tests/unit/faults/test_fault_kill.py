"""kill: what it sees, what it claims, and what it does not claim."""

import threading
import time
from typing import Any

import pytest

from harness.errors import HarnessError, MemberError
from harness.faults.base import NotProven
from harness.faults.downtime import bring_back
from harness.faults.kill import Kill
from harness.faults.registry import FAULTS


def test_is_known_by_its_name_and_works_where_members_are_ours():
    assert FAULTS["kill"] is Kill
    assert set(Kill.spec.mechanisms) == {"process", "docker"}
    assert all(Kill.available(backend) is None for backend in Kill.spec.mechanisms)
    assert "not ours" in Kill.spec.why_not["attach"]


def test_a_killed_member_is_proven_down_by_its_old_identity(run, kill):
    fault = Kill(kill("k", "node-2", back=1.0), run.backend)
    before = str(run.backend.identity("node-2"))

    assert fault.undo().evidence == {"restart": "node-2"}
    assert fault.inject() == {"before": before}
    assert fault.prove() == {"before": before, "after": "down"}


def test_a_member_that_came_back_at_once_by_itself_proves_the_kill_too(run, kill):
    fault = Kill(kill("k", "node-2"), run.backend)
    fault.inject()
    run.backend.restart("node-2")

    evidence = fault.prove()
    assert evidence["after"] == str(run.backend.identity("node-2"))
    assert evidence["after"] != evidence["before"]


def test_a_kill_that_changed_nothing_is_not_proven(run, kill):
    run.backend.immortal.add("node-2")
    fault = Kill(kill("k", "node-2"), run.backend)
    fault.inject()

    with pytest.raises(NotProven, match=r"node-2 is still alive .*pid 101"):
        fault.prove()


def test_the_heal_brings_back_another_incarnation_and_names_both(run, kill):
    fault = Kill(kill("k", "node-2", back=1.0), run.backend)
    fault.inject()

    evidence = fault.heal()

    assert evidence is not None
    assert evidence["before"] == "pid 101 started t101"
    assert evidence["after"] == "pid 103 started t103"
    assert evidence["restarted"].endswith("s after the kill")
    assert evidence["ready"].endswith("s after the restart")


def test_a_heal_over_the_same_incarnation_is_not_proven(run, kill):
    run.backend.immortal.add("node-2")
    fault = Kill(kill("k", "node-2", back=1.0), run.backend)
    fault.inject()

    with pytest.raises(NotProven, match="did not come back as a new process"):
        fault.heal()


def test_healing_twice_starts_once(run, kill):
    fault = Kill(kill("k", "node-2", back=1.0), run.backend)
    fault.inject()
    fault.heal()
    fault.heal()

    assert run.backend.calls.count(("restart", "node-2")) == 1


def test_a_member_that_does_not_become_ready_is_an_error_with_its_log(run, kill):
    fault = Kill(kill("k", "node-2", back=1.0), run.backend)
    fault.inject()
    run.backend.barren.add("node-2")

    with pytest.raises(MemberError, match="its last words"):
        fault.heal()


def test_a_member_that_is_to_stay_down_has_nothing_to_heal(run, kill):
    fault = Kill(kill("k", "node-2"), run.backend)
    assert "nobody" in fault.undo().evidence["restart"]
    fault.inject()

    assert fault.heal() is None
    assert run.backend.identity("node-2") is None


def test_a_member_that_was_down_already_cannot_be_killed_and_is_not_started(run, kill):
    run.backend.kill("node-2")
    fault = Kill(kill("k", "node-2", back=1.0), run.backend)

    with pytest.raises(HarnessError, match="node-2 could not be killed: it was down already"):
        fault.inject()
    assert fault.heal() is None
    assert run.backend.identity("node-2") is None


def test_a_kill_that_broke_halfway_heals_what_it_hit(run, kill):
    run.backend.kill("node-2")
    fault = Kill(kill("k", "node-1", "node-2", "node-3", back=1.0), run.backend)
    with pytest.raises(HarnessError):
        fault.inject()

    fault.heal()

    assert run.backend.identity("node-1") is not None
    assert ("restart", "node-2") not in run.backend.calls
    assert run.backend.identity("node-3") is not None
    assert run.backend.calls.count(("kill", "node-3")) == 1


def test_a_kill_that_reports_an_error_but_bit_is_healed(run, kill, monkeypatch):
    fault = Kill(kill("k", "node-2", back=1.0), run.backend)
    really_kill = run.backend.kill

    def kill_and_complain(member: str) -> None:
        really_kill(member)
        raise HarnessError("the answer was lost")

    monkeypatch.setattr(run.backend, "kill", kill_and_complain)
    with pytest.raises(HarnessError, match="the answer was lost"):
        fault.inject()

    evidence = fault.heal()
    assert evidence is not None
    assert evidence["after"] == str(run.backend.identity("node-2"))


def test_several_targets_are_named_one_by_one(run, kill):
    fault = Kill(kill("k", "node-1", "node-3", back=1.0), run.backend)
    fault.inject()

    assert fault.prove() == {
        "before": "node-1: pid 100 started t100; node-3: pid 102 started t102",
        "after": "node-1: down; node-3: down",
    }


def test_a_member_that_two_heals_miss_is_started_once() -> None:
    """They run side by side: both see it down before either has started it."""

    class Slow:
        lives, started = False, 0

        def identity(self, member: str) -> str | None:
            return "new" if self.lives else None

        def restart(self, member: str) -> None:
            self.started += 1
            time.sleep(0.2)  # so long the other one has to come in between
            self.lives = True

        def wait_ready(self, member: str, *, timeout_s: float) -> None:
            assert self.lives

    backend: Any = Slow()
    heals = [threading.Thread(target=bring_back, args=(backend, ["node-1"])) for _ in range(2)]
    for heal in heals:
        heal.start()
    for heal in heals:
        heal.join()
    assert backend.started == 1
