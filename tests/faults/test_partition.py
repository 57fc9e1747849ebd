"""partition: nobody answers over the links that are cut, the others serve; healed, all do."""

import pytest

from harness.backends.abilities import Impairment
from harness.faults.base import NotProven
from harness.records.plan import CLIENTS
from tests.faults.links import ALL, LINKS, answering, of

FAULT = "partition"
NODE_1 = {ends for ends in LINKS if "node-1" in ends}


@pytest.mark.parametrize("behavior", ["drop", "reject"])
@pytest.mark.parametrize("direction", ["both", "to", "from"])
def test_a_member_that_is_cut_off_reaches_nobody_until_it_is_healed(cluster, behavior, direction):
    assert answering(cluster.backend) == set(LINKS)
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=ALL, behavior=behavior, direction=direction)

    fault.undo()
    fault.inject()
    proof = fault.prove()

    assert answering(cluster.backend, timeout_s=0.5) == set(LINKS) - NODE_1
    assert proof["during"].count("no answer") == 3

    fault.heal()
    assert answering(cluster.backend) == set(LINKS)


@pytest.mark.parametrize("peer", [CLIENTS, "redis", "node-2"])
def test_only_the_named_side_is_cut_off(cluster, peer):
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=(peer,))
    fault.inject()
    fault.prove()
    assert answering(cluster.backend, timeout_s=0.5) == set(LINKS) - of("node-1", peer)
    fault.heal()
    assert answering(cluster.backend) == set(LINKS)


def test_groups_reach_their_own_list_and_clients_alone(cluster):
    fault = cluster.fault(FAULT, "node-1", duration=3.0, groups=("node-1", "node-2 redis"))
    fault.inject()
    fault.prove()
    cut = of("node-1", "node-2") | of("node-1", "redis")
    assert answering(cluster.backend, timeout_s=0.5) == set(LINKS) - cut
    fault.heal()
    assert answering(cluster.backend) == set(LINKS)


def test_redis_is_cut_off_from_all_nodes(cluster):
    fault = cluster.fault(FAULT, "redis", duration=3.0, peers=ALL)
    fault.inject()
    fault.prove()
    assert answering(cluster.backend, timeout_s=0.5) == of("node-1", "node-2", CLIENTS)
    fault.heal()
    assert answering(cluster.backend) == set(LINKS)


def test_a_cut_that_somebody_ended_is_not_proven(cluster, monkeypatch):
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=("redis",))
    fault.inject()
    cluster.backend.links.restore(fault._handles["node-1"])
    with pytest.raises(NotProven, match=r"cut off, but there are answers: node-1–redis: [0-9.]+ ms"):
        fault.prove()
    fault.heal()


def test_a_link_that_stays_cut_is_not_healed(cluster, monkeypatch):
    monkeypatch.setattr("harness.faults.link_fault.HEALED_S", 0.5)
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=("redis",))
    fault.inject()
    other = cluster.backend.links.impair(Impairment(member="node-1", peers=("redis",), effect="drop"))
    with pytest.raises(NotProven, match=r"0.5 s after the heal not as before: node-1–redis: no answer"):
        fault.heal()
    cluster.backend.links.restore(other)
    fault.heal()


def test_who_is_down_is_not_waited_for(cluster):
    fault = cluster.fault(FAULT, "node-1", duration=3.0, peers=ALL)
    fault.inject()
    fault.prove()
    cluster.backend.kill("node-2")
    assert "node-1–node-2: no answer" in fault.heal()["after"]
    cluster.backend.restart("node-2")
