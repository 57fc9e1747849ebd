"""delay and rate: bytes come later, in their order, and no more of them than may."""

import random
import time

import pytest

from harness.clock import NS, now_ns
from harness.records.plan import CLIENTS
from tests.unit.proxies.bench import can_send, fill, received, reset, silent, until, was_reset

DELAY_S = 0.15


def elapsed(began_ns: int) -> float:
    return (now_ns() - began_ns) / NS


@pytest.mark.parametrize(("direction", "ways"), [("both", 2), ("to", 1), ("from", 1)])
def test_an_exchange_takes_the_delay_of_each_way_that_it_goes(proxies, link, direction, ways):
    client, server = link.pair()
    delay = proxies.impair("delay", delay_s=DELAY_S, direction=direction)
    began = now_ns()
    client.sendall(b"question")
    assert received(server, 8) == b"question"
    there = elapsed(began)
    server.sendall(b"answer")
    assert received(client, 6) == b"answer"
    assert DELAY_S * ways <= elapsed(began) < DELAY_S * ways + 1
    assert (there >= DELAY_S) == (direction != "to")
    assert proxies.evidence(delay) == {
        "bytes_delayed": {"both": 14, "to": len("answer"), "from": len("question")}[direction]
    }
    proxies.restore(delay)
    began = now_ns()
    client.sendall(b"question")
    assert received(server, 8) == b"question"
    assert elapsed(began) < DELAY_S


def test_many_bytes_are_delayed_together_not_one_after_the_other(proxies, link):
    client, server = link.pair()
    proxies.impair("delay", delay_s=DELAY_S)
    began = now_ns()
    for _ in range(20):
        client.sendall(bytes(1000))
        time.sleep(0.002)  # so that they come as twenty
    assert len(received(server, 20_000)) == 20_000
    assert elapsed(began) < DELAY_S * 5


def test_order_is_kept_whatever_the_jitter(proxies, link):
    client, server = link.pair()
    proxies.impair("delay", delay_s=0.02, jitter_s=0.02)
    data = random.Random(3).randbytes(2000)
    for at in range(0, len(data), 20):
        client.sendall(data[at : at + 20])
        time.sleep(0.001)  # so that they come as a hundred
    assert received(server, len(data)) == data


def test_a_new_connection_waits_for_its_handshake_as_well(proxies, link):
    proxies.impair("delay", delay_s=DELAY_S)
    began = now_ns()
    client = link.dial()
    client.sendall(b"question")
    assert received(link.server.accept(), 8) == b"question"
    assert elapsed(began) >= 3 * DELAY_S


def test_an_end_comes_as_late_as_bytes_do_and_after_them(proxies, link):
    client, server = link.pair()
    proxies.impair("delay", delay_s=DELAY_S)
    began = now_ns()
    client.sendall(b"goodbye")
    client.close()
    assert received(server, 100) == b"goodbye"
    assert elapsed(began) >= DELAY_S


def test_a_reset_comes_as_late_as_bytes_do(proxies, link):
    client, server = link.pair()
    proxies.impair("delay", delay_s=DELAY_S)
    began = now_ns()
    reset(client)
    assert was_reset(server)
    assert elapsed(began) >= DELAY_S


def test_a_late_reset_reaches_also_who_does_not_read(proxies, link):
    client, server = link.pair()
    fill(server)
    proxies.impair("delay", delay_s=DELAY_S)
    reset(server)
    until(lambda: not can_send(client), "a client that reads nothing is reset all the same")


def test_a_reset_does_not_overtake_what_was_said_before(proxies, link):
    pairs = [link.pair() for _ in range(20)]
    proxies.impair("delay", delay_s=0.1, jitter_s=0.1)
    for client, _ in pairs:
        client.sendall(b"last words")
    time.sleep(0.02)  # so that they are on their way
    for client, _ in pairs:
        reset(client)
    for _, server in pairs:
        assert received(server, 10) == b"last words"
        assert was_reset(server)


def test_what_waits_goes_on_when_the_delay_ends(proxies, link):
    client, server = link.pair()
    delay = proxies.impair("delay", delay_s=60)
    client.sendall(b"hello")
    assert silent(server)
    proxies.restore(delay)
    assert received(server, 5) == b"hello"


def test_two_delays_add_up(proxies, link):
    client, server = link.pair()
    for _ in range(2):
        proxies.impair("delay", delay_s=DELAY_S)
    began = now_ns()
    client.sendall(b"hello")
    assert received(server, 5) == b"hello"
    assert elapsed(began) >= 2 * DELAY_S


def test_no_more_passes_than_the_rate_and_not_much_less(proxies, link):
    client, server = link.pair()
    rate = proxies.impair("rate", bytes_per_s=100_000)
    began = now_ns()
    client.sendall(bytes(50_000))
    assert len(received(server, 50_000)) == 50_000
    assert 0.49 <= elapsed(began) < 1.5
    assert proxies.evidence(rate) == {"bytes_slowed": 50_000}


def test_the_connections_of_a_link_share_its_rate(proxies, link):
    pairs = [link.pair() for _ in range(4)]
    proxies.impair("rate", bytes_per_s=100_000)
    began = now_ns()
    for client, _ in pairs:
        client.sendall(bytes(10_000))
    for _, server in pairs:
        assert len(received(server, 10_000)) == 10_000
    assert elapsed(began) >= 0.39


def test_each_link_has_the_rate_to_itself(proxies):
    link = proxies.link("node-1", callers=("node-2", "node-3"))
    pairs = [link.pair(as_member=name) for name in ("node-2", "node-3")]
    proxies.impair("rate", peers=("node-2", "node-3"), bytes_per_s=50_000)
    began = now_ns()
    for client, _ in pairs:
        client.sendall(bytes(20_000))
    for _, server in pairs:
        assert len(received(server, 20_000)) == 20_000
    assert 0.39 <= elapsed(began) < 0.75


def test_a_slow_link_slows_who_sends(proxies, link):
    client, _ = link.pair()
    proxies.impair("rate", bytes_per_s=1000)
    client.settimeout(0.3)
    sent = 0
    began = now_ns()
    while elapsed(began) < 2 and sent < 64 << 20:
        try:
            sent += client.send(bytes(65536))
        except TimeoutError:
            break
    assert sent < 16 << 20


def test_what_waits_goes_on_when_the_rate_ends(proxies, link):
    client, server = link.pair()
    rate = proxies.impair("rate", bytes_per_s=10)
    client.sendall(bytes(20_000))
    assert silent(server)
    proxies.restore(rate)
    assert len(received(server, 20_000)) == 20_000


def test_evidence_stays_when_the_impairment_is_over(proxies, link):
    client, server = link.pair()
    delay = proxies.impair("delay", delay_s=0.01, peers=(CLIENTS,))
    client.sendall(b"hello")
    assert received(server, 5) == b"hello"
    proxies.restore(delay)
    client.sendall(b"hello")
    assert received(server, 5) == b"hello"
    until(lambda: proxies.evidence(delay) == {"bytes_delayed": 5}, "what it had done is kept")
