"""cpu: who is asked for more gets its share and no more, answers late, and is never seen paused."""

import time

import pytest

from harness.faults.base import NotProven

FAULT = "cpu"


def cores(evidence):
    """Return how much a member used, and how often it was held back, as the evidence tells."""
    used, window, times = (float(word) for word in evidence["used"].split() if word[0].isdigit())
    return used / window, times


@pytest.mark.parametrize("target", ["node-1", "redis"])
def test_a_limited_member_is_held_to_its_share_and_afterwards_is_not(cluster, target):
    fault = cluster.fault("cpu", target, duration=1.0, cores=0.1)

    fault.inject()
    used, held_back = cores(fault.prove())
    assert used < 0.2
    assert held_back > 0
    assert not cluster.backend.paused(target)
    assert cluster.backend.identity(target) is not None

    used, held_back = cores(fault.heal())
    assert held_back == 0


@pytest.mark.slow
def test_a_starved_node_answers_far_less_often(cluster):
    def answers() -> int:
        end, count = time.monotonic() + 3.0, 0
        while time.monotonic() < end:
            count += cluster.round_trip("node-1", timeout_s=5.0) is not None
        return count

    before = answers()
    fault = cluster.fault("cpu", "node-1", duration=1.0, cores=0.01)
    fault.inject()
    during = answers()
    fault.heal()

    assert during < before / 2


def test_without_the_limit_the_proof_fails(cluster, monkeypatch):
    monkeypatch.setattr(
        type(cluster.backend.resources), "limit_cpu", lambda *arguments: {"limit": "forgotten"}
    )
    fault = cluster.fault("cpu", "node-1", duration=1.0, cores=0.02)
    fault.inject()

    with pytest.raises(NotProven, match=r"node-1 used .* more than 0\.02 cores"):
        fault.prove()
    fault.heal()


@pytest.mark.slow
def test_a_limit_lasts_over_a_restart_and_makes_way_for_a_pause(cluster):
    fault = cluster.fault("cpu", "node-2", duration=1.0, cores=0.05)
    fault.inject()
    cluster.backend.pause("node-2")
    assert cluster.backend.paused("node-2")
    assert cluster.round_trip("node-2", timeout_s=0.5) is None
    cluster.backend.resume("node-2")
    cluster.backend.kill("node-2")
    cluster.backend.restart("node-2")
    cluster.backend.wait_ready("node-2", timeout_s=60.0)

    fault.prove()
    fault.heal()
