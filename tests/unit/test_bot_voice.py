"""What bots say, how late they are, and what they page."""

import json
from statistics import mean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bots import paging
from harness.bots.chatter import Chatter
from harness.bots.lag import Lag
from harness.bots.wire import Malformed


def test_pauses_keep_the_rate() -> None:
    chatter = Chatter(1, 4.0)
    pauses = [chatter.pause_s() for _ in range(2000)]
    assert mean(pauses) == pytest.approx(0.25, rel=0.05)
    assert min(pauses) >= 0.125
    assert max(pauses) <= 0.375


def test_silent_bot_says_so() -> None:
    assert Chatter(1, 0.0).is_silent
    assert not Chatter(1, 0.1).is_silent


def test_bodies_are_varied_and_fit_into_a_message() -> None:
    chatter = Chatter(3, 1.0)
    bodies = [chatter.body() for _ in range(600)]
    assert max(len(body.encode()) for body in bodies) < 8 * 1024 - 100
    assert max(len(body) for body in bodies) > 1000
    assert any(not body.isascii() for body in bodies)


@given(st.integers(0, 2**32))
def test_texts_do_not_depend_on_the_pace(seed: int) -> None:
    hasty, slow = Chatter(seed, 9.0), Chatter(seed, 0.1)
    for _ in range(3):
        hasty.pause_s()
    assert [hasty.body() for _ in range(5)] == [slow.body() for _ in range(5)]


def test_p99_is_the_maximum_below_100_samples() -> None:
    lag = Lag()
    assert (lag.max_ms, lag.p99_ms) == (0.0, 0.0)
    for sample in range(99):
        lag.add(float(sample))
    assert lag.p99_ms == lag.max_ms == 98.0
    lag.add(1000.0)
    assert (lag.p99_ms, lag.max_ms) == (98.0, 1000.0)


def test_newest_lag_is_the_worst_since_last_asked() -> None:
    lag = Lag()
    lag.add(3.0)
    lag.add(1.0)
    assert lag.take_newest() == 3.0
    assert lag.take_newest() == 0.0


class Store:
    """REST pages of `size` messages of a log with positions 1 to 20."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.urls: list[str] = []

    def __call__(self, url: str) -> tuple[int, bytes]:
        self.urls.append(url)
        query = dict(part.split("=") for part in url.partition("?")[2].split("&"))
        after, before = int(query["after"]), int(query["before"])
        page = [{"seq": seq} for seq in range(after + 1, before)][: self.size]
        return 200, json.dumps({"messages": page}).encode()


@given(st.integers(0, 19), st.integers(1, 20), st.integers(1, 7))
def test_pages_cover_what_lies_between_exactly_once(after: int, before: int, size: int) -> None:
    store = Store(size)
    seqs = [m["seq"] for page in paging.pages("http://n", "r", after, before, get=store) for m in page]
    assert seqs == list(range(after + 1, before))
    assert len(store.urls) == -(-len(seqs) // size)


def test_room_is_quoted_in_the_address() -> None:
    store = Store(9)
    list(paging.pages("http://n:1", "a/b", 0, 3, get=store))
    assert store.urls[0].startswith("http://n:1/rooms/a%2Fb/messages?after=0&before=3&limit=")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, {"error": {"code": "store_unavailable"}}),
        (200, ["no page"]),
        (200, {"messages": 3}),
        (200, {"messages": [{"seq": 0}]}),
        (200, {"messages": ["?"]}),
    ],
)
def test_answers_that_are_no_pages_are_malformed(status: int, body: Any) -> None:
    with pytest.raises(Malformed):
        list(paging.pages("http://n", "r", 0, 5, get=lambda url: (status, json.dumps(body).encode())))
