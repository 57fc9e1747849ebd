"""stop: a node says goodbye and is gone by itself; Redis loses nothing; both come back as others."""

import pytest

FAULT = "stop"


def test_a_stopped_node_drains_and_comes_back_as_another_incarnation(cluster):
    before = cluster.backend.identity("node-1")
    assert cluster.round_trip("node-1") is not None
    fault = cluster.fault("stop", "node-1", back=1.0)

    fault.inject()
    evidence = fault.prove()

    assert cluster.backend.identity("node-1") is None
    assert cluster.round_trip("node-1") is None
    assert evidence["before"] == str(before)
    assert evidence["after"] == "down"
    assert float(evidence["ended"].split()[0]) > 0
    assert any('"drained"' in line for line in cluster.backend.log_tail("node-1", 20))

    healed = fault.heal()
    assert cluster.backend.identity("node-1") not in (None, before)
    assert cluster.round_trip("node-1") is not None
    assert healed["after"] == str(cluster.backend.identity("node-1"))


def test_a_stopped_redis_keeps_what_it_had(cluster):
    with cluster.redis() as redis:
        redis.set("kept", "over the stop")
    before = cluster.backend.identity("redis")
    fault = cluster.fault("stop", "redis", back=1.0)

    fault.inject()
    fault.prove()
    assert cluster.backend.identity("redis") is None
    assert cluster.round_trip("redis") is None
    fault.heal()

    assert cluster.backend.identity("redis") not in (None, before)
    with cluster.redis() as redis:
        assert redis.getdel("kept") == b"over the stop"


@pytest.mark.slow
def test_all_nodes_are_stopped_at_once_and_come_back_together(cluster):
    fault = cluster.fault("stop", "node-1", "node-2", back=1.0)

    fault.inject()
    evidence = fault.prove()

    assert evidence["after"] == "node-1: down; node-2: down"
    assert [cluster.round_trip(name) for name in ("node-1", "node-2")] == [None, None]
    fault.heal()
