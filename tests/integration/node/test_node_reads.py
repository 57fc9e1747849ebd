"""Read positions: kept once, only forward, told to those who tell, on all nodes; never in the log."""

from typing import Any

import pytest

pytestmark = pytest.mark.process


def reads(client: Any) -> dict[str, int]:
    """Return up to where each user has read, as a client was told."""
    return {read["user"]: read["seq"] for payload in client.payloads("read") for read in payload["reads"]}


@pytest.fixture
def filled(pair: Any, world: Any, room: str) -> str:
    """A room with ten messages."""
    ann = world.client(pair[0])
    epoch = ann.join(room)["epoch"]
    assert all(ann.send(room, f"{n}")["ok"] for n in range(10))
    return str(epoch)


def test_read__two_nodes__told_to_all_who_tell_and_kept_for_who_comes_later(
    pair: Any, world: Any, room: str, filled: str, until: Any
) -> None:
    until(lambda: pair[0].peers().get("node-2") == "alive", "the nodes hear each other")
    ann, near, far, quiet = (
        world.client(pair[node], user) for node, user in ((0, "ann"), (0, "near"), (1, "far"), (0, "quiet"))
    )
    for client in (ann, near, far, quiet):
        client.join(room)
    for client in (near, far):
        assert client.call("read", {"room": room, "epoch": None, "seq": 0}) == {"ok": True, "room": room}
        client.wait_for(lambda c=client: len(c.payloads("read")) == 1, "what is kept: nothing yet")
    assert ann.call("read", {"room": room, "epoch": filled, "seq": 4})["ok"]
    for client in (near, far):
        client.wait_for(lambda c=client: reads(c) == {"ann": 4}, "ann's position")
        assert client.payloads("read")[-1]["reads"] == [{"user": "ann", "epoch": filled, "seq": 4}]
    later = world.client(pair[1], "later")
    later.join(room)
    later.call("read", {"room": room, "epoch": filled, "seq": 2})
    later.wait_for(lambda: reads(later).get("ann") == 4, "what was kept")
    assert quiet.payloads("read") == []
    assert len(pair[0].messages(room)) == 10


def test_read__backwards_past_the_end_or_of_no_epoch__leaves_what_was(
    pair: Any, world: Any, room: str, filled: str
) -> None:
    ann, bob = world.client(pair[0], "ann"), world.client(pair[0], "bob")
    ann.join(room)
    bob.join(room)
    bob.call("read", {"room": room, "seq": 0})
    for turn, (seq, epoch) in enumerate(
        ((7, filled), (3, filled), (11, filled), (9, "an unknown epoch")), start=1
    ):
        assert ann.call("read", {"room": room, "epoch": epoch, "seq": seq})["ok"]
        bob.call("read", {"room": room, "epoch": filled, "seq": turn})
        bob.wait_for(lambda turn=turn: reads(bob).get("bob") == turn, "what came behind it is kept")
    assert reads(bob)["ann"] == 7
    late = world.client(pair[0], "late")
    late.join(room)
    late.call("read", {"room": room, "seq": 0})
    late.wait_for(lambda: reads(late), "what is kept")
    assert reads(late) == {"ann": 7, "bob": 4}


def test_read__left_the_room__not_told_any_more(pair: Any, world: Any, room: str, filled: str) -> None:
    ann, gone, here = (world.client(pair[0], user) for user in ("ann", "gone", "here"))
    for client in (ann, gone, here):
        client.join(room)
    for client in (gone, here):
        client.call("read", {"room": room, "seq": 0})
        client.wait_for(lambda c=client: c.payloads("read"), "what is kept")
    gone.call("leave", {"room": room})
    ann.call("read", {"room": room, "epoch": filled, "seq": 3})
    here.wait_for(lambda: reads(here) == {"ann": 3}, "ann's position")
    assert reads(gone) == {}


def test_read__not_joined_malformed_or_too_often__refused(
    pair: Any, world: Any, room: str, until: Any
) -> None:
    ann = world.client(pair[0], "ann")
    payload = {"room": room, "epoch": None, "seq": 0}
    assert ann.call("read", payload)["error"]["code"] == "not_joined"
    ann.join(room)
    for wrong in (
        {"room": room}, {"room": room, "seq": 1}, {"room": room, "epoch": "e", "seq": -1},
        {"room": room, "epoch": "", "seq": 1}, {**payload, "user": "bob"}, {**payload, "seq": True}, None,
    ):  # fmt: skip
        assert ann.call("read", wrong)["error"]["code"] == "bad_request", wrong
    assert ann.call("read", {**payload, "room": "a b"})["error"]["code"] == "room_invalid"
    answers: list[dict[str, Any]] = []
    for _ in range(60):
        ann.io.emit("read", payload, callback=answers.append)
    until(lambda: len(answers) == 60, "an answer to each")
    refused = [answer["error"] for answer in answers if not answer["ok"]]
    assert refused
    assert {(error["code"], error["definite"]) for error in refused} == {("rate_limited", True)}
    assert all(0 < error["retry_after_ms"] <= 100 for error in refused)


@pytest.mark.one_redis
def test_read__while_redis_is_away__kept_and_told_when_it_is_back(own_world: Any, until: Any) -> None:
    node = own_world.node("node-1")
    ann, bob = own_world.client(node, "ann"), own_world.client(node, "bob")
    epoch = ann.join("room")["epoch"]
    bob.join("room")
    ann.send("room", "hello")
    bob.call("read", {"room": "room", "seq": 0})
    bob.wait_for(lambda: bob.payloads("read"), "what is kept")
    own_world.redis.process.kill()
    until(lambda: not node.get("/health")[1]["redis"]["up"], "the node knows")
    assert ann.call("read", {"room": "room", "epoch": epoch, "seq": 1})["ok"]
    own_world.redis.start()
    bob.wait_for(lambda: reads(bob) == {"ann": 1}, "ann's position")


def test_rooms__with_heads__where_rooms_end_and_how_far_a_user_has_read(
    pair: Any, world: Any, room: str, filled: str, until: Any
) -> None:
    ann = world.client(pair[0], "ännchen & ann")
    ann.join(room)
    ann.call("read", {"room": room, "epoch": filled, "seq": 6})

    def found(query: str) -> dict[str, Any]:
        status, body = pair[1].get(f"/rooms?{query}")
        assert status == 200
        assert room in body["rooms"]
        assert len(body["rooms"]) == len(body["heads"])
        return next(head for head in body["heads"] if head["room"] == room)

    until(lambda: found("heads=true&user=%C3%A4nnchen%20%26%20ann")["read"] == 6, "it is kept")
    assert found("heads=true&user=nobody") == {"room": room, "head": 10, "read": None}
    assert found("heads=true") == {"room": room, "head": 10, "read": None}
    assert set(pair[0].get("/rooms")[1]) == {"rooms"}
    for wrong in ("heads=1", "heads=true&user=", f"heads=true&user={'u' * 65}"):
        assert pair[0].get(f"/rooms?{wrong}")[0] == 400, wrong


def test_health__of_a_node_that_serves__says_so(pair: Any) -> None:
    health = pair[0].get("/health")[1]
    assert (health["ready"], health["draining"]) == (True, False)
