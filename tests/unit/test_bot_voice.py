"""What bots say, how late they are, and what they page."""

from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bots.chatter import Chatter
from harness.bots.lag import Lag


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
