"""memory: who holds more than it may is killed, not asked, and comes back without a limit, with its data."""

import pytest

from harness.errors import HarnessError
from harness.faults import memory

FAULT = "memory"


@pytest.mark.parametrize("target", ["node-1", "redis"])
def test_a_member_that_runs_out_of_memory_is_killed_and_comes_back_as_another(cluster, target):
    before = cluster.backend.identity(target)
    said = cluster.backend.log_tail(target, 1000)
    with cluster.redis() as redis:
        redis.set("kept", "over the kill")
    fault = cluster.fault("memory", target, back=1.0)

    fault.inject()
    evidence = fault.prove()

    assert (evidence["before"], evidence["after"]) == (str(before), "down")
    held, allowed = (int(word) for word in evidence["held"].split() if word.isdigit())
    assert 2**20 < held < allowed < held + 2**24
    assert cluster.round_trip(target) is None
    assert not any("drain" in line for line in cluster.backend.log_tail(target, 1000)[len(said) :])

    fault.heal()
    assert cluster.backend.identity(target) not in (None, before)
    with cluster.redis() as redis:
        assert redis.getdel("kept") == b"over the kill"


def test_a_healed_member_may_hold_more_again(cluster):
    fault = cluster.fault("memory", "redis", back=1.0)
    fault.inject()
    fault.heal()
    _, held = cluster.backend.resources.usage("redis")

    with cluster.redis() as redis:
        redis.set("large", b"x" * 3 * memory.HEADROOM, px=60_000)
        _, more = cluster.backend.resources.usage("redis")
        assert more > held + memory.HEADROOM
        redis.delete("large")


def test_who_is_not_limited_is_not_killed_by_what_is_sent_and_the_fault_fails(cluster, monkeypatch):
    monkeypatch.setattr(
        type(cluster.backend.resources), "limit_memory", lambda *arguments: {"limit": "forgotten"}
    )
    monkeypatch.setattr(memory, "KILLED_S", 2.0)
    monkeypatch.setattr(memory, "_SENDERS", 5)
    before = cluster.backend.identity("node-2")
    fault = cluster.fault("memory", "node-2", back=1.0)

    with pytest.raises(HarnessError, match="node-2 did not run out of memory within 2 s"):
        fault.inject()

    assert cluster.backend.identity("node-2") == before
    fault.heal()


def test_who_did_not_run_out_of_memory_may_hold_more_again_after_the_heal(cluster, monkeypatch):
    monkeypatch.setattr(memory, "_SENDERS", 0)
    monkeypatch.setattr(memory, "KILLED_S", 0.5)
    before = cluster.backend.identity("redis")
    fault = cluster.fault("memory", "redis", back=1.0)
    with pytest.raises(HarnessError, match=r"redis did not run out of memory within 0\.5 s"):
        fault.inject()

    fault.heal()

    with cluster.redis() as redis:
        redis.set("large", b"x" * 3 * memory.HEADROOM, px=60_000)
        redis.delete("large")
    assert cluster.backend.identity("redis") == before
