"""redis-clients-kill: the connections are gone by their ids, and the clients come back with others."""

import pytest

from harness.errors import HarnessError

FAULT = "redis-clients-kill"


def ids(cluster, kind):
    with cluster.redis() as redis:
        own = redis.client_id()
        return {int(client["id"]) for client in redis.client_list(_type=kind)} - {own}


@pytest.fixture
def subscriber(cluster):
    """A subscriber of our own, that subscribes again when it is hung up on: the durable mode has none."""
    with cluster.redis() as redis, redis.pubsub() as pubsub:
        pubsub.subscribe("wordaround:test")
        yield pubsub


def test_the_nodes_connections_are_cut_and_they_come_back_with_others(cluster):
    before = ids(cluster, "normal")
    assert len(before) >= 2
    fault = cluster.fault("redis-clients-kill", "redis", type="normal")

    killed = fault.inject()
    evidence = fault.prove()

    assert killed == {"killed": f"{len(before)} normal clients"}
    assert evidence["gone"] == f"{len(before)} of {len(before)} ids"
    assert not before & ids(cluster, "normal")
    assert fault.heal() is not None
    assert ids(cluster, "normal") - before


def test_subscribers_are_cut_and_nobody_else(cluster, subscriber):
    subscribed = ids(cluster, "pubsub")
    assert subscribed
    fault = cluster.fault("redis-clients-kill", "redis", type="pubsub")
    with cluster.redis() as redis:
        own = redis.client_id()

        fault.inject()
        fault.prove()

        assert redis.client_id() == own
    assert not subscribed & ids(cluster, "pubsub")


def test_where_nobody_is_connected_nothing_would_be_tested_and_the_fault_fails(cluster):
    fault = cluster.fault("redis-clients-kill", "redis", type="pubsub")

    with pytest.raises(HarnessError, match="redis has no pubsub client whose connection could be cut"):
        fault.inject()
    assert fault.heal() is None
