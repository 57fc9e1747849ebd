"""Typing: told to the others in the room on all nodes, bounded, and never in the log."""

from typing import Any

import pytest

pytestmark = pytest.mark.process


def test_typing__two_nodes__the_others_in_the_room_are_told(
    pair: Any, world: Any, room: str, until: Any
) -> None:
    until(lambda: pair[0].peers().get("node-2") == "alive", "the nodes hear each other")
    ann, tab, near, far, outside = (
        world.client(pair[0], "ann"),
        world.client(pair[1], "ann"),
        world.client(pair[0], "near"),
        world.client(pair[1], "far"),
        world.client(pair[1], "outside"),
    )
    for client in (ann, tab, near, far):
        client.join(room)
    outside.join(f"{room}.other")
    assert ann.call("typing", {"room": room, "typing": True}) == {"ok": True, "room": room}
    ann.io.emit("typing", {"room": room, "typing": False})  # An acknowledgement is optional.
    told = [{"room": room, "user": "ann", "typing": typing} for typing in (True, False)]
    for client in (near, far):
        client.wait_for(lambda c=client: c.payloads("typing") == told, "both, in order")
    for client in (ann, tab, outside):
        assert client.payloads("typing") == []
    assert pair[0].messages(room) == []


def test_typing__not_joined_malformed_or_too_often__refused(pair: Any, world: Any, room: str) -> None:
    ann, bob = world.client(pair[0], "ann"), world.client(pair[0], "bob")
    payload = {"room": room, "typing": True}
    assert ann.call("typing", payload)["error"]["code"] == "not_joined"
    for client in (ann, bob):
        client.join(room)
    for wrong in ({"room": room}, {"room": room, "typing": 1}, {**payload, "user": "bob"}, None):
        assert ann.call("typing", wrong)["error"]["code"] == "bad_request", wrong
    assert ann.call("typing", {"room": "a b", "typing": True})["error"]["code"] == "room_invalid"
    answers = [ann.call("typing", payload) for _ in range(40)]
    refused = [answer["error"] for answer in answers if not answer["ok"]]
    assert refused
    assert {(error["code"], error["definite"]) for error in refused} == {("rate_limited", True)}
    assert all(0 < error["retry_after_ms"] <= 200 for error in refused)
    passed = len(answers) - len(refused)
    bob.wait_for(lambda: len(bob.payloads("typing")) == passed, "what was not refused")
    assert bob.call("typing", payload)["ok"], "the bound is each connection's own"
