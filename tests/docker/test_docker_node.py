"""The product's own image: real nodes in containers take a message at one node and have it at another."""

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.backends.docker import DockerBackend
from harness.backends.images import Images
from harness.records.plan import ClusterPlan

pytestmark = pytest.mark.docker


def read(url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as answer:
        return bytes(answer.read())


def get(url: str) -> Any:
    return json.loads(read(url))


def see_each_other(url: str, others: set[str]) -> None:
    """Wait until a node's heartbeats, which go by the sync URLs, were answered by all others, and lately."""
    deadline = time.monotonic() + 10
    while True:
        peers = get(f"{url}/peers")["peers"]
        heard = [
            p for p in peers if p["state"] == "alive" and p["round_trip_ms"] and p["last_seen_ms"] < 2500
        ]
        if {peer["server_id"] for peer in heard} == others:
            return
        assert time.monotonic() < deadline, f"{url} does not hear all others: {peers}"
        time.sleep(0.1)


@pytest.mark.usefixtures("images")
def test_a_message_sent_to_one_node_is_delivered_by_the_others_and_outlives_its_node(
    make_backend: Callable[..., DockerBackend],
    plan: Callable[[int], ClusterPlan],
    logs: Path,
    run_id: str,
    left_behind: Callable[[str], list[str]],
    say_hello: Callable[[str, str, str], str],
) -> None:
    backend = make_backend()
    _, *nodes = backend.start(plan(3), run_id=run_id, logs=logs)
    one, other, third = (node.url or "" for node in nodes)
    assert get(f"{one}/info")["server_id"] == "node-1"
    for url in (one, other, third):
        see_each_other(url, {node.name for node in nodes} - {get(f"{url}/info")["server_id"]})
    text = say_hello(one, other, f"room.{run_id}")

    assert b"page/js/start.js" in read(f"{one}/")

    backend.kill("node-1")
    served = get(f"{third}/rooms/room.{run_id}/messages?source=tail")["messages"]
    assert [message["text"] for message in served] == [text]

    backend.restart("node-1")
    backend.wait_ready("node-1", timeout_s=30)
    served = get(f"{one}/rooms/room.{run_id}/messages?source=store")["messages"]
    assert [message["text"] for message in served] == [text]
    see_each_other(third, {"node-1", "node-2"})
    backend.close()
    assert left_behind(run_id) == []
    assert all((logs / f"{name}.log").stat().st_size for name in ("redis", "node-1", "node-2", "node-3"))


def test_with_the_images_built_three_nodes_become_ready_in_that_image(
    images: Images,
    make_backend: Callable[..., DockerBackend],
    plan: Callable[[int], ClusterPlan],
    logs: Path,
    run_id: str,
) -> None:
    backend = make_backend()
    members = backend.start(plan(3), run_id=run_id, logs=logs)
    assert backend.versions()["node image"] == images.node
    for node in members[1:]:  # How soon that is, `python -m tests.benchmarks startup` measures.
        assert get(node.ready_url) == {"ready": True}
