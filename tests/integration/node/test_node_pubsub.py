"""The usual set-up: it delivers while all is well, and loses what a client was not there for."""

from typing import Any

import pytest

pytestmark = pytest.mark.process


@pytest.fixture
def nodes(world: Any) -> tuple[Any, Any]:
    """Two nodes of the variant."""
    return tuple(world.node(f"pubsub-{i}", DELIVERY="pubsub") for i in (1, 2))  # type: ignore[return-value]


def test_pubsub__live__reaches_both_nodes_without_positions(world: Any, nodes: Any, room: str) -> None:
    ann, bob = world.client(nodes[0], "ann"), world.client(nodes[1], "bob")
    joined = ann.join(room)
    assert joined == {"ok": True, "room": room, "epoch": None, "seq": None, "recovered": False}
    bob.join(room)
    for n in range(1, 21):
        answer = ann.send(room, f"{n}", producer="p", n=n)
        assert answer == {
            "ok": True, "room": room, "epoch": None, "seq": None, "duplicate": False, "producer": "p", "n": n,
        }  # fmt: skip
    for client in (ann, bob):
        client.wait_for(lambda c=client: len(c.live(room)) == 20, "20 messages")
        assert [m["text"] for m in client.live(room)] == [f"{n}" for n in range(1, 21)]
        assert {(m["epoch"], m["seq"], m["node"]) for m in client.live(room)} == {(None, None, "pubsub-1")}
    for source in ("store", "tail"):
        page = nodes[0].get(f"/rooms/{room}/messages?source={source}&limit=20")[1]
        assert page["messages"] == ann.live(room)
        assert (page["epoch"], page["epochs"]) == (None, [])
    everything = nodes[1].get(f"/rooms/{room}/messages?after=0&limit=1000")[1]
    assert everything["head"] == len(everything["messages"]) == 20


def test_pubsub__away_and_back__what_was_sent_meanwhile_is_not_delivered(
    world: Any, nodes: Any, room: str
) -> None:
    ann, bob = world.client(nodes[0], "ann"), world.client(nodes[1], "bob")
    ann.join(room)
    bob.join(room)
    bob.close()
    assert ann.send(room, "while bob is away", producer="p", n=1)["ok"]
    back = world.client(nodes[1], "bob")
    assert back.join(room, {"epoch": "e", "seq": 1})["recovered"] is False
    history = back.payloads("message_history")
    assert history == [{"room": room, "epoch": None, "messages": [], "recovered": False, "more": False}]
    assert ann.send(room, "now")["ok"]
    back.wait_for(lambda: back.live(room), "a live message")
    assert [message["text"] for message in back.live(room)] == ["now"]
    assert "while bob is away" in [message["text"] for message in nodes[1].messages(room)]


def test_pubsub__leave__no_message_after_it__and_presence_follows(world: Any, nodes: Any, room: str) -> None:
    ann, bob = world.client(nodes[0], "ann"), world.client(nodes[1], "bob")
    ann.join(room)
    bob.join(room)

    def users() -> list[str]:
        lists = ann.payloads("user_list")
        return [user["user"] for user in lists[-1]["users"]] if lists else []

    ann.wait_for(lambda: users() == ["ann", "bob"], "both users")
    assert bob.call("leave", {"room": room})["ok"]
    count = len(bob.live(room))
    assert ann.send(room, "bob has left")["ok"]
    ann.wait_for(lambda: users() == ["ann"], "only ann")
    assert len(bob.live(room)) == count
    assert bob.send(room, "x")["error"]["code"] == "not_joined"


def test_pubsub__without_redis__store_unavailable(own_world: Any, until: Any) -> None:
    node = own_world.node("pubsub-1", DELIVERY="pubsub")
    ann = own_world.client(node, "ann")
    ann.join("r")
    own_world.redis.process.kill()
    until(lambda: node.get("/ready")[0] == 503, "not ready")
    error = ann.send("r", "x", producer="p", n=1)["error"]
    assert (error["code"], error["definite"]) == ("store_unavailable", True)
    own_world.redis.start()
    until(lambda: node.get("/ready")[0] == 200, "ready again")
    assert ann.send("r", "x", producer="p", n=1)["ok"]
