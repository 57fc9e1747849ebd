"""reject and reset: connections end with a RST."""

import pytest

from harness.records.plan import CLIENTS
from tests.unit.proxies.bench import received, silent, until, was_reset

NODES = ("node-2", "node-3")


def test_what_is_established_is_reset_and_who_comes_is_refused(proxies, link):
    client, server = link.pair()
    reject = proxies.impair("reject")
    assert was_reset(client)
    assert was_reset(server)
    with pytest.raises(ConnectionRefusedError):
        link.dial()
    assert proxies.evidence(reject) == {
        "connections_reset": 1,
        "connections_refused": 0,
        "listeners_closed": 1,
    }
    proxies.restore(reject)
    until(link.is_open, "the listener is open again")
    link.pair()


@pytest.mark.parametrize("direction", ["to", "from"])
def test_a_refusal_in_one_direction_ends_connections_as_well(proxies, link, direction):
    client, server = link.pair()
    proxies.impair("reject", direction=direction)
    assert was_reset(client)
    assert was_reset(server)


def test_one_caller_of_several_is_refused_and_the_others_are_not(proxies):
    link = proxies.link("node-1", callers=NODES)
    two, two_there = link.pair(as_member="node-2")
    three, three_there = link.pair(as_member="node-3")
    reject = proxies.impair("reject", peers=("node-2",))
    assert was_reset(two)
    assert was_reset(two_there)
    three.sendall(b"still here")
    assert received(three_there, 10) == b"still here"
    assert link.turns_away(as_member="node-2")
    link.pair(as_member="node-3")
    assert proxies.evidence(reject) == {
        "connections_reset": 1,
        "connections_refused": 1,
        "listeners_closed": 0,
    }


def test_when_all_callers_are_refused_the_kernel_does_it(proxies):
    link = proxies.link("node-1", callers=NODES)
    first, second = proxies.impair("reject", peers=("node-2",)), proxies.impair("reject", peers=("node-3",))
    with pytest.raises(ConnectionRefusedError):
        link.dial(as_member="node-2")
    proxies.restore(first)
    until(link.is_open, "the listener is open for node-2")
    link.pair(as_member="node-2")
    assert link.turns_away(as_member="node-3")
    proxies.restore(second)
    link.pair(as_member="node-3")


def test_who_is_down_is_not_counted_among_those_that_a_rejection_closed(proxies):
    one, two = proxies.link("node-1"), proxies.link("node-2")
    two.server.down()
    assert two.turns_away()  # The first who tries shows that nobody is there.
    until(lambda: not two.is_open(), "the listener of who is down is closed")
    reject = proxies.impair("reject", member="node-1")
    with pytest.raises(ConnectionRefusedError):
        one.dial()
    assert proxies.evidence(reject)["listeners_closed"] == 1


def test_the_impairment_of_a_member_is_about_its_own_links_only(proxies):
    one, two = proxies.link("node-1"), proxies.link("node-2")
    proxies.impair("reject", member="node-1")
    client, server = two.pair()
    client.sendall(b"hello")
    assert received(server, 5) == b"hello"
    with pytest.raises(ConnectionRefusedError):
        one.dial()


def test_nobody_hears_a_refusal_over_a_link_that_is_cut(proxies, link):
    client, _ = link.pair()
    drop, reject = proxies.impair("drop"), proxies.impair("reject")
    assert silent(client)
    assert silent(link.dial())
    proxies.restore(drop)
    assert was_reset(client)
    proxies.restore(reject)


def test_reset_cuts_what_is_between_two_and_counts_it(proxies):
    link = proxies.link("node-1", callers=NODES)
    pairs = [link.pair(as_member="node-2"), link.pair(as_member="node-2")]
    others = link.pair(as_member="node-3")
    assert proxies.ask("reset", member="node-1", peers=("node-2",)) == 2
    assert all(was_reset(sock) for pair in pairs for sock in pair)
    others[0].sendall(b"still here")
    assert received(others[1], 10) == b"still here"
    link.pair(as_member="node-2")
    assert proxies.ask("reset", member="node-2", peers=("node-1",)) == 1
    assert proxies.ask("reset", member="node-1", peers=(CLIENTS,)) == 0
