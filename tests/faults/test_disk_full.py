"""disk-full: Redis ends at a write that finds no space, and comes back with what it acknowledged."""

import pytest

from harness.faults import disk_full
from harness.faults.base import NotProven

FAULT = "disk-full"


def test_redis_ends_when_its_disk_is_full_and_comes_back_with_all_that_it_had(cluster):
    with cluster.redis() as redis:
        redis.set("kept", "over the full disk")
    before = cluster.backend.identity("redis")
    fault = cluster.fault("disk-full", "redis", duration=1.0)

    filled = fault.inject()
    evidence = fault.prove()

    assert int(filled["filled"].split()[0]) > 2**20
    assert (evidence["before"], evidence["after"]) == (str(before), "down")
    assert cluster.backend.identity("redis") is None
    assert "AOF write error" in cluster.backend.log_tail("redis", 1)[0]

    healed = fault.heal()
    assert cluster.backend.identity("redis") not in (None, before)
    assert healed["write"] == "accepted"
    with cluster.redis() as redis:
        assert redis.getdel("kept") == b"over the full disk"


def test_a_redis_that_lives_on_proves_nothing(cluster, monkeypatch):
    monkeypatch.setattr(disk_full, "EXIT_S", 0.5)
    monkeypatch.setattr(type(cluster.backend.disk), "fill", lambda self: {"filled": "nothing"})
    fault = cluster.fault("disk-full", "redis", duration=1.0)

    fault.inject()
    with pytest.raises(NotProven, match="redis lives on although its disk is full"):
        fault.prove()
    fault.heal()
