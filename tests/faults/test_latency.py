"""latency: an exchange takes the delay of each way that it goes, and no longer does when it is healed."""

import pytest

from harness.backends.abilities import Impairment
from harness.clock import NS, now_ns
from harness.faults.base import NotProven
from harness.records.plan import CLIENTS
from tests.faults.links import ALL, LINKS, trips

FAULT = "latency"
DELAY_S = 0.4  # far above what a busy machine adds
NODE_1 = tuple(ends for ends in LINKS if "node-1" in ends)


def quick(cluster, links=LINKS):
    times = trips(cluster.backend)
    return all(times[ends] is not None and times[ends] < DELAY_S for ends in links)


def no_later(cluster, ways):
    """Of containers, the engine accepts what clients connect: their exchange includes connecting further."""
    times = {ends: trip or 9.0 for ends, trip in trips(cluster.backend).items()}
    return all(times[ends] < DELAY_S * (ways * (2 if CLIENTS in ends else 1) + 1) for ends in NODE_1)


@pytest.mark.parametrize(("direction", "ways"), [("both", 2), ("to", 1), ("from", 1)])
def test_answers_come_late_in_the_direction_of_the_fault_until_it_is_healed(cluster, direction, ways):
    cluster.until(lambda: quick(cluster), "before, answers come at once", timeout_s=60.0)
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=ALL, direction=direction, delay=DELAY_S)

    fault.undo()
    fault.inject()
    fault.prove()

    late = trips(cluster.backend)
    assert all(late[ends] >= DELAY_S * ways * 0.95 for ends in NODE_1)
    cluster.until(lambda: no_later(cluster, ways), "no more than one delay a way", timeout_s=60.0)
    cluster.until(
        lambda: quick(cluster, set(LINKS) - set(NODE_1)), "the links of others are not slowed", timeout_s=60.0
    )

    fault.heal()
    cluster.until(lambda: quick(cluster), "afterwards, answers come at once", timeout_s=60.0)


def test_with_jitter_no_answer_comes_before_the_least_of_it(cluster):
    fault = cluster.fault(FAULT, "node-2", duration=3.0, peers=("redis",), delay=0.2, jitter=0.1)
    fault.inject()
    fault.prove()
    times = [cluster.backend.links.round_trip("node-2", "redis", timeout_s=5.0) for _ in range(4)]
    assert all(took_s >= 0.2 * 0.95 for took_s in times)
    assert len({round(took_s, 3) for took_s in times}) > 1
    fault.heal()


def test_two_at_once_add_up_and_each_heals_its_own(cluster):
    first, second = (
        cluster.fault(FAULT, "node-1", duration=3.0, peers=("redis",), delay=0.2) for _ in range(2)
    )
    for fault in (first, second):
        fault.inject()
        fault.prove()
    assert cluster.backend.links.round_trip("node-1", "redis", timeout_s=5.0) >= 4 * 0.2 * 0.95
    first.heal()
    assert cluster.backend.links.round_trip("node-1", "redis", timeout_s=5.0) >= 2 * 0.2 * 0.95
    second.heal()
    cluster.until(lambda: quick(cluster), "afterwards, answers come at once", timeout_s=60.0)


def test_on_a_link_that_is_cut_meanwhile_it_ends_in_time(cluster, monkeypatch):
    links, ended = cluster.backend.links, []
    monkeypatch.setattr("harness.faults.link_fault.ANSWER_S", 0.5)
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=("redis",), delay=0.2)
    fault.inject()
    fault.prove()
    cut = links.impair(Impairment(member="redis", peers=("node-1",), effect="drop"))
    restore = links.restore
    monkeypatch.setattr(links, "restore", lambda handle: (restore(handle), ended.append(now_ns())))

    began = now_ns()
    healed = fault.heal()

    assert (ended[0] - began) / NS < 2.0  # Waiting for an answer that cannot come would take longer.
    assert healed["after"] == "node-1–redis: no answer"
    assert "counts alone, since drop of another fault holds" in healed["seen by"]
    assert list(links.in_force()) == [cut]
    links.restore(cut)
    assert not links.in_force()
    cluster.until(lambda: quick(cluster), "afterwards, answers come at once", timeout_s=60.0)


def test_a_delay_that_somebody_ended_is_not_proven(cluster):
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=("redis",), delay=5.0)
    fault.inject()
    cluster.backend.links.restore(fault._handles["node-1"])
    with pytest.raises(NotProven, match=r"wanted answers after 9.5 s or more"):
        fault.prove()
    fault._handles.clear()


def test_what_stays_in_force_is_not_healed(cluster, monkeypatch):
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=("redis",), delay=DELAY_S)
    fault.inject()
    with monkeypatch.context() as broken:
        broken.setattr("harness.faults.link_fault.HEALED_S", 1.0)
        broken.setattr(cluster.backend.links, "restore", lambda handle: None)
        with pytest.raises(NotProven, match="1 s after the heal not as before: node-1–redis"):
            fault.heal()
    fault.heal()
