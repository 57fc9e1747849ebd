"""Who may use a node, and how much of it."""

import threading
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
import socketio
import socketio.exceptions

pytestmark = pytest.mark.process

TOKEN = "a token that ✓ nobody guesses"


@pytest.fixture
def guarded(world: Any) -> Any:
    """A node that wants a token."""
    return world.node("guarded", TOKEN=TOKEN)


def refusal(node: Any, auth: Any) -> Any:
    """Connect; return what a client is told that is refused, `None` where it is not."""
    told: list[Any] = []
    client = socketio.Client(reconnection=False)
    client.on("connect_error", told.append)
    try:
        client.connect(node.url, transports=["websocket"], auth=auth, wait_timeout=10)
    except socketio.exceptions.ConnectionError:
        return told[0]
    finally:
        client.disconnect()
    return None


@pytest.mark.parametrize(
    "auth",
    [
        {"user": "ann"},
        {"user": "ann", "token": None},
        {"user": "ann", "token": ""},
        {"user": "ann", "token": TOKEN + "x"},
        {"user": "ann", "token": TOKEN[:-1]},
        {"user": "ann", "token": "\ud800"},
    ],
)
def test_token__missing_or_wrong__refused_as_unauthorized(guarded: Any, auth: Any) -> None:
    told = refusal(guarded, auth)
    assert told["data"] == {"code": "unauthorized"}
    assert told["message"]
    assert TOKEN not in str(told)
    assert guarded.get("/info")[1]["connections"] == 0


def test_token__right__welcome(guarded: Any) -> None:
    assert refusal(guarded, {"user": "ann", "token": TOKEN}) is None


def test_token__malformed__bad_request_before_all(guarded: Any) -> None:
    assert refusal(guarded, {"user": "ann", "token": 5})["data"] == {"code": "bad_request"}


def test_token__none_set__any_will_do(pair: Any) -> None:
    assert refusal(pair[0], {"user": "ann", "token": "whatever"}) is None


@pytest.mark.parametrize("path", ["/rooms", "/rooms/r/messages", "/rooms/r/users", "/rooms/", "//rooms"])
def test_token__over_http__guards_what_was_said(guarded: Any, path: str) -> None:
    status, body = guarded.get(path)
    assert status in (401, 404)
    assert status == 404 or body["error"]["code"] == "unauthorized"


def test_token__over_http__given_is_enough_and_probes_need_none(guarded: Any) -> None:
    for path in ("/health", "/ready", "/info", "/peers"):
        assert guarded.get(path)[0] == 200
    header = {"Authorization": f"Bearer {TOKEN}".encode().decode("latin-1")}
    request = urllib.request.Request(f"{guarded.url}/rooms/r/messages", headers=header)
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200


def test_rate__more_than_allowed__refused_definitely_until_the_time_told(world: Any, room: str) -> None:
    node = world.node("slow", SENDS_PER_SECOND="2")
    ann = world.client(node)
    ann.join(room)
    answers = [ann.send(room, f"{n}", producer="p", n=n) for n in (1, 2, 3)]
    assert [answer["ok"] for answer in answers] == [True, True, False]
    error = answers[2]["error"]
    assert (error["code"], error["definite"]) == ("rate_limited", True)
    assert 0 < error["retry_after_ms"] <= 500
    time.sleep(error["retry_after_ms"] / 1000)  # As long as the node said, and no longer.
    assert ann.send(room, "3", producer="p", n=3)["seq"] == 3
    assert len(node.messages(room)) == 3


def test_rate__of_one_connection__leaves_the_others_alone(world: Any, room: str) -> None:
    node = world.node("slow", SENDS_PER_SECOND="1")
    ann, bob = world.client(node, "ann"), world.client(node, "bob")
    ann.join(room)
    bob.join(room)
    codes = []
    flood = threading.Thread(target=lambda: codes.extend(ann.send(room, "x")["ok"] for _ in range(20)))
    flood.start()
    assert bob.send(room, "mine")["ok"]
    flood.join()
    assert codes.count(False) >= 15


def test_rate__not_set__no_limit(pair: Any, world: Any, room: str) -> None:
    ann = world.client(pair[0])
    ann.join(room)
    assert all(ann.send(room, "x")["ok"] for _ in range(200))
