"""drop: bytes and ends stall, in silence, as behind a firewall that drops; then they go on."""

import socket

import pytest

from tests.unit.proxies.bench import fill, received, reset, silent, until, was_reset


def test_bytes_stall_without_an_end_and_go_on_in_order(proxies, link):
    client, server = link.pair()
    drop = proxies.impair("drop")
    for word in (b"one ", b"two ", b"three"):
        client.sendall(word)
    server.sendall(b"and back")
    assert silent(server)
    assert silent(client)
    assert proxies.evidence(drop) == {
        "connections_stalled": 1,
        "new_connections_stalled": 0,
        "bytes_stalled": len("one two three") + len("and back"),
    }
    proxies.restore(drop)
    assert received(server, 13) == b"one two three"
    assert received(client, 8) == b"and back"


@pytest.mark.parametrize("how", ["closes", "resets"])
def test_nobody_hears_of_an_end_while_the_link_is_cut(proxies, link, how):
    client, server = link.pair()
    drop = proxies.impair("drop")
    reset(server) if how == "resets" else server.close()
    assert silent(client)
    client.sendall(b"are you there?")
    assert silent(client)
    proxies.restore(drop)
    assert was_reset(client) if how == "resets" else client.recv(1) == b""


def test_who_connects_meanwhile_hears_nothing_and_then_is_served(proxies, link):
    drop = proxies.impair("drop")
    client = link.dial()
    client.sendall(b"hello")
    assert link.server.nobody_comes()
    assert silent(client)
    assert proxies.evidence(drop)["new_connections_stalled"] == 1
    proxies.restore(drop)
    server = link.server.accept()
    assert received(server, 5) == b"hello"


def test_who_gave_up_meanwhile_never_came(proxies, link):
    drop = proxies.impair("drop")
    with link.dial() as client:
        client.sendall(b"a request that must not reach anybody any more")
    reset(link.dial())
    proxies.restore(drop)
    assert link.server.nobody_comes()
    link.pair()


def test_those_who_give_up_do_not_pile_up(proxies, link):
    drop = proxies.impair("drop")
    for _ in range(100):
        link.dial().close()
    assert proxies.evidence(drop)["new_connections_stalled"] <= 33


def test_a_target_that_died_does_not_refuse_over_a_link_that_is_cut(proxies, link):
    client, _ = link.pair()
    drop = proxies.impair("drop")
    link.server.down()
    assert silent(client)
    late = link.dial()
    assert silent(late)
    proxies.restore(drop)
    assert client.recv(1) == b""
    assert was_reset(late)
    until(lambda: not link.is_open(), "the listener is closed as soon as a refusal can be heard")


def test_a_target_that_was_down_before_does_not_refuse_over_a_link_that_is_cut(proxies, link):
    link.server.down()
    assert link.turns_away()
    until(lambda: not link.is_open(), "the listener is closed")
    drop = proxies.impair("drop")
    until(link.is_open, "the listener is open, since nobody can hear a refusal")
    assert silent(link.dial())
    proxies.restore(drop)
    until(lambda: not link.is_open(), "the listener is closed again")


@pytest.mark.parametrize(("direction", "stalls"), [("from", "client"), ("to", "server")])
def test_one_direction_is_cut_and_the_other_passes(proxies, link, direction, stalls):
    """Seen from the target, node-1: what it gets `from` clients is what the client says."""
    client, server = link.pair()
    drop = proxies.impair("drop", direction=direction)
    says, hears = (client, server) if stalls == "client" else (server, client)
    says.sendall(b"not now")
    hears.sendall(b"passes")
    assert received(says, 6) == b"passes"
    assert silent(hears)
    assert proxies.evidence(drop)["bytes_stalled"] == 7
    proxies.restore(drop)
    assert received(hears, 7) == b"not now"


def test_without_acknowledgements_the_other_direction_stalls_after_a_while(proxies, link):
    client, server = link.pair()
    drop = proxies.impair("drop", direction="from")
    server.sendall(bytes(300_000))
    assert len(received(client, 64 * 1024)) == 64 * 1024
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        received(client, 150_000)
    proxies.restore(drop)
    client.settimeout(5)
    assert len(received(client, 300_000 - 64 * 1024 - 150_000)) > 0


@pytest.mark.parametrize("direction", ["to", "from"])
def test_no_connection_can_be_made_while_one_direction_is_cut(proxies, link, direction):
    drop = proxies.impair("drop", direction=direction)
    client = link.dial()
    client.sendall(b"hello")
    assert link.server.nobody_comes()
    proxies.restore(drop)
    assert received(link.server.accept(), 5) == b"hello"


def test_a_cut_holds_until_the_last_of_two_is_ended(proxies, link):
    client, server = link.pair()
    one, other = proxies.impair("drop"), proxies.impair("drop")
    client.sendall(b"hello")
    proxies.restore(one)
    proxies.restore(one)
    assert silent(server)
    proxies.restore(other)
    assert received(server, 5) == b"hello"


def test_who_sends_over_a_link_that_is_cut_is_stopped_by_a_full_buffer_not_by_an_error(proxies, link):
    client, server = link.pair()
    drop = proxies.impair("drop")
    sent = fill(client)
    proxies.restore(drop)
    client.shutdown(socket.SHUT_WR)
    assert len(received(server, sent + 1)) == sent
    assert sent < 16 << 20
