"""Where a bot goes when it is cut off."""

import random

from hypothesis import given
from hypothesis import strategies as st

from harness.bots.failover import Failover
from harness.bots.wire import Peer
from harness.records.bots import NodeAddress

NODES = tuple(NodeAddress(name=f"node-{i}", url=f"http://127.0.0.1:{5000 + i}") for i in (1, 2, 3))


def failover(seed: int = 1) -> Failover:
    return Failover(NODES, "node-2", random.Random(seed))


def rounds(ways: Failover, count: int) -> list[str]:
    return [ways.next()[0].name for _ in range(count)]


def test_first_comes_the_planned_node_at_once() -> None:
    node, pause = failover().next()
    assert (node.name, pause) == ("node-2", 0.0)


def test_cut_off_bots_do_not_all_come_at_once() -> None:
    pauses = []
    for seed in range(200):
        ways = failover(seed)
        ways.next()
        ways.settled()
        pauses.append(ways.next()[1])
    assert all(0.05 <= pause <= 0.35 for pause in pauses)
    assert max(pauses) - min(pauses) > 0.25


def test_cut_off_bot_goes_elsewhere_and_back_last() -> None:
    ways = failover()
    ways.next()
    ways.settled()
    node, _ = ways.next()
    names = [node.name, *rounds(ways, 2)]
    assert set(names[:2]) == {"node-1", "node-3"}
    assert names[2] == "node-2"


def test_nodes_that_are_not_alive_come_after_the_others() -> None:
    for seed in range(20):
        ways = failover(seed)
        ways.next()
        ways.learn([Peer(name="node-1", url="http://elsewhere", state="suspect")])
        ways.settled()
        assert rounds(ways, 3) == ["node-3", "node-1", "node-2"]


def test_only_the_plans_addresses_are_used_whatever_nodes_tell() -> None:
    ways = failover()
    ways.learn(
        [Peer(name="node-1", url="http://x", state="alive"), Peer(name="new", url="http://y", state="alive")]
    )
    assert {node.url for node, _ in (ways.next() for _ in range(8))} == {node.url for node in NODES}


def test_a_node_is_known_by_the_name_that_its_peers_have_for_it() -> None:
    called = tuple(NodeAddress(name=n.name, url=n.url, called=f"chat-{n.name[-1]}") for n in NODES)
    for seed in range(20):
        ways = Failover(called, "node-2", random.Random(seed))
        ways.next()
        ways.learn([Peer(name="node-3", url="", state="dead"), Peer(name="chat-1", url="", state="dead")])
        ways.settled()
        assert rounds(ways, 3) == ["node-3", "node-1", "node-2"]


@given(st.integers(0, 1000))
def test_pauses_are_jittered_and_bounded(seed: int) -> None:
    ways = failover(seed)
    pauses = [ways.next()[1] for _ in range(30)]
    assert pauses[0] == 0.0
    assert 0.02 <= pauses[1] <= 0.2
    assert all(0.02 <= pause <= 1.0 for pause in pauses[1:])
    assert max(pauses[20:]) == 1.0


@given(st.integers(0, 1000))
def test_every_node_is_tried_in_every_round(seed: int) -> None:
    ways = failover(seed)
    ways.next()
    ways.settled()
    names = rounds(ways, 9)
    for start in (0, 3, 6):
        assert set(names[start : start + 3]) == {"node-1", "node-2", "node-3"}


def test_equal_seeds_go_equal_ways() -> None:
    one, two = failover(5), failover(5)
    assert [one.next() for _ in range(10)] == [two.next() for _ in range(10)]
