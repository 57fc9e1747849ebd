"""Joins under traffic: nothing is missed or doubled where history ends and live messages begin."""

import threading
import time
from typing import Any

import pytest

pytestmark = pytest.mark.process


@pytest.fixture
def traffic(pair: Any, world: Any, room: str) -> Any:
    """Senders on both nodes that do not pause until they are stopped."""
    stop = threading.Event()
    senders = [world.client(pair[i % 2], f"sender-{i}") for i in range(4)]
    epochs = {sender.join(room)["epoch"] for sender in senders}
    assert len(epochs) == 1

    def send(sender: Any) -> None:
        n = 0
        while not stop.is_set():
            n += 1
            assert sender.send(room, f"{n}", producer=sender.user, n=n)["ok"]

    threads = [threading.Thread(target=send, args=(sender,)) for sender in senders]
    for thread in threads:
        thread.start()

    def finish() -> int:
        stop.set()
        for thread in threads:
            thread.join()
        return max(message["seq"] for message in pair[0].messages(room, "limit=1"))

    yield epochs.pop(), finish
    finish()


def _check_order(client: Any, room: str) -> None:
    """For each join: history up to the acknowledged seq, the acknowledgement, live from the next on."""
    expected_next = None
    for name, payload in client.seen:
        if name == "message_history" and payload["room"] == room:
            if payload["messages"]:
                expected_next = payload["messages"][-1]["seq"] + 1
        elif name == "ack" and "recovered" in payload:
            assert expected_next in (None, payload["seq"] + 1)
            expected_next = payload["seq"] + 1
        elif name == "message":
            assert payload["seq"] == expected_next, (payload["seq"], expected_next)
            expected_next += 1


def test_join__in_the_middle_of_traffic__history_and_live_are_one_sequence(
    pair: Any, world: Any, room: str, traffic: Any
) -> None:
    _, finish = traffic
    pair_of = [pair[0], pair[1]]
    joiners = []
    for i in range(24):
        joiner = world.client(pair_of[i % 2], f"joiner-{i}")
        cursor = {"seq": 0} if i % 3 else None
        answer = joiner.join(room, cursor)
        assert answer["recovered"] == (cursor is not None)
        joiners.append((joiner, cursor))
    head = finish()
    assert head > 100
    for joiner, cursor in joiners:
        joiner.wait_for(lambda j=joiner: j.received(room)[-1:] == [head], f"message {head}")
        received = joiner.received(room)
        assert received == list(range(received[0], head + 1))
        assert cursor is None or received[0] == 1
        _check_order(joiner, room)


def test_join__again_on_one_connection_under_traffic__each_resume_is_exact(
    pair: Any, world: Any, room: str, traffic: Any
) -> None:
    epoch, finish = traffic
    ann = world.client(pair[0], "ann")
    ann.join(room, {"seq": 0})
    for _ in range(10):
        leave = ann.call("leave", {"room": room})
        assert leave["seq"] == [0, *ann.received(room)][-1], "0: no message has come yet"
        ann.join(room, {"epoch": epoch, "seq": leave["seq"]})
    head = finish()
    ann.wait_for(lambda: ann.received(room)[-1:] == [head], f"message {head}")
    assert ann.received(room) == list(range(1, head + 1))
    _check_order(ann, room)


def test_join__many_at_once_over_one_connection__each_is_answered(pair: Any, world: Any, room: str) -> None:
    ann = world.client(pair[0], "ann")
    for i in range(50):
        ann.io.emit("join", {"room": f"{room}.{i % 5}"}, callback=lambda *_: None)
    ann.wait_for(lambda: len(ann.payloads("ack")) == 50, "50 acknowledgements")
    assert all(answer["ok"] for answer in ann.payloads("ack"))


def test_join__a_reader_slower_than_its_history__every_frame_whole(pair: Any, world: Any, room: str) -> None:
    """8 MB do not fit into the buffers of a connection: the node must wait, and go on where it stopped."""
    ann = world.client(pair[0], "ann")
    ann.join(room)
    text = "x" * 8000
    for n in range(1, 1001):
        ann.io.emit("send_message", {"room": room, "text": text, "producer": "p", "n": n})
        if n % 100 == 0:  # Or her pongs would wait behind 8 MB.
            ann.wait_for(lambda n=n: len(ann.live(room)) == n, f"{n} messages", 60)
    slow = world.client(pair[0], "slow")
    slow.hold.clear()
    slow.io.emit("join", {"room": room, "cursor": {"seq": 0}}, callback=lambda *_: None)
    time.sleep(1.5)  # So that the node has filled every buffer and waits.
    slow.hold.set()
    deadline = time.monotonic() + 60
    while slow.received(room)[-1:] != [1000]:
        assert time.monotonic() < deadline, "the whole history"
        slow.io.emit("typing", {"room": room})  # Its pongs wait behind 8 MB: this says that it is there.
        time.sleep(0.5)
    assert slow.received(room) == list(range(1, 1001))
    assert all(
        len(m["text"]) == 8000 for chunk in slow.payloads("message_history") for m in chunk["messages"]
    )
    slow.wait_for(lambda: slow.payloads("ack"), "the acknowledgement")
    assert ann.send(room, "still there", producer="p", n=1001)["ok"]
    slow.wait_for(lambda: slow.live(room), "a live message on the same connection")
