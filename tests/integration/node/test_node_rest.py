"""REST: pages from the store and from the node's memory."""

from typing import Any

import pytest

pytestmark = pytest.mark.process


@pytest.fixture
def filled(pair: Any, world: Any, room: str) -> str:
    """A room with 30 messages."""
    ann = world.client(pair[0])
    ann.join(room)
    for n in range(1, 31):
        assert ann.send(room, f"{n}", producer="p", n=n)["seq"] == n
    bob = world.client(pair[1])
    bob.join(room)  # so that the other node's tail has been there, too
    return room


@pytest.mark.parametrize("source", ["store", "tail"])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", range(1, 31)),
        ("limit=7", range(24, 31)),
        ("after=0&limit=10", range(1, 11)),
        ("after=10&limit=10", range(11, 21)),
        ("after=25", range(26, 31)),
        ("after=30", range(0)),
        ("after=99", range(0)),
        ("before=4", range(1, 4)),
        ("before=20&limit=5", range(15, 20)),
        ("before=1", range(0)),
        ("before=0", range(0)),
        ("before=99&limit=2", range(29, 31)),
        ("after=5&before=8", range(6, 8)),
        ("after=5&before=20&limit=3", range(6, 9)),
        ("after=20&before=5", range(0)),
    ],
)
def test_messages__any_page__bounds_exclusive_ascending(
    pair: Any, filled: str, source: str, query: str, expected: range
) -> None:
    for node in pair:
        status, page = node.get(f"/rooms/{filled}/messages?{query}&source={source}")
        assert status == 200
        assert [message["seq"] for message in page["messages"]] == list(expected)
        assert (page["room"], page["first"], page["head"]) == (filled, 1, 30)
        assert page["epochs"] == [{"epoch": page["epoch"], "first": 1, "last": 30}]


def test_messages__both_sources_and_live__the_same_message(pair: Any, world: Any, room: str) -> None:
    ann = world.client(pair[0])
    ann.join(room)
    ann.send(room, "one and the same ✓", producer="p", n=1)
    ann.wait_for(lambda: ann.live(room), "the live message")
    for source in ("store", "tail"):
        assert pair[0].messages(room, f"source={source}") == ann.live(room)


def test_messages__unknown_room__empty(pair: Any) -> None:
    for source in ("store", "tail"):
        status, page = pair[0].get(f"/rooms/nobody-was-here/messages?source={source}")
        assert status == 200
        assert (page["messages"], page["epochs"], page["first"], page["head"]) == ([], [], None, 0)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/rooms/a/messages?limit=0", 400, "bad_request"),
        ("/rooms/a/messages?limit=1001", 400, "bad_request"),
        ("/rooms/a/messages?after=-1", 400, "bad_request"),
        ("/rooms/a/messages?after=1e3", 400, "bad_request"),
        ("/rooms/a/messages?before=%C2%B2", 400, "bad_request"),
        ("/rooms/a/messages?source=elsewhere", 400, "bad_request"),
        ("/rooms/a%20b/messages", 400, "room_invalid"),
        (f"/rooms/{'a' * 65}/users", 400, "room_invalid"),
        ("/nowhere", 404, "not_found"),
    ],
)
def test_error__any__status_and_error_object(pair: Any, path: str, status: int, code: str) -> None:
    found, body = pair[0].get(path)
    assert (found, body["error"]["code"]) == (status, code)
    assert body["error"]["message"]


def test_info_rooms_health__on_a_running_node__what_the_protocol_says(pair: Any, filled: str) -> None:
    info = pair[0].get("/info")[1]
    assert (info["server_id"], info["version"], info["delivery"]) == ("node-1", 1, "durable")
    assert (info["url"], info["draining"]) == (pair[0].url, False)
    assert filled in pair[0].get("/rooms")[1]["rooms"]
    status, health = pair[0].get("/health")
    assert (status, health["status"], health["redis"]["up"]) == (200, "ok", True)
    assert health["epoch"]
    assert pair[0].get("/ready") == (200, {"ready": True})
