"""What a node thinks of another: heartbeats first, the lease second; and when it is cut off alone."""

from typing import Any

import pytest

from cluster.members.peers import Peer, RedisSeen, State, Word, cut_off_alone
from cluster.members.registry import NodeRecord

UP = RedisSeen(up=True, age_ms=0, up_ms=60_000)


def word(*, draining: bool = False, redis: RedisSeen = UP, incarnation: str = "i") -> Word:
    return Word(
        server_id="b",
        url="http://b",
        sync_url="http://b:1",
        incarnation=incarnation,
        draining=draining,
        redis=redis,
    )


def record(*, age_ms: int = 0, draining: bool = False, incarnation: str = "i") -> NodeRecord:
    return NodeRecord(
        server_id="b",
        url="http://old",
        sync_url="http://old:1",
        incarnation=incarnation,
        draining=draining,
        age_ms=age_ms,
    )


def peer(known_s: float = 0.0) -> Peer:
    return Peer(server_id="b", url="http://b", sync_url="http://b:1", incarnation="i", known_s=known_s)


def heard(now_s: float, **more: Any) -> Peer:
    found = peer()
    found.answered(word(**more), now_s=now_s, round_trip_ms=1.5)
    return found


@pytest.mark.parametrize(
    ("silent_s", "state"),
    [(0.0, State.ALIVE), (2.4, State.ALIVE), (2.5, State.SUSPECT), (5.9, State.SUSPECT), (6.0, State.DEAD)],
)
def test_state__silent__suspect_then_dead(silent_s: float, state: State) -> None:
    assert heard(100.0).state(100.0 + silent_s) is state


def test_state__never_heard__counts_from_when_it_was_known() -> None:
    assert [peer(100.0).state(at) for at in (101.0, 103.0, 106.0)] == [State.ALIVE, State.SUSPECT, State.DEAD]


def test_state__refused__suspect_at_once_and_dead_before_a_silent_one() -> None:
    b = heard(100.0)
    b.refused(100.5)
    b.refused(101.5)
    assert b.state(100.5) is State.SUSPECT
    assert b.state(102.4) is State.SUSPECT
    assert b.state(102.5) is State.DEAD
    b.answered(word(), now_s=103.0, round_trip_ms=1.0)
    assert b.state(103.0) is State.ALIVE


def test_state__refused_but_it_calls_us__alive() -> None:
    b = heard(100.0)
    b.refused(101.0)
    b.called(word(), 101.5)
    b.refused(102.0)
    assert b.state(103.0) is State.ALIVE
    assert b.state(104.0) is State.SUSPECT


def test_state__lease_fresh__never_dead_for_who_cannot_reach_it() -> None:
    b = heard(100.0)
    b.refused(101.0)
    b.registered(record(age_ms=500), 110.0)
    assert b.state(110.0) is State.SUSPECT
    assert b.state(113.4) is State.SUSPECT
    assert b.state(113.5) is State.DEAD, "as soon as its lease is late"


def test_state__draining__as_long_as_it_is_heard() -> None:
    b = heard(100.0, draining=True)
    assert b.state(101.0) is State.DRAINING
    assert b.state(103.0) is State.SUSPECT
    b.answered(word(), now_s=104.0, round_trip_ms=1.0)
    assert b.state(104.0) is State.ALIVE, "it is in service again"


def test_registered__heard_since_its_stamp__its_own_word_counts() -> None:
    b = heard(100.0)
    b.registered(record(age_ms=1000, draining=True, incarnation="before"), 100.5)
    assert (b.url, b.incarnation, b.draining) == ("http://b", "i", False)
    b.registered(record(age_ms=0, incarnation="next"), 101.0)
    assert (b.url, b.incarnation) == ("http://old", "next")


def alone(b: Peer, *, answered_s: float, now_s: float) -> bool:
    return cut_off_alone((b,), answered_s=answered_s, now_s=now_s, patience_s=2.0)


def test_cut_off_alone__redis_answers_the_peer_alone_for_two_seconds__yes() -> None:
    assert not alone(heard(101.9), answered_s=100.0, now_s=101.9)
    assert alone(heard(102.0), answered_s=100.0, now_s=102.0)


def test_cut_off_alone__all_have_lost_it__no() -> None:
    # The peer's last answer came up to a second later than ours: reads block that long.
    silent = RedisSeen(up=True, age_ms=2000, up_ms=60_000)
    assert not alone(heard(103.0, redis=silent), answered_s=100.0, now_s=103.0)
    down = RedisSeen(up=False, age_ms=8000, up_ms=0)
    assert not alone(heard(110.0, redis=down), answered_s=100.0, now_s=110.0)


def test_cut_off_alone__outage_of_all_and_the_peer_comes_back_first__not_within_two_seconds() -> None:
    back = RedisSeen(up=True, age_ms=0, up_ms=1900)
    assert not alone(heard(110.0, redis=back), answered_s=100.0, now_s=110.0)
    longer = RedisSeen(up=True, age_ms=0, up_ms=2000)
    assert alone(heard(110.0, redis=longer), answered_s=100.0, now_s=110.0)


def test_cut_off_alone__the_peer_drains_or_is_silent__no() -> None:
    assert not alone(heard(110.0, draining=True), answered_s=100.0, now_s=110.0)
    assert not alone(heard(110.0), answered_s=100.0, now_s=113.0)
