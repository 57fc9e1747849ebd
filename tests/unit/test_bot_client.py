"""The bots' Socket.IO client, given frames; in a process of its own, because Locust patches sockets."""

import json
import subprocess
import sys

import pytest

# Dials with an Engine.IO that reads the given frames at once; prints what the listener heard, as JSON.
DIAL = """
from gevent import monkey
monkey.patch_all()
import json, sys
import gevent
from harness.bots.client import ConnectFailed, ReadingClient
from harness.bots.wire import Reader

heard = []

class Listener:
    def accepted(self, t_ns): heard.append(["accepted", ""])
    def message(self, t_ns, sighting): heard.append(["message", sighting.room])
    def event(self, t_ns, name, args): heard.append(["event", name])
    def odd(self, t_ns, what): heard.append(["odd", what])
    def lost(self, t_ns, reason): heard.append(["lost", reason])

client = ReadingClient(None, reader=Reader(lambda text: 1), timeout_s=0.2, spawn=gevent.spawn)
client.eio.connect = lambda *args, **options: [client.eio.on_text(text) for text in sys.argv[1:]]
try:
    client.dial("http://127.0.0.1:1", {}, Listener())
except ConnectFailed as error:
    heard.append(["failed", str(error)])
print(json.dumps(heard))
"""
YES = '0{"sid":"a"}'


def heard(*frames: str) -> list[tuple[str, str]]:
    """Return what a listener hears of the frames of a connection that is being made."""
    done = subprocess.run(
        [sys.executable, "-c", DIAL, *frames], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return [(kind, what) for kind, what in json.loads(done.stdout)]


def test_connection_is_accepted_once_and_what_comes_then_is_heard() -> None:
    assert heard(YES, '2["user_list",{}]', '2["message",{"room":"r"}]') == [
        ("accepted", ""),
        ("event", "user_list"),
        ("message", "r"),
    ]


@pytest.mark.parametrize("again", [YES, '0/,{"sid":"b"}', '0/other,{"sid":"b"}'])
def test_second_acceptance_is_odd(again: str) -> None:
    (first, second) = heard(YES, again)
    assert first == ("accepted", "")
    assert second[0] == "odd"
    assert "CONNECT" in second[1]


def test_acceptance_of_another_namespace_is_none() -> None:
    other, failed = heard('0/other,{"sid":"b"}')
    assert other[0] == "odd"
    assert "'/other'" in other[1]
    assert failed == ("failed", "connect failed: nothing within 0.2 s")
    assert [kind for kind, _ in heard('0/other,{"sid":"b"}', YES)] == ["odd", "accepted"]


@pytest.mark.parametrize(
    ("text", "named"),
    [("7{}", "kind 7 of namespace '/': {}"), ("3[1]", "ACK of namespace '/': [1]")],
)
def test_packet_that_nothing_asked_for_is_odd_and_named(text: str, named: str) -> None:
    odd = ("odd", f"a Socket.IO packet that nothing asked for, {named}")
    assert heard(YES, text) == [("accepted", ""), odd]


def test_acceptance_after_a_refusal_is_odd() -> None:
    odd, failed = heard('4{"message":"no"}', YES)
    assert odd[0] == "odd"
    assert failed[0] == "failed"
