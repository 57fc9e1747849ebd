"""redis-pause: what is held back stays unanswered for just as long, all else goes on."""

import time

import pytest

from harness.errors import HarnessError
from harness.faults.base import NotProven

FAULT = "redis-pause"


def test_a_pause_of_all_commands_answers_nobody_until_its_time_is_over(cluster):
    assert cluster.round_trip("redis") is not None
    fault = cluster.fault("redis-pause", "redis", duration=1.5, commands="all")

    began = time.monotonic()
    fault.inject()
    evidence = fault.prove()

    assert evidence == {"probe": "no answer to PING within 0.3 s"}
    assert cluster.round_trip("redis", timeout_s=0.3) is None
    assert cluster.backend.identity("redis") is not None
    fault.heal()
    assert time.monotonic() - began >= 1.5
    assert cluster.round_trip("redis") is not None


def test_a_pause_of_writes_lets_reads_pass_and_is_ended_early(cluster):
    fault = cluster.fault("redis-pause", "redis", duration=30.0, commands="write")

    began = time.monotonic()
    fault.inject()
    evidence = fault.prove()

    assert evidence == {"probe": "no answer to DEL within 0.3 s"}
    assert cluster.round_trip("redis") is not None
    fault.heal()
    assert time.monotonic() - began < 20.0
    with cluster.redis() as redis:
        assert redis.delete("nothing of that name") == 0


def test_a_pause_that_is_over_is_not_proven(cluster):
    fault = cluster.fault("redis-pause", "redis", duration=30.0, commands="write")
    fault.inject()
    with cluster.redis() as redis:
        redis.client_unpause()

    with pytest.raises(NotProven, match="redis answered DEL although its clients are paused"):
        fault.prove()
    fault.heal()


def test_a_pause_of_a_redis_that_is_down_fails_and_leaves_nothing_to_heal(cluster):
    cluster.backend.kill("redis")
    fault = cluster.fault("redis-pause", "redis", duration=1.0)

    with pytest.raises(HarnessError, match="redis did not do what it was asked"):
        fault.inject()

    cluster.backend.restart("redis")
    cluster.backend.wait_ready("redis", timeout_s=15)
    fault.heal()
