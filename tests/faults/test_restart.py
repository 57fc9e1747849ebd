"""restart: an upgrade's goodbye, and back at once at the same place as another incarnation."""

import pytest

FAULT = "restart"


@pytest.mark.parametrize("target", ["node-1", "redis"])
def test_a_restarted_member_is_asked_to_end_and_is_back_as_another(cluster, target):
    before = cluster.backend.identity(target)
    fault = cluster.fault("restart", target)

    fault.inject()
    evidence = fault.prove()
    assert (evidence["before"], evidence["after"]) == (str(before), "down")
    assert cluster.round_trip(target) is None

    healed = fault.heal()
    assert cluster.backend.identity(target) not in (None, before)
    assert cluster.round_trip(target) is not None
    assert healed["after"] == str(cluster.backend.identity(target))


def test_a_member_that_is_down_already_cannot_be_restarted_and_is_left_down(cluster):
    cluster.backend.kill("node-2")
    fault = cluster.fault("restart", "node-2")

    with pytest.raises(Exception, match="node-2 could not be restarted: it was down already"):
        fault.inject()
    assert fault.heal() is None
    assert cluster.backend.identity("node-2") is None

    cluster.backend.restart("node-2")
