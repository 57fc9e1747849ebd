"""redis-data-loss: what was past the cut is gone, what was before it is there, and Redis serves again."""

import pytest

from harness.faults.base import NotProven

FAULT = "redis-data-loss"
ENTRIES = 200


@pytest.fixture
def stream(cluster):
    """A stream of our own with many entries, each synced before its answer: at least half of the whole log.

    The log has also what earlier tests on this cluster wrote, in whatever order they ran.
    """
    with cluster.redis() as redis:
        earlier = redis.info("persistence")["aof_current_size"]
        text = "x" * max(400, earlier // ENTRIES)
        for number in range(ENTRIES):
            redis.xadd("test:stream", {"number": number, "text": text})
    yield "test:stream"
    with cluster.redis() as redis:
        redis.delete("test:stream")


def test_an_empty_log_leaves_nothing(cluster, stream):
    before = cluster.backend.identity("redis")
    fault = cluster.fault("redis-data-loss", "redis", keep=0)

    fault.inject()
    evidence = fault.prove()
    assert evidence["after"] == "down"
    assert evidence["kept"].startswith("0 bytes of ")
    healed = fault.heal()

    assert cluster.backend.identity("redis") not in (None, before)
    with cluster.redis() as redis:
        assert redis.xlen(stream) == 0
    assert int(healed["stream entries"].split()[0]) >= ENTRIES


def test_a_cut_log_keeps_its_beginning(cluster, stream):
    fault = cluster.fault("redis-data-loss", "redis", keep=60)

    fault.inject()
    fault.prove()
    fault.heal()

    with cluster.redis() as redis:
        left = [int(entry[b"number"]) for _, entry in redis.xrange(stream)]
    assert left == list(range(len(left)))
    assert 0 < len(left) < ENTRIES


def test_a_log_of_which_nothing_was_lost_proves_nothing(cluster, monkeypatch):
    fault = cluster.fault("redis-data-loss", "redis", keep=0)
    monkeypatch.setattr(
        type(cluster.backend.disk), "truncate_log", lambda self, keep: {"log": "9 bytes", "kept": "9 bytes"}
    )

    fault.inject()
    with pytest.raises(NotProven, match=r"redis lost nothing of its log \(9 bytes\)"):
        fault.prove()
    fault.heal()
