"""stop and restart beside kill: they ask, they wait, and what does not end is not hidden by a SIGKILL."""

import pytest

from harness.errors import HarnessError
from harness.faults.registry import FAULTS
from harness.records.plan import FaultPlan


def planned(name: str, *targets: str, back: float | None = None) -> FaultPlan:
    return FaultPlan(
        id="f",
        fault=name,
        at_s=0.0,
        targets=targets,
        restart_after_s=back,
        traits=FAULTS[name].spec.traits,
    )


def test_who_is_stopped_is_asked_and_its_goodbye_is_timed(run):
    fault = FAULTS["stop"](planned("stop", "node-2"), run.backend)

    fault.inject()
    evidence = fault.prove()

    assert run.backend.calls == [("terminate", "node-2")]
    assert (evidence["before"], evidence["after"]) == ("pid 101 started t101", "down")
    assert evidence["ended"].endswith("s after SIGTERM")
    assert fault.heal() is None


def test_who_does_not_end_when_asked_stays_alive_and_the_stop_fails(run):
    run.backend.immortal.add("node-2")
    fault = FAULTS["stop"](planned("stop", "node-1", "node-2", back=1.0), run.backend)

    with pytest.raises(HarnessError, match="node-2 is still alive 20 s after SIGTERM"):
        fault.inject()

    assert run.backend.identity("node-2") is not None
    assert ("kill", "node-2") not in run.backend.calls
    fault.heal()
    assert run.backend.identity("node-1") is not None


def test_a_restart_comes_back_by_its_own_plan(run):
    fault = FAULTS["restart"](planned("restart", "node-3"), run.backend)
    assert fault.undo().evidence == {"restart": "node-3"}

    fault.inject()
    fault.prove()
    healed = fault.heal()

    assert run.backend.calls == [("terminate", "node-3"), ("restart", "node-3")]
    assert healed["after"] == str(run.backend.identity("node-3"))
