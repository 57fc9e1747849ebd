"""A node that is told to stop: its clients move, nothing acknowledged is lost, and it always ends in time."""

import contextlib
import itertools
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
import socketio
import socketio.exceptions

# One Redis: how it keeps what it is given makes no difference here.
pytestmark = [pytest.mark.process, pytest.mark.one_redis]
STOPPED_WITHIN_S = 10.0


def stop(node: Any) -> float:
    """Send SIGTERM, see exit code 0; return the seconds that it took."""
    began = time.monotonic()
    node.process.signal(signal.SIGTERM)
    assert node.process.wait() == 0
    return time.monotonic() - began


@dataclass
class Mover:
    """A client that sends all the time, and moves to the next node when it is sent away."""

    world: Any
    nodes: list[Any]
    user: str
    room: str
    received: list[int] = field(default_factory=list)
    acked: dict[int, int] = field(default_factory=dict)  # n -> seq
    refused: list[str] = field(default_factory=list)
    lost: int = 0  # sends whose connection ended before their answer
    moves: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def start(self, start_at: int) -> threading.Thread:
        self._turn = itertools.cycle(self.nodes[start_at:] + self.nodes[:start_at])
        self._move()
        thread = threading.Thread(target=self._run)
        thread.start()
        return thread

    def _run(self) -> None:
        n = 1
        while not self.stop.is_set():
            try:
                answer = self.client.send(self.room, f"{self.user} {n}", producer=self.user, n=n)
            except socketio.exceptions.SocketIOError:
                self.lost += 1
                self._move()
                continue
            if answer["ok"]:
                self.acked[n] = answer["seq"]
                n += 1
            else:
                assert answer["error"]["definite"], answer
                self.refused.append(answer["error"]["code"])
                self._move()

    def _move(self) -> None:
        cursor = None
        if self.moves:
            self.client.close()
            self.received += self.client.received(self.room)
            cursor = {"epoch": self.epoch, "seq": self.received[-1] if self.received else 0}
        while True:
            with contextlib.suppress(socketio.exceptions.SocketIOError):
                self.client = self.world.client(next(self._turn), self.user)
                answer = self.client.call(
                    "join", {"room": self.room} | ({"cursor": cursor} if cursor else {})
                )
                if answer["ok"]:
                    break
                self.client.close()
        assert cursor is None or answer["recovered"], "a resume is never refused"
        self.epoch = answer["epoch"]
        self.moves += 1

    def whole(self) -> list[int]:
        return self.received + self.client.received(self.room)


def test_drain__clients_send_and_receive_all_the_time__all_move_and_nothing_is_lost_or_doubled(
    world: Any, room: str, until: Any
) -> None:
    leaving, staying = world.node("leaving-d"), world.node("staying-d")
    movers = [Mover(world, [leaving, staying], f"user-{i}", room) for i in range(6)]
    threads = [mover.start(i % 2) for i, mover in enumerate(movers)]
    until(lambda: all(len(mover.acked) > 20 for mover in movers), "load")
    assert stop(leaving) < STOPPED_WITHIN_S
    ended = [len(mover.acked) for mover in movers]
    until(lambda: all(len(m.acked) > e + 20 for m, e in zip(movers, ended, strict=True)), "load goes on")
    for mover in movers:
        mover.stop.set()
    for thread in threads:
        thread.join(20)
    stored = []
    while page := staying.messages(room, f"after={len(stored)}&limit=1000"):
        stored += page
    assert [message["seq"] for message in stored] == list(range(1, len(stored) + 1))
    placed = {(message["producer"], message["n"]): message["seq"] for message in stored}
    assert len(placed) == len(stored), "no key has two places"
    for mover in movers:
        until(lambda m=mover: m.whole() and m.whole()[-1] == len(stored), "everything is received")
        assert mover.whole() == list(range(mover.whole()[0], len(stored) + 1)), "each once, in order"
        assert {placed[mover.user, n]: n for n in mover.acked} == {s: n for n, s in mover.acked.items()}
        assert set(mover.refused) <= {"draining"}
    assert [mover.moves for mover in movers] == [2, 1] * 3, "each who had to move has moved once"
    assert sum(mover.lost for mover in movers) == 0, "every send was answered before its connection ended"
    assert staying.get(f"/rooms/{room}/users")[1]["users"] == [
        {"user": f"user-{i}", "node": "staying-d", "state": "online"} for i in range(6)
    ]


