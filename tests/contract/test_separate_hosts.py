"""Nodes on hosts of their own, configured by environment alone: each host is a network namespace."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = [pytest.mark.process, pytest.mark.netns, pytest.mark.one_redis]

REDIS_PORT, NODE_PORT = 6400, 5000
HEALS_S = 15.0  # Redis' silence, two seconds alone, and at most four in which clients are moved


@dataclass(kw_only=True)
class HostedNode:
    """A node on a host of its own."""

    name: str
    host: Any
    process: Any
    watcher: Any  # the host of the clients, from which all is looked at

    @property
    def url(self) -> str:
        return f"http://{self.host.address}:{NODE_PORT}"

    def get(self, path: str) -> tuple[int, Any]:
        return tuple(self.watcher.get(self.url + path))  # type: ignore[return-value]

    def messages(self, room: str, query: str) -> list[dict[str, Any]]:
        status, page = self.get(f"/rooms/{room}/messages?{query}")
        assert status == 200, page
        return list(page["messages"])

    def alive_peers(self) -> set[str]:
        status, answer = self.get("/peers")
        return {p["server_id"] for p in answer["peers"] if p["state"] == "alive"} if status == 200 else set()


@dataclass(kw_only=True)
class Cluster:
    """Redis and two nodes, each on its host, and a host for clients."""

    redis_host: Any
    nodes: tuple[HostedNode, HostedNode]
    client_host: Any


@pytest.fixture
def library() -> str:
    """One library is enough here: `test_clients.py` moves both."""
    return "python-socketio"


@pytest.fixture
def cluster(
    hosts: ModuleType, processes: ModuleType, redis_binary: Any, until: Any, tmp_path: Path
) -> Iterator[Cluster]:
    """A cluster whose nodes know nothing of each other but one Redis."""
    with contextlib.ExitStack() as stack:
        redis_host, *node_hosts, client_host = stack.enter_context(
            hosts.network("redis", "node-1", "node-2", "clients")
        )

        def start(host: Any, command: list[Any], name: str, **env: str) -> Any:
            clean = {k: v for k, v in os.environ.items() if not k.startswith("WORDAROUND_")}
            process = processes.Process(host.command(command), clean | env, tmp_path / f"{name}.log")
            stack.callback(process.kill)
            process.start()
            return process

        serve = redis_binary.command(port=REDIS_PORT, data=tmp_path, appendfsync="always")
        start(redis_host, [*serve, "--bind", redis_host.address, "--protected-mode", "no"], "redis")
        nodes = []
        for number, host in enumerate(node_hosts, 1):
            name = f"node-{number}"
            process = start(
                host,
                [sys.executable, "-m", "cluster"],
                name,
                WORDAROUND_SERVER_ID=name,
                WORDAROUND_HOST="0.0.0.0",
                WORDAROUND_PORT=str(NODE_PORT),
                WORDAROUND_PUBLIC_URL=f"http://{host.address}:{NODE_PORT}",
                WORDAROUND_SYNC_URL=f"http://{host.address}:{NODE_PORT}",
                WORDAROUND_REDIS_URL=f"redis://{redis_host.address}:{REDIS_PORT}/0",
            )
            nodes.append(HostedNode(name=name, host=host, process=process, watcher=client_host))
        for node in nodes:
            until(lambda n=node: n.get("/ready")[0] == 200, f"{node.name} is ready")
        yield Cluster(redis_host=redis_host, nodes=(nodes[0], nodes[1]), client_host=client_host)


@pytest.fixture
def chat_from_afar(
    driven: ModuleType, cluster: Cluster, command: Callable[[str], list[str]], library: str, tmp_path: Path
) -> Iterator[Callable[[str], Any]]:
    """Make a chat application that runs on the clients' host."""
    with contextlib.ExitStack() as stack:

        def make(user: str) -> Any:
            there = cluster.client_host.command(command(library))
            made = driven.Chat(there, tmp_path / f"driver-{user}.log", user)
            stack.callback(made.close)
            return made

        yield make


def knows_its_peer(chat: Any, name: str) -> bool:
    infos = chat.payloads("server_info")
    return bool(infos) and {"server_id": name, "state": "alive"} in [
        {"server_id": peer["server_id"], "state": peer["state"]} for peer in infos[-1]["peers"]
    ]


