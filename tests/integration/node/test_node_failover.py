"""A node dies with SIGKILL: its clients resume elsewhere, and what was acknowledged is there."""

import contextlib
import threading
from typing import Any

import pytest
import socketio.exceptions

pytestmark = pytest.mark.process


def test_gapless_resume__node_killed_under_traffic__nothing_missing_or_doubled(
    world: Any, room: str, until: Any
) -> None:
    doomed, survivor = world.node("doomed"), world.node("survivor")
    ann, bob = world.client(doomed, "ann"), world.client(survivor, "bob")
    epoch = ann.join(room)["epoch"]
    bob.join(room)
    acked: list[int] = []
    unresolved: list[int] = []

    def send() -> None:
        with contextlib.suppress(socketio.exceptions.SocketIOError):
            for n in range(1, 100_000):
                unresolved.append(n)
                answer = ann.send(room, f"{n}", producer="p", n=n)
                assert answer["ok"]
                acked.append(answer["seq"])
                unresolved.remove(n)

    sender = threading.Thread(target=send)
    sender.start()
    until(lambda: len(acked) > 50, "50 acknowledged messages")
    doomed.process.kill()
    ann.wait_for(lambda: not ann.io.connected, "ann is cut off", 15)
    ann.close()
    sender.join()

    before = ann.received(room)
    again = world.client(survivor, "ann")
    answer = again.join(room, {"epoch": epoch, "seq": before[-1]})
    assert answer["recovered"]
    assert len(unresolved) == 1
    resent = again.send(room, f"{unresolved[0]}", producer="p", n=unresolved[0])
    assert resent["ok"]
    again.wait_for(
        lambda: again.received(room)[-1:] == [resent["seq"]] or resent["duplicate"], "the resent one"
    )
    whole = before + again.received(room)
    assert whole == list(range(1, whole[-1] + 1))
    stored = survivor.messages(room)
    assert set(acked) <= {message["seq"] for message in stored}
    assert [message["n"] for message in stored] == list(range(1, unresolved[0] + 1))

    # The node comes back: its store is whole, its own memory begins with its new life.
    doomed.start()
    carl = world.client(doomed, "carl")
    assert carl.join(room, {"epoch": epoch, "seq": 0})["seq"] == len(stored)
    assert carl.received(room) == list(range(1, len(stored) + 1))
    assert again.send(room, "after", producer="p", n=unresolved[0] + 1)["ok"]
    carl.wait_for(lambda: carl.live(room), "a live message on the returned node")
    tail = doomed.get(f"/rooms/{room}/messages?after=0&source=tail")[1]
    assert tail["first"] == tail["head"] == len(stored) + 1
    assert [message["text"] for message in tail["messages"]] == ["after"]


def test_presence__node_killed__its_users_are_lost_then_gone(world: Any, room: str) -> None:
    doomed, survivor = world.node("doomed-2"), world.node("survivor-2")
    ann, bob = world.client(doomed, "ann"), world.client(survivor, "bob")
    ann.join(room)
    bob.join(room)

    def users() -> list[tuple[str, str]]:
        lists = bob.payloads("user_list")
        return [(user["user"], user["state"]) for user in lists[-1]["users"]] if lists else []

    bob.wait_for(lambda: users() == [("ann", "online"), ("bob", "online")], "both online")
    doomed.process.kill()
    bob.wait_for(lambda: users() == [("ann", "lost"), ("bob", "online")], "ann is lost")
    bob.wait_for(lambda: users() == [("bob", "online")], "ann is gone")

    def peer_state() -> list[str]:
        infos = bob.payloads("server_info")
        return [peer["state"] for peer in infos[-1]["peers"] if peer["server_id"] == "doomed-2"]

    bob.wait_for(lambda: peer_state() == ["dead"], "the peer counts as dead")
