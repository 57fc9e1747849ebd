"""memory: who holds more than it may is killed, not asked, and comes back without a limit, with its data."""

import re

import pytest

from harness.errors import HarnessError
from harness.faults import memory
from harness.faults.base import NotProven

FAULT = "memory"
ENDED_BY = {
    "process": r"by the harness \(SIGKILL\), since it held \d+ bytes, and may hold \d+",
    "docker": r"by the kernel's OOM killer, as the engine says \(OOMKilled, exit status 137\)",
}


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
    assert re.search(ENDED_BY[cluster.backend.name], evidence["ended by"])
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


def test_a_member_that_somebody_else_killed_meanwhile_did_not_run_out_of_memory(cluster, monkeypatch):
    def killed(resources, member, bytes_):
        if bytes_ is not None:
            cluster.backend.kill(member)

    fault = cluster.fault("memory", "node-1", back=1.0)
    with monkeypatch.context() as broken:
        broken.setattr(type(cluster.backend.resources), "limit_memory", killed)
        fault.inject()
    with pytest.raises(
        NotProven, match="node-1 is down, but nothing says that it was killed for what it held"
    ):
        fault.prove()

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