def test_discovery__by_redis_alone__and_messages_cross_hosts(
    cluster: Cluster, chat_from_afar: Any, until: Any, room: str
) -> None:
    one, two = cluster.nodes
    until(lambda: (one.alive_peers(), two.alive_peers()) == ({"node-2"}, {"node-1"}), "each knows the other")
    ann, bob = chat_from_afar("ann").connect(one.url), chat_from_afar("bob").connect(two.url)
    ann.wait_for(lambda: knows_its_peer(ann, "node-2"), "ann knows where else to go")
    assert {"server_id": "node-2", "url": two.url, "state": "alive"} in ann.payloads("server_info")[-1][
        "peers"
    ]
    ann.join(room)
    bob.join(room)
    for chat in (ann, bob):
        chat.post(room, *(f"{chat.user} {n}" for n in range(1, 31)))
    for chat in (ann, bob):
        chat.wait_for(lambda c=chat: c.seqs(room) == list(range(1, 61)), "60 messages")
    assert {message["node"] for message in ann.stay(room).received} == {"node-1", "node-2"}
    assert ann.stay(room).received == bob.stay(room).received


def test_node_killed__its_client_resumes_on_the_other_host(
    cluster: Cluster, chat_from_afar: Any, driven: ModuleType, check_room: Any, room: str
) -> None:
    doomed, survivor = cluster.nodes
    ann, bob = chat_from_afar("ann").connect(doomed.url), chat_from_afar("bob").connect(survivor.url)
    ann.wait_for(lambda: knows_its_peer(ann, "node-2"), "ann knows where else to go")
    ann.join(room)
    bob.join(room)
    with driven.Crowd([ann, bob], room, pause_s=0.02):
        ann.wait_for(lambda: len(ann.seqs(room)) > 50, "50 messages")
        doomed.process.kill()
        ann.wait_for(lambda: len(ann.stay(room).joins) == 2, "ann has joined again")
    assert [connection["url"] for connection in ann.connections] == [doomed.url, survivor.url]
    assert ann.stay(room).joins[1]["recovered"]
    check_room(survivor, room, ann, bob)


def test_node_cut_off_from_redis__alone__moves_its_clients_to_its_peer_and_returns(
    cluster: Cluster, chat_from_afar: Any, driven: ModuleType, check_room: Any, until: Any, room: str
) -> None:
    lonely, healthy = cluster.nodes
    ann, bob = chat_from_afar("ann").connect(lonely.url), chat_from_afar("bob").connect(healthy.url)
    ann.wait_for(lambda: knows_its_peer(ann, "node-2"), "ann knows where else to go")
    ann.join(room)
    bob.join(room)
    with driven.Crowd([ann, bob], room, pause_s=0.05):
        ann.wait_for(lambda: len(ann.seqs(room)) > 20, "20 messages")
        lonely.host.cut_off(cluster.redis_host)
        ann.wait_for(lambda: len(ann.connections) == 2, "ann was moved", HEALS_S)
        ann.wait_for(lambda: len(ann.stay(room).joins) == 2, "ann has joined again")
        assert bob.losses == []
        lonely.host.heal()
        until(lambda: lonely.get("/ready")[0] == 200, "the node is in service again")
        cid = chat_from_afar("cid").connect(lonely.url)
        cid.join(room, {"seq": 0})
    assert [connection["url"] for connection in ann.connections] == [lonely.url, healthy.url]
    assert ann.refused == []
    assert ann.stay(room).joins[1]["recovered"]
    check_room(healthy, room, ann, bob, cid)


def test_redis_cut_off_from_all__clients_stay_where_they_are(
    cluster: Cluster, chat_from_afar: Any, check_room: Any, until: Any, room: str
) -> None:
    ann, bob = (chat_from_afar(u).connect(n.url) for u, n in zip(("ann", "bob"), cluster.nodes, strict=True))
    ann.wait_for(lambda: knows_its_peer(ann, "node-2"), "ann knows where else to go")
    for chat in (ann, bob):
        chat.join(room)
        chat.post(room, "before")
        chat.wait_for(lambda c=chat: c.settled(room), "acknowledged")
    for node in cluster.nodes:
        cluster.redis_host.cut_off(node.host)
    ann.post(room, "meanwhile")
    time.sleep(8)  # Longer than a node waits that is alone with it.
    assert not ann.settled(room)
    cluster.redis_host.heal()
    ann.wait_for(lambda: ann.settled(room), "acknowledged after all")
    until(lambda: all(node.get("/ready")[0] == 200 for node in cluster.nodes), "both are in service again")
    assert (ann.losses, bob.losses) == ([], [])
    check_room(cluster.nodes[1], room, ann, bob)