def test_drain__users_of_the_leaving_node__gone_from_the_list_and_never_lost(world: Any, room: str) -> None:
    leaving, staying = world.node("leaving-u"), world.node("staying-u")
    ann, bob = world.client(leaving, "ann"), world.client(staying, "bob")
    for client in (ann, bob):
        client.join(room)
    bob.wait_for(lambda: len(bob.users(room)) == 2, "both")
    assert stop(leaving) < STOPPED_WITHIN_S
    bob.wait_for(lambda: bob.users(room) == {"bob": "online"}, "ann is gone")
    states = {user["state"] for payload in bob.payloads("user_list") for user in payload["users"]}
    assert states == {"online"}
    assert world.redis.call("HEXISTS", "wa:nodes", "leaving-u") == 0, "it has left the registry"
    leases = [lease.decode().split()[1] for lease in world.redis.call("HVALS", "wa:leases")]
    assert "leaving-u" not in leases, "and given back its lease"
    told = ann.payloads("server_info")[-1]
    assert told["draining"]
    assert "staying-u" in {peer["server_id"] for peer in told["peers"] if peer["state"] == "alive"}


def test_drain__many_connections__spread_and_served_until_their_turn(world: Any, room: str) -> None:
    node = world.node("leaving-m")
    clients = [world.client(node, f"user-{i}") for i in range(20)]
    ended: list[float] = []
    for client in clients:
        client.join(room)
        client.io.on("disconnect", lambda *_: ended.append(time.monotonic()))
    began = time.monotonic()
    node.process.signal(signal.SIGTERM)
    clients[0].wait_for(lambda: clients[0].payloads("server_info")[-1]["draining"], "told")
    answers = [client.send(room, "still") for client in clients if client.io.connected]
    assert sum(answer["ok"] for answer in answers) >= 10, "most still have their turn before them"
    late = world.client(node, "late")
    assert late.call("join", {"room": room})["error"]["code"] == "draining"
    assert node.process.wait() == 0
    for client in (*clients, late):
        client.close()
    assert len(ended) == 20
    assert max(ended) - min(ended) > 1, "not all at once"
    assert max(ended) - began < STOPPED_WITHIN_S


def test_drain__stock_client__comes_back_by_itself(world: Any, room: str, until: Any) -> None:
    node = world.node("restarted")
    client = socketio.Client(reconnection_delay=0.2, reconnection_delay_max=0.5)
    reasons: list[str] = []
    websockets: list[Any] = []  # engineio's client leaves them to the garbage collector
    client.on("disconnect", reasons.append)
    client.on("connect", lambda: websockets.append(client.eio.ws))
    client.connect(node.url, transports=["websocket"], auth={"user": "ann"})
    try:
        assert client.call("join", {"room": room})["ok"]
        stop(node)
        until(lambda: reasons, "it has lost its connection")
        assert set(reasons) == {client.reason.TRANSPORT_ERROR}, "the transport ended, it was not sent away"
        node.start()
        until(lambda: client.connected, "it is connected again, and nobody told it to")
        assert client.call("join", {"room": room})["ok"]
    finally:
        client.disconnect()
        for websocket in websockets:
            websocket.shutdown()


@pytest.mark.parametrize("silent", [False, True])
def test_drain__redis_away__ends_in_time(own_world: Any, until: Any, silent: bool) -> None:
    node = own_world.node("node-1")
    ann = own_world.client(node, "ann")
    ann.join("r")
    if silent:
        own_world.redis.process.signal(signal.SIGSTOP)
    else:
        own_world.redis.process.kill()
    try:
        send = threading.Thread(target=_ignore_loss, args=(ann,))
        send.start()
        assert stop(node) < STOPPED_WITHIN_S
        send.join()
    finally:
        if silent:
            own_world.redis.process.signal(signal.SIGCONT)


def _ignore_loss(client: Any) -> None:
    with contextlib.suppress(socketio.exceptions.SocketIOError):
        client.send("r", "into nothing")


def test_drain__a_peer_hangs_and_the_signal_comes_again__ends_in_time(own_world: Any, until: Any) -> None:
    node, hangs = own_world.node("node-1"), own_world.node("hangs")
    until(lambda: node.peers() == {"hangs": "alive"}, "they know each other")
    with socket.create_server(("127.0.0.1", 0)):
        ann = own_world.client(node, "ann")
        ann.join("r")
        hangs.process.signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            node.process.signal(signal.SIGTERM)
            time.sleep(0.5)  # In the middle of it, once more.
            node.process.signal(signal.SIGTERM)
            assert node.process.wait() == 0
            assert time.monotonic() - began < STOPPED_WITHIN_S
        finally:
            hangs.process.signal(signal.SIGCONT)
    assert "drained" in {line["event"] for line in node.process.lines()}


STUCK = """
from cluster import __main__ as main
from gevent import monkey
from cluster.app import Node

Node.stop = lambda self: monkey.get_original("time", "sleep")(60)
raise SystemExit(main.main())
"""


def test_drain__the_node_is_stuck__ends_in_time_all_the_same(world: Any) -> None:
    node = world.node("stuck", ready=False)
    node.process.kill()
    node.process.command = [sys.executable, "-c", STUCK]
    node.start()
    assert stop(node) < STOPPED_WITHIN_S
