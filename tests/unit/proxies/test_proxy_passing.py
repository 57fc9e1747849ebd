"""A link that nothing is wrong with: bytes and ends pass as they would without a proxy."""

import hashlib
import random
import socket
import threading

import pytest

from harness.backends.readiness import LOOPBACK, free_port
from harness.records.plan import CLIENTS
from tests.unit.proxies.bench import can_send, fill, received, reset, silent, until, was_reset

MANY = 8 << 20


def test_bytes_pass_unaltered_both_ways_at_once(link):
    client, server = link.pair()
    data = random.Random(1).randbytes(MANY)
    senders = [threading.Thread(target=sock.sendall, args=(data,)) for sock in (client, server)]
    got: dict[socket.socket, bytes] = {}
    readers = [
        threading.Thread(target=lambda sock=sock: got.update({sock: received(sock, MANY)}))
        for sock in (client, server)
    ]
    for thread in (*senders, *readers):
        thread.start()
    for thread in (*senders, *readers):
        thread.join()
    assert {hashlib.sha256(each).digest() for each in got.values()} == {hashlib.sha256(data).digest()}


def test_who_does_not_read_slows_who_sends_and_nothing_is_kept_without_bound(link):
    client, server = link.pair()
    sent = fill(client)
    assert sent < 16 << 20  # Mostly in the buffers of the two sockets that are not the proxy's.
    assert len(received(server, sent)) == sent


def test_a_half_closed_connection_still_answers(link):
    client, server = link.pair()
    client.sendall(b"the question")
    client.shutdown(socket.SHUT_WR)
    assert received(server, 100) == b"the question"
    assert silent(client)
    server.sendall(b"the answer")
    assert client.recv(100) == b"the answer"
    server.close()
    assert client.recv(100) == b""


@pytest.mark.parametrize("which", ["client", "server"])
def test_a_reset_is_passed_on_as_a_reset(link, which):
    ends = dict(zip(("client", "server"), link.pair(), strict=True))
    ender = ends.pop(which)
    [other] = ends.values()
    reset(ender)
    assert was_reset(other)


@pytest.mark.parametrize("which", ["client", "server"])
def test_who_writes_to_somebody_who_has_closed_is_reset(link, which):
    ends = dict(zip(("client", "server"), link.pair(), strict=True))
    ends.pop(which).close()
    [other] = ends.values()
    assert other.recv(1) == b""
    until(lambda: not can_send(other), "who writes to somebody who is gone is reset")


def test_a_reset_reaches_also_who_does_not_read(link):
    client, server = link.pair()
    fill(server)
    reset(server)
    until(lambda: not can_send(client), "a client that reads nothing is reset all the same")


def test_a_target_that_is_down_refuses_and_comes_back_without_being_told(link):
    client, _ = link.pair()
    link.server.down()
    assert client.recv(1) == b""
    assert link.turns_away()  # Only by this the proxy learns of it: accepted, then reset.
    until(lambda: not link.is_open(), "the listener of a target that is down is closed")
    with pytest.raises(ConnectionRefusedError):
        link.dial()
    link.server.up()
    until(link.is_open, "the listener of a target that is up again is open")
    reset(link.server.accept())  # The proxy's own look.
    link.pair()


def test_nobody_can_connect_before_the_target_listens(proxies):
    port, to_port = free_port(), free_port()
    proxies.ask("listen", port=port, to_port=to_port, target="node-1", callers=(CLIENTS,))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, port), timeout=5)


def test_the_end_of_the_control_connection_is_the_end_of_all(proxies):
    link = proxies.link()
    client, server = link.pair()
    proxies.hang_up()
    proxies._switchboard.close()  # What `main` does next.
    assert was_reset(client)
    assert was_reset(server)
    assert not link.is_open()


def test_what_cannot_be_done_is_answered_with_the_reason(proxies):
    with pytest.raises(AssertionError, match="no command 'sing'"):
        proxies.ask("sing")
    with pytest.raises(AssertionError, match="evidence: KeyError: '99'"):
        proxies.ask("evidence", handle="99")
