"""Metrics: what happens on a node can be read off it, under documented names."""

import contextlib
import re
import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest

# One Redis: how it keeps what it is given makes no difference here.
pytestmark = [pytest.mark.process, pytest.mark.one_redis]

DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"


def scrape(node: Any) -> dict[str, float]:
    """Return every sample by its name and labels, as Prometheus writes them."""
    with urllib.request.urlopen(f"{node.url}/metrics", timeout=5) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = answer.read().decode().splitlines()
    samples = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name.removeprefix("wordaround_"): float(value) for name, _, value in samples}


class Moves:
    """By how much samples have moved since the last look."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._before = scrape(node)

    def __call__(self) -> dict[str, float]:
        before, self._before = self._before, scrape(self._node)
        return {n: v - before.get(n, 0) for n, v in self._before.items() if v != before.get(n, 0)}


@pytest.fixture
def node(own_world: Any) -> Any:
    """A node that nobody else uses."""
    return own_world.node("counted")


def test_names__of_a_running_node__all_documented(node: Any) -> None:
    names = {re.sub(r"\{.*|_(bucket|sum|count)$", "", name) for name in scrape(node)}
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    text = DOCUMENT.read_text()
    assert {n for n in names if f"`wordaround_{n}`" not in text and f"`{n}`" not in text} == set()
    assert len(names) > 40


def test_names__some_are_asked_for__only_these_come(node: Any) -> None:
    path = "/metrics?name[]=wordaround_tail_lag&name[]=wordaround_connections"
    with urllib.request.urlopen(f"{node.url}{path}", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    assert {line.split()[0] for line in lines if not line.startswith("#")} == {
        "wordaround_tail_lag",
        "wordaround_connections",
    }


def test_messages__sent_joined_and_left__each_figure_moves_by_what_happened(
    own_world: Any, node: Any, until: Any
) -> None:
    moves = Moves(node)
    ann, bob = own_world.client(node, "ann"), own_world.client(node, "bob")
    ann.join("r")
    bob.join("r", {"seq": 0})
    for n in (1, 2, 2, 4):
        ann.send("r", f"{n}", producer="p", n=n)
    ann.call("leave", {"room": "r"})
    ann.close()
    until(lambda: scrape(node)["connections"] == 1, "ann is gone")
    bob.wait_for(lambda: len(bob.live("r")) == 2, "both messages")
    until(lambda: scrape(node)["user_lists_total"] >= 1, "a user list")
    moved = moves()
    expected = {
        "connections": 1, "memberships": 1, "rooms": 1, "connects_total": 2,
        'joins_total{outcome="snapshot"}': 1, 'joins_total{outcome="recovered"}': 1, "leaves_total": 1,
        'sends_total{outcome="acked"}': 2, 'sends_total{outcome="duplicate"}': 1,
        'sends_total{outcome="out_of_order"}': 1, 'refusals_total{code="out_of_order"}': 1,
        "commit_messages_total": 4, "commit_seconds_count": 4, "commit_batch_size_sum": 4,
        "tailed_messages_total": 2, "deliveries_total": 4,
    }  # fmt: skip
    assert {name: moved.get(name, 0) for name in expected} == expected
    assert sum(n for name, n in moved.items() if name.startswith("disconnects_total{")) == 1
    assert moved["commit_batches_total"] == moved["commit_batch_size_count"]
    assert moved["commit_seconds_sum"] > 0
    assert moved["written_bytes_total"] > 1000
    assert 0 < moved["writes_total"] < 100
    assert sum(n for name, n in moved.items() if name.startswith("tail_position{")) >= 2


def test_malformed__of_each_kind__counted_by_it(own_world: Any, node: Any, raw: Any) -> None:
    ann = own_world.client(node)
    moves = Moves(node)
    ann.call("join", {"room": 7})
    ann.call("no_such_event", {})
    ann.io.eio.send("42[[]]")
    ann.call("leave", {"room": "a b"})
    with socket.create_connection(("127.0.0.1", node.port), timeout=5) as sock:
        sock.sendall(b"GET / HTTP/x\r\n\r\n")
        assert b" 400 " in sock.recv(4096)
    for data in (
        raw.frame(raw.TEXT, b"no engine"),
        raw.frame(raw.BINARY, b"x"),
        raw.frame(raw.PING, b"x" * 126),
    ):
        with contextlib.closing(raw.RawClient(node.port, user=None)) as client:
            client.send(data + raw.frame(raw.PING, b"seen"))
            client.wait(lambda client=client: client.closed or client.pongs, "its end, or an answer")
    moved = moves()
    for kind in ("payload", "event", "packet", "http", "engine", "binary", "websocket"):
        assert moved[f'malformed_total{{kind="{kind}"}}'] == 1
    assert moved['refusals_total{code="bad_request"}'] == 3, "the packet asked for no answer, but had one"
    assert moved['refusals_total{code="room_invalid"}'] == 1


def test_redis__away_and_back__state_lag_and_outage_are_told(own_world: Any, node: Any, until: Any) -> None:
    assert node.get("/health")[1]["tail_lag"]["entries"] == 0
    moves = Moves(node)
    own_world.redis.process.kill()
    until(lambda: scrape(node)["redis_up"] == 0, "Redis is known to be away")
    until(lambda: scrape(node)["redis_connect_failures_total"] >= 1, "a vain attempt to connect")
    status, health = node.get("/health")
    assert (status, health["redis"]["up"]) == (200, False)
    until(lambda: scrape(node)["tail_silent_seconds"] > 1, "the tail has been silent")
    own_world.redis.start()
    node.wait_ready()
    until(lambda: scrape(node)["redis_up"] == 1, "Redis is known to be back")
    moved = moves()
    assert moved["redis_outages_total"] == 1
    assert moved["redis_connects_total"] >= 1


def test_process__of_its_own__cpu_memory_and_gc(node: Any) -> None:
    samples = scrape(node)
    assert samples["process_cpu_seconds_total"] > 0
    assert samples["process_resident_memory_bytes"] > 10_000_000
    assert samples['python_gc_collections_total{generation="0"}'] > 0
    assert samples["loop_watchers"] > 0
