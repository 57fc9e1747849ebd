"""kill: gone at once, with what it held; what was acknowledged by Redis stays."""

import pytest

FAULT = "kill"


@pytest.mark.parametrize("target", ["node-1", "redis"])
def test_a_killed_member_is_gone_without_a_goodbye_and_comes_back_as_another(cluster, target):
    before = cluster.backend.identity(target)
    said = cluster.backend.log_tail(target, 1000)
    fault = cluster.fault("kill", target, back=1.0)

    fault.inject()
    evidence = fault.prove()

    assert (evidence["before"], evidence["after"]) == (str(before), "down")
    assert cluster.backend.identity(target) is None
    assert cluster.round_trip(target) is None
    assert not any("drain" in line for line in cluster.backend.log_tail(target, 1000)[len(said) :])

    fault.heal()
    assert cluster.backend.identity(target) not in (None, before)
    assert cluster.round_trip(target) is not None
