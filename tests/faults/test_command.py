"""command: the scenario's own programs hit a member, see that they did, and set it right."""

import sys

import pytest

from harness.errors import HarnessError
from harness.faults.base import NotProven
from harness.faults.redis_console import answers

FAULT = "command"

# What one would write with redis-cli, which not every machine has; given a URL and a number of replicas.
SETTING = """
import redis, sys
of, (url, number) = "min-replicas-to-write", sys.argv[1:]
store = redis.Redis.from_url(url)
"""
WANT = f"{SETTING}store.config_set(of, number)"
SEE = f"{SETTING}sys.exit(store.config_get(of)[of] != number)"


def program(python, number):
    return (sys.executable, "-c", python, "{url}", number)


def own(cluster, *, inject="1", prove="1"):
    """Make Redis want a replica, which it has not, so that it refuses writes."""
    return cluster.fault(
        FAULT,
        "redis",
        duration=1.0,
        inject=program(WANT, inject),
        prove=program(SEE, prove),
        heal=program(WANT, "0"),
        timeout=30.0,
    )


def accepts_writes(cluster):
    return answers(cluster.backend, "redis", "SET", "test:written", "1", "PX", "1", within_s=5.0)


def test_a_member_is_hit_by_the_programs_and_set_right_by_them(cluster):
    assert accepts_writes(cluster)
    fault = own(cluster)

    fault.inject()
    assert "ended with exit status 0" in fault.prove()["prove redis"]
    assert not accepts_writes(cluster)

    assert "ended with exit status 0" in fault.heal()["heal redis"]
    assert accepts_writes(cluster)


def test_what_the_program_does_not_see_is_not_proven(cluster):
    fault = own(cluster, inject="0")
    fault.inject()
    with pytest.raises(NotProven, match=r"(?s)prove: .* ended with exit status 1"):
        fault.prove()
    fault.heal()


def test_what_was_done_in_part_before_the_program_failed_is_set_right(cluster):
    fault = cluster.fault(
        FAULT,
        "redis",
        duration=1.0,
        inject=program(f"{WANT}; sys.exit(7)", "1"),
        prove=program(SEE, "1"),
        heal=program(WANT, "0"),
    )
    with pytest.raises(HarnessError, match=r"(?s)inject: .* ended with exit status 7"):
        fault.inject()
    assert not accepts_writes(cluster)
    fault.heal()
    assert accepts_writes(cluster)
