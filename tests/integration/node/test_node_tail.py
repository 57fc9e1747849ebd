"""The tail and its connection: silence, resets, lag, long histories, and logs that are kept only so long."""

import selectors
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.process


class Gate:
    """A TCP proxy before Redis that can fall silent: nothing passes any more, and nothing is closed.

    Connections made before or during the silence stay dead after it, as where a router has forgotten them.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._sockets: list[socket.socket] = [self._listener]
        self._open = True
        self.silent = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def fall_silent(self) -> None:
        self.silent = True

    def heal(self) -> None:
        self.silent = False

    def close(self) -> None:
        self._open = False
        self._thread.join()
        for sock in self._sockets:
            sock.close()

    def _run(self) -> None:
        while self._open:
            for key, _ in self._selector.select(timeout=0.02):
                if key.data is None:
                    self._accept()
                else:
                    self._forward(key.fileobj, key.data)

    def _accept(self) -> None:
        inner, _ = self._listener.accept()
        self._sockets.append(inner)
        if self.silent:
            return
        outer = socket.create_connection(("127.0.0.1", self._target))
        self._sockets.append(outer)
        for one, other in ((inner, outer), (outer, inner)):
            self._selector.register(one, selectors.EVENT_READ, other)

    def _forward(self, source: Any, sink: socket.socket) -> None:
        if self.silent:
            self._selector.unregister(source)
            return
        try:
            data = source.recv(65536)
            sink.sendall(data)
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(source)
            for sock in (source, sink):
                sock.close()


@pytest.fixture
def gate(own_world: Any) -> Iterator[Gate]:
    gate = Gate(own_world.redis.port)
    yield gate
    gate.close()


def lag(node: Any) -> dict[str, Any]:
    return dict(node.get("/health")[1]["tail_lag"])


@pytest.mark.one_redis  # What it keeps makes no difference: the connection to it does.
def test_redis_silent_and_back__old_connections_dead__first_delivery_within_three_seconds(
    own_world: Any, gate: Gate, until: Any
) -> None:
    direct, cut = (
        own_world.node("direct"),
        # It trusts no peer, so that it does not move its clients to one that still has Redis.
        own_world.node("cut", REDIS_URL=f"redis://127.0.0.1:{gate.port}/0", SECRET="a secret of its own"),
    )
    ann, bob = own_world.client(direct, "ann"), own_world.client(cut, "bob")
    ann.join("r")
    bob.join("r")
    assert ann.send("r", "1", producer="p", n=1)["ok"]
    bob.wait_for(lambda: bob.received("r") == [1], "the first message")
    gate.fall_silent()
    for n in range(2, 6):
        assert ann.send("r", f"{n}", producer="p", n=n)["ok"]
    until(lambda: cut.get("/ready")[0] == 503, "it notices the silence", 5)
    assert lag(cut)["silent_s"] > 1
    assert bob.send("r", "meanwhile")["error"]["definite"] is True
    assert bob.received("r") == [1]
    time.sleep(1)  # So that it has tried in vain more than once.
    gate.heal()
    back = time.monotonic()
    bob.wait_for(lambda: bob.received("r") == [1, 2, 3, 4, 5], "all that it missed, once", 10)
    assert time.monotonic() - back < 3
    until(lambda: bob.send("r", "after", producer="b", n=1)["ok"], "sends succeed again", 3)
    assert [history["epoch"] for history in bob.payloads("message_history")] == [ann.join("r")["epoch"]]


@pytest.mark.one_redis  # What it keeps makes no difference: the connection to it does.
def test_redis_silent_for_a_moment__nobody_is_told_anything(own_world: Any, until: Any) -> None:
    node = own_world.node("node-1")
    ann = own_world.client(node, "ann")
    ann.join("r")
    own_world.redis.process.signal(signal.SIGSTOP)
    time.sleep(0.7)  # Less than any timeout.
    own_world.redis.process.signal(signal.SIGCONT)
    assert ann.send("r", "1", producer="p", n=1)["ok"]
    assert "redis_down" not in {line["event"] for line in node.process.lines()}


@pytest.mark.one_redis  # What it keeps makes no difference: the connection to it does.
def test_redis_reset__first_delivery_within_a_second(own_world: Any, until: Any) -> None:
    nodes = [own_world.node(f"node-{i}") for i in (1, 2)]
    ann, bob = own_world.client(nodes[0], "ann"), own_world.client(nodes[1], "bob")
    ann.join("r")
    bob.join("r")
    until(lambda: nodes[1].get("/peers")[1]["peers"], "the nodes know each other")
    took = []
    for n in range(1, 4):
        own_world.redis.process.kill()
        time.sleep(2.5)  # Long enough that both have backed off as far as they do.
        own_world.redis.start()
        back = time.monotonic()
        until(lambda n=n: ann.send("r", f"{n}", producer="p", n=n)["ok"], "sends succeed again")
        bob.wait_for(lambda n=n: bob.received("r") == list(range(1, n + 1)), "the delivery")
        took.append(time.monotonic() - back)
    assert sorted(took)[1] < 1, took  # Once of three times something else may have used the machine.


def test_tail_lag__a_quiet_node__nothing_behind(pair: Any, world: Any, room: str, until: Any) -> None:
    ann = world.client(pair[0])
    ann.join(room)
    assert ann.send(room, "1")["ok"]
    until(lambda: all(lag(node)["entries"] == 0 for node in pair), "both have read all")
    assert all(lag(node)["silent_s"] < 2 for node in pair)


def test_resume__thousands_of_messages__in_chunks_without_a_hole(pair: Any, world: Any, room: str) -> None:
    ann, bob = world.client(pair[0], "ann"), world.client(pair[1], "bob")
    epoch = ann.join(room)["epoch"]
    for n in range(1, 3001):
        ann.io.emit("send_message", {"room": room, "text": f"{n}", "producer": "p", "n": n})
    ann.wait_for(lambda: len(ann.live(room)) == 3000, "3000 messages", 60)
    answer = bob.join(room, {"epoch": epoch, "seq": 17})
    assert (answer["recovered"], answer["seq"]) == (True, 3000)
    assert bob.received(room) == list(range(18, 3001))
    chunks = bob.payloads("message_history")
    assert len(chunks) > 10
    assert [chunk["more"] for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert [message["n"] for message in ann.live(room)] == list(range(1, 3001))


def test_snapshot__a_long_room__the_last_fifty(pair: Any, world: Any, room: str) -> None:
    ann, bob = world.client(pair[0], "ann"), world.client(pair[1], "bob")
    ann.join(room)
    for n in range(1, 121):
        ann.io.emit("send_message", {"room": room, "text": f"{n}", "producer": "p", "n": n})
    ann.wait_for(lambda: len(ann.live(room)) == 120, "120 messages")
    assert bob.join(room)["recovered"] is False
    assert bob.received(room) == list(range(71, 121))


def test_many_rooms__on_one_connection__each_with_its_own_positions(pair: Any, world: Any, room: str) -> None:
    ann, bob = world.client(pair[0], "ann"), world.client(pair[1], "bob")
    rooms = [f"{room}.{i}" for i in range(30)]
    for name in rooms:
        ann.join(name)
        bob.join(name)
    for n in range(1, 6):
        for name in rooms:
            ann.io.emit("send_message", {"room": name, "text": f"{n}", "producer": "p", "n": n})
    for name in rooms:
        bob.wait_for(lambda name=name: bob.received(name) == [1, 2, 3, 4, 5], f"all of {name}")
    assert bob.call("leave", {"room": rooms[3]})["seq"] == 5
    assert ann.send(rooms[3], "unseen", producer="p", n=6)["ok"]
    assert ann.send(rooms[4], "seen", producer="p", n=6)["ok"]
    bob.wait_for(lambda: bob.received(rooms[4])[-1] == 6, "the other room goes on")
    assert bob.received(rooms[3]) == [1, 2, 3, 4, 5]


def test_retention_of_a_room__by_setting__first_moves_and_old_cursors_are_told(own_world: Any) -> None:
    node = own_world.node("node-1", ROOM_MESSAGES="1000", SHARD_MESSAGES="1000")
    ann, bob = own_world.client(node, "ann"), own_world.client(node, "bob")
    epoch = ann.join("r")["epoch"]
    for n in range(1, 2001):
        ann.io.emit("send_message", {"room": "r", "text": f"{n}", "producer": "p", "n": n})
    ann.wait_for(lambda: len(ann.live("r")) == 2000, "2000 messages", 60)
    page = node.get("/rooms/r/messages?after=0&limit=1000")[1]
    first = page["first"]
    assert 500 < first <= 1001
    assert page["messages"][0]["seq"] == first
    assert (page["head"], page["epochs"]) == (2000, [{"epoch": epoch, "first": 1, "last": 2000}])
    assert bob.join("r", {"epoch": epoch, "seq": first - 1})["recovered"] is True
    assert bob.received("r") == list(range(first, 2001))
    answer = bob.join("r", {"epoch": epoch, "seq": first - 2})
    assert (answer["recovered"], answer["seq"]) == (False, 2000)
    assert bob.received("r")[-50:] == list(range(1951, 2001))
    lengths = [own_world.redis.call("XLEN", f"wa:shard:{shard}:log") for shard in range(4)]
    assert 1000 <= max(lengths) < 1500


def test_retention_of_a_shard__a_node_that_fell_behind__fills_its_rooms(own_world: Any) -> None:
    """The shard forgets what one node has not read yet; its rooms remember."""
    slow = own_world.node("slow", SHARD_MESSAGES="1000", SHARDS="1")
    quick = own_world.node("quick", SHARD_MESSAGES="1000", SHARDS="1")
    ann, bob = own_world.client(quick, "ann"), own_world.client(slow, "bob")
    ann.join("r")
    bob.join("r")
    assert ann.send("r", "1", producer="p", n=1)["ok"]
    bob.wait_for(lambda: bob.received("r") == [1], "the first message")
    slow.process.signal(signal.SIGSTOP)
    try:
        for n in range(2, 2502):
            ann.io.emit("send_message", {"room": "r", "text": f"{n}", "producer": "p", "n": n})
        ann.wait_for(lambda: len(ann.live("r")) == 2501, "2501 messages", 60)
    finally:
        slow.process.signal(signal.SIGCONT)
    bob.wait_for(lambda: bob.received("r")[-1] == 2501, "all of them", 30)
    assert bob.received("r") == list(range(1, 2502))
    assert {line["event"] for line in slow.process.lines()} & {"shard_log_jumped", "shard_log_trimmed"}
