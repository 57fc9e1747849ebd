"""Pings: each connection is asked when it is due, and ended when it does not answer."""

import time

import pytest

from cluster.transport.keepalive import Keepalive


class Connection:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.closed = False
        self.heard: list[str] = []

    def ping(self) -> None:
        self.heard.append("ping")

    def silent(self) -> None:
        self.heard.append("silent")
        self.closed = True

    def linger_over(self) -> None:
        self.heard.append("over")

    def greeting_over(self) -> None:
        self.heard.append("greeting over")


@pytest.fixture
def keepalive() -> Keepalive:
    return Keepalive(interval_s=5, timeout_s=3, linger_s=1, greeting_s=2)


def test_ping__after_the_interval_and_not_before(keepalive: Keepalive) -> None:
    began, ann = time.monotonic(), Connection()
    keepalive.begin(ann)
    keepalive.round(began + 4.9)
    assert ann.heard == []
    keepalive.round(began + 5.1)
    keepalive.round(began + 7)
    assert ann.heard == ["ping"]


def test_answer__in_time__asked_again_after_another_interval(keepalive: Keepalive) -> None:
    began, ann = time.monotonic(), Connection()
    keepalive.begin(ann)
    keepalive.round(began + 5.1)
    keepalive.answered(ann)
    keepalive.round(time.monotonic() + 5.1)
    assert ann.heard == ["ping", "ping"]


def test_no_answer__silent_once_the_timeout_is_over(keepalive: Keepalive) -> None:
    began, ann, bob = time.monotonic(), Connection(), Connection()
    keepalive.begin(ann)
    keepalive.begin(bob)
    keepalive.round(began + 5.1)
    keepalive.answered(bob)
    keepalive.round(began + 8.0)
    assert ann.heard == ["ping"]
    keepalive.round(began + 8.2)
    keepalive.round(began + 9)
    assert ann.heard == ["ping", "silent"]
    assert "silent" not in bob.heard


def test_answer__that_nobody_asked_for__means_nothing(keepalive: Keepalive) -> None:
    began, ann = time.monotonic(), Connection()
    keepalive.begin(ann)
    for _ in range(100):
        keepalive.answered(ann)
    keepalive.round(began + 5.1)
    assert ann.heard == ["ping"], "a flood of pongs is no flood of pings"


def test_answer__to_an_older_ping__does_not_save_from_the_next(keepalive: Keepalive) -> None:
    began, ann = time.monotonic(), Connection()
    keepalive.begin(ann)
    keepalive.round(began + 5.1)
    keepalive.answered(ann)
    again = time.monotonic() + 5.1
    keepalive.round(again)
    keepalive.round(again + 3.1)
    assert ann.heard == ["ping", "ping", "silent"]


def test_over__whatever_was_due__nobody_is_asked(keepalive: Keepalive) -> None:
    began, ann = time.monotonic(), Connection()
    keepalive.begin(ann)
    ann.closed = True
    keepalive.forget(ann)
    keepalive.round(began + 60)
    assert ann.heard == []


def test_goodbye__after_its_time__over(keepalive: Keepalive) -> None:
    began, ann = time.monotonic(), Connection()
    keepalive.linger(ann)
    keepalive.round(began + 0.9)
    assert ann.heard == []
    keepalive.round(began + 1.1)
    assert ann.heard == ["over"]


def test_greeting__after_its_time__over_unless_the_connection_is(keepalive: Keepalive) -> None:
    began, ann, bob = time.monotonic(), Connection(), Connection()
    keepalive.greet(ann)
    keepalive.greet(bob)
    bob.closed = True
    keepalive.round(began + 1.9)
    assert ann.heard == []
    keepalive.round(began + 2.1)
    assert (ann.heard, bob.heard) == (["greeting over"], [])


def test_stall__of_the_node_itself__answers_are_read_before_anybody_is_called_silent(
    keepalive: Keepalive,
) -> None:
    began, ann, bob = time.monotonic(), Connection(), Connection()
    for one in (ann, bob):
        keepalive.begin(one)
    keepalive.round(began + 5.1)
    keepalive.stalled(began + 60)
    keepalive.round(began + 60)
    assert (ann.heard, bob.heard) == (["ping"], ["ping"])
    keepalive.answered(ann)
    keepalive.round(began + 61.1)
    assert "silent" not in ann.heard
    assert bob.heard == ["ping", "silent"]
