"""Roaming: a bot leaves its room now and then, and is back in it when the load is over."""

import pytest

from harness import clock
from harness.bots.roaming import Roaming, Step


def test_who_stays_never_leaves() -> None:
    roaming = Roaming(1, None)
    roaming.begin(0)
    assert roaming.next_ns is None
    assert roaming.due(10**12, may_leave=True) is None


def test_leaves_and_returns_in_turn() -> None:
    roaming = Roaming(1, 4.0)
    roaming.begin(0)
    assert roaming.due(clock.NS, may_leave=True) is None
    leaves_ns = roaming.next_ns
    assert leaves_ns is not None
    assert 2 * clock.NS <= leaves_ns <= 6 * clock.NS
    assert roaming.due(leaves_ns, may_leave=True) is Step.LEAVE
    roaming.left(leaves_ns)
    assert roaming.due(leaves_ns, may_leave=True) is None
    back_ns = roaming.next_ns
    assert back_ns is not None
    assert roaming.due(back_ns, may_leave=True) is Step.RETURN


def test_when_the_load_is_over_who_is_away_returns_and_nobody_leaves() -> None:
    away, inside = Roaming(1, 4.0), Roaming(1, 4.0)
    away.begin(0)
    away.left(0)
    assert away.due(1, may_leave=False) is Step.RETURN
    away.begin(1)
    inside.begin(0)
    for roaming in (away, inside):
        assert roaming.due(10**12, may_leave=False) is None
        assert roaming.next_ns is None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_seed_roams_the_same(seed: int) -> None:
    one, other = Roaming(seed, 4.0), Roaming(seed, 4.0)
    for _ in range(5):
        one.begin(0)
        other.begin(0)
        assert one.next_ns == other.next_ns
