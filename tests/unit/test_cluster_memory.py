"""The tail's memory: contiguous, bounded, and honest about what it no longer has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.delivery.memory import ALL_ROOMS_FACTOR, RoomTail, TailMemory

BODY = b'{"room":"r"}'


def tail_of(first: int, last: int, limit: int = 1000) -> RoomTail:
    tail = RoomTail(first - 1, limit)
    tail.extend(first, [BODY] * (last + 1 - first))
    return tail


optional = st.none() | st.integers(0, 60)


@given(st.integers(1, 30), st.integers(0, 40), st.integers(1, 50), optional, optional, st.integers(1, 20))
def test_page__any__as_a_list_would_have_it(
    first: int, count: int, kept: int, after: int | None, before: int | None, limit: int
) -> None:
    tail = tail_of(first, first + count - 1, kept)
    here = list(range(first, first + count))[-kept:]
    wanted = [seq for seq in here if (before is None or seq < before) and (after is None or seq > after)]
    expected = wanted[-limit:] if after is None else wanted[:limit]
    assert [m.seq for m in tail.page(after=after, before=before, limit=limit)] == expected


@given(st.integers(1, 30), st.integers(0, 40), st.integers(1, 50), st.integers(0, 80))
def test_after__any_seq__all_that_follows_or_nothing(first: int, count: int, kept: int, seq: int) -> None:
    tail = tail_of(first, first + count - 1, kept)
    here = list(range(first, first + count))[-kept:]
    found = tail.after(seq)
    if seq >= tail.last:
        assert found == []
    elif here and seq + 1 >= here[0]:
        assert [m.seq for m in found or []] == list(range(seq + 1, tail.last + 1))
    else:
        assert found is None


def test_append__a_hole__refused() -> None:
    tail = tail_of(1, 3)
    for seq in (3, 5):
        with pytest.raises(ValueError, match="does not follow"):
            tail.extend(seq, [BODY])


def test_memory__over_the_common_limit__drops_the_rooms_written_longest_ago__never_those_in_use() -> None:
    memory = TailMemory(2, lambda room: room == "r0")
    rooms = [f"r{i}" for i in range(ALL_ROOMS_FACTOR + 5)]
    with memory.kept("r1"):
        for room in rooms:
            tail = memory.open(room, 0)
            memory.extend(room, tail, 1, [BODY, BODY])
    here = [room for room in rooms if memory.get(room) is not None]
    assert here[:2] == ["r0", "r1"]
    assert here[2:] == rooms[-len(here) + 2 :]
    assert 3 * (len(here) - 1) <= 2 * ALL_ROOMS_FACTOR < 3 * (len(here) + 1)
    assert memory.forgotten == 0, "nobody who uses a room has lost anything"


def test_memory__rooms_without_a_message__bounded_as_well() -> None:
    memory = TailMemory(2, lambda room: False)
    for number in range(1000):
        memory.open(f"r{number}", 0)
    assert len(memory.rooms()) <= 2 * ALL_ROOMS_FACTOR + 1


def test_memory__two_joins_to_one_room__kept_until_both_are_over() -> None:
    memory = TailMemory(1, lambda room: False)
    memory.open("r", 0)
    with memory.kept("r"):
        with memory.kept("r"):
            pass
        for number in range(100):
            memory.open(f"other-{number}", 0)
        assert memory.get("r") is not None
    for number in range(100):
        memory.open(f"another-{number}", 0)
    assert memory.get("r") is None
