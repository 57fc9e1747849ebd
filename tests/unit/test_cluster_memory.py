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


def test_memory__over_the_common_limit__forgets_the_rooms_written_longest_ago__never_those_in_use() -> None:
    memory = TailMemory(limit=2)
    rooms = [f"r{i}" for i in range(ALL_ROOMS_FACTOR + 5)]
    for room in rooms:
        tail = memory.open(room, 0)
        memory.extend(room, tail, 1, [BODY, BODY])
    assert memory.full
    before = memory.forgotten
    memory.shrink(keep=frozenset(["r0"]))
    assert not memory.full
    assert memory.forgotten > before
    assert memory.get("r0") is not None
    assert memory.get("r1") is None
    assert memory.get(rooms[-1]) is not None
