"""pause: alive and silent; afterwards the same incarnation answers again."""

import pytest

from harness.faults.base import NotProven

FAULT = "pause"


@pytest.mark.parametrize("target", ["node-1", "redis"])
def test_a_paused_member_lives_and_answers_nobody_until_it_is_healed(cluster, target):
    before = cluster.backend.identity(target)
    assert cluster.round_trip(target) is not None
    fault = cluster.fault("pause", target, duration=3.0)

    fault.inject()
    evidence = fault.prove()

    assert cluster.backend.paused(target)
    assert cluster.backend.identity(target) == before
    assert cluster.round_trip(target) is None
    assert "stands still" in evidence["state"]

    fault.heal()
    assert not cluster.backend.paused(target)
    assert cluster.backend.identity(target) == before
    assert cluster.round_trip(target) is not None


def test_a_pause_that_somebody_ended_is_not_proven(cluster):
    fault = cluster.fault("pause", "node-1", duration=3.0)
    fault.inject()
    cluster.backend.resume("node-1")

    with pytest.raises(NotProven, match="node-1 was paused, but nothing says that it stands still"):
        fault.prove()
    fault.heal()


def test_who_dies_in_a_pause_is_not_healed(cluster):
    fault = cluster.fault("pause", "node-2", duration=3.0)
    fault.inject()
    cluster.backend.kill("node-2")

    with pytest.raises(NotProven, match="node-2 did not survive the pause"):
        fault.heal()
    cluster.backend.restart("node-2")
