"""When packets may go: in order, as late as told, and no more bytes a second than told."""

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.backends.netns.shape import MOST_WAITING, Shape

gaps = st.lists(st.floats(0, 0.05), min_size=1, max_size=50)
sizes = st.lists(st.integers(40, 1500), min_size=1, max_size=50)


@given(gaps=gaps, jitter_s=st.floats(0, 0.2), seed=st.integers(0, 99))
def test_packets_of_one_way_keep_their_order_and_wait_within_the_jitter(
    gaps: list[float], jitter_s: float, seed: int
) -> None:
    shape = Shape(delay_s=0.1, jitter_s=jitter_s, choice=random.Random(seed))
    now, gone, came = 0.0, [], []
    for gap in gaps:
        now += gap
        at = shape.release_at("way", 100, now)
        assert at is not None
        came.append(now)
        gone.append(at)
    assert all(one <= next_ for one, next_ in pairwise(gone))
    assert all(at >= now + max(0.0, 0.1 - jitter_s) - 1e-9 for now, at in zip(came, gone, strict=True))
    assert all(at <= now + 0.1 + jitter_s + 1e-9 for now, at in zip(came, gone, strict=True))


@given(gaps=gaps, sizes=sizes)
def test_no_more_than_the_rate_passes_and_nothing_is_lost(gaps: list[float], sizes: list[int]) -> None:
    rate = 20_000
    shape = Shape(bytes_per_s=rate)
    now, passed = 0.0, 0
    for gap, size in zip(gaps, sizes, strict=False):
        now += gap
        at = shape.release_at("way", size, now)
        assert at is not None
        passed += size
        assert passed <= rate * at + 1e-6
        assert at <= now + passed / rate + 1e-9


def test_a_burst_beyond_the_room_is_lost_and_later_packets_find_room_again() -> None:
    shape = Shape(bytes_per_s=1024)
    fates = [shape.release_at("way", 1024, 0.0) for _ in range(MOST_WAITING + 2)]
    assert [fate is None for fate in fates] == [False] * MOST_WAITING + [True] * 2
    assert shape.release_at("way", 1024, 0.5) is None
    assert shape.release_at("way", 1024, 1.0) == MOST_WAITING + 1
    assert shape.release_at("way", 1024, 1.0) is None


def test_ways_have_their_rates_and_delays_for_themselves() -> None:
    shape = Shape(bytes_per_s=1000)
    assert shape.release_at("one", 1000, 0.0) == 1.0
    assert shape.release_at("other", 1000, 0.0) == 1.0
    assert shape.release_at("one", 1000, 0.0) == 2.0


def test_a_shape_of_nothing_lets_all_pass_at_once() -> None:
    assert Shape().release_at("way", 1500, 5.0) == 5.0
