"""clock-skew: the member's own word for the time is off, its monotonic clock is not; later it is right."""

import contextlib
import json
import re
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest

from harness.backends.process_clock import SHARED_MEMORY
from harness.clock import utc_now
from harness.faults import clock_skew
from harness.faults.base import NotProven

FAULT = "clock-skew"


def redis_is_off(cluster):
    """By how many seconds Redis says to be off, in its own words."""
    with cluster.redis() as redis:
        seconds, microseconds = redis.time()
    return seconds + microseconds / 1e6 - utc_now().timestamp()


def node_is_off(cluster, node):
    """The same of a node: by the stamp of the last line of its log, which a restart writes now."""
    (line,) = cluster.backend.log_tail(node, 1)
    return datetime.fromisoformat(json.loads(line)["ts"]).timestamp() - utc_now().timestamp()


@pytest.mark.parametrize("offset", [-90.0, 3600.0])
def test_redis_has_another_time_and_goes_on_and_gets_the_right_one_back(cluster, offset):
    assert abs(redis_is_off(cluster)) < 1
    before = cluster.backend.identity("redis")
    fault = cluster.fault("clock-skew", "redis", duration=1.0, offset=offset)

    fault.inject()
    evidence = fault.prove()

    assert abs(redis_is_off(cluster) - offset) < 1
    assert abs(float(evidence["clock"].split()[0]) - offset) < 1
    assert re.fullmatch(r"redis-server \(pid \d+\)", evidence["library mapped by"])
    assert cluster.round_trip("redis") is not None
    fault.heal()
    assert abs(redis_is_off(cluster)) < 1
    assert cluster.backend.identity("redis") == before


def test_a_node_has_another_time_also_after_a_restart(cluster):
    fault = cluster.fault("clock-skew", "node-1", duration=1.0, offset=-3600.0)

    fault.inject()
    fault.prove()
    cluster.backend.kill("node-1")
    cluster.backend.restart("node-1")
    cluster.backend.wait_ready("node-1", timeout_s=20)

    assert abs(node_is_off(cluster, "node-1") + 3600) < 15
    fault.heal()
    cluster.backend.kill("node-1")
    cluster.backend.restart("node-1")
    cluster.backend.wait_ready("node-1", timeout_s=20)
    assert abs(node_is_off(cluster, "node-1")) < 15


def test_who_is_not_a_target_keeps_the_right_time(cluster):
    fault = cluster.fault("clock-skew", "node-1", "node-2", duration=1.0, offset=60.0)

    fault.inject()
    evidence = fault.prove()

    assert set(evidence["clock"].replace(";", "").split()) >= {"node-1:", "node-2:"}
    assert abs(redis_is_off(cluster)) < 1
    fault.heal()


def test_the_clock_of_a_member_that_stands_still_is_read_when_it_goes_on(cluster):
    fault = cluster.fault("clock-skew", "node-2", duration=1.0, offset=60.0)
    fault.inject()
    fault.prove()
    cluster.backend.pause("node-2")
    going_on = threading.Timer(1.0, cluster.backend.resume, ["node-2"])
    going_on.start()

    healed = fault.heal()

    assert not cluster.backend.paused("node-2")
    assert abs(float(healed["clock"].split()[0])) < 1
    going_on.join()


def test_a_clock_that_does_not_show_the_offset_proves_nothing(cluster):
    fault = cluster.fault("clock-skew", "redis", duration=1.0, offset=60.0)
    fault.inject()
    cluster.backend.clock.shift("redis", 10.0)

    with pytest.raises(NotProven, match=r"the clock of redis is \+(9\.|10\.)\d+ s off, and not \+60 s"):
        fault.prove()
    fault.heal()


@contextlib.contextmanager
def a_process_without_the_library(cluster, member):
    """One of its own processes does not have it, as a program that is linked statically would not."""
    if cluster.backend.name == "docker":
        asked = cluster.backend._api.exec_create(
            cluster.backend._slots[member].container, ["env", "-u", "LD_PRELOAD", "sleep", "60"]
        )["Id"]
        cluster.backend._api.exec_start(asked, detach=True)
        yield
        restarted(cluster, member)
        return
    slot = cluster.backend._slots[member]
    command = slot.command
    program = command.index(sys.executable)
    slot.command = (*command[:program], "env", "-u", "LD_PRELOAD", *command[program:])
    restarted(cluster, member)
    try:
        yield
    finally:
        slot.command = command
        restarted(cluster, member)


def restarted(cluster, member):
    cluster.backend.kill(member)
    cluster.backend.restart(member)
    cluster.backend.wait_ready(member, timeout_s=20)


def test_a_member_that_runs_without_the_library_is_not_proven_by_a_clock_in_its_place(cluster, monkeypatch):
    monkeypatch.setattr(clock_skew, "LOADED_S", 0.5)
    fault = cluster.fault("clock-skew", "node-2", duration=1.0, offset=60.0)
    with a_process_without_the_library(cluster, "node-2"):
        fault.inject()
        with pytest.raises(
            NotProven, match=r"^(python|sleep)\S* \(pid \d+\) of node-2 runs without libfaketime"
        ):
            fault.prove()
        fault.heal()


def test_nothing_of_the_library_is_left_in_shared_memory(cluster):
    cluster.backend.kill("node-2")
    cluster.backend.restart("node-2")

    assert [file for file in Path(SHARED_MEMORY).iterdir() if "faketime" in file.name] == []
