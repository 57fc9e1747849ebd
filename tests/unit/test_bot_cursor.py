"""The cursor: the last contiguous position that a bot received."""

from hypothesis import given
from hypothesis import strategies as st

from harness.bots.cursor import Cursor

E = "epoch-a"


def snapshot(cursor: Cursor, *seqs: int, epoch: str = E) -> tuple[int, int] | None:
    return cursor.history(epoch, seqs, recovered=False, more=False)


def resume(cursor: Cursor, *seqs: int) -> tuple[int, int] | None:
    return cursor.history(E, seqs, recovered=True, more=False)


def at(seq: int) -> Cursor:
    cursor = Cursor()
    snapshot(cursor)
    cursor.joined(E, seq)
    return cursor


def test_new_cursor_has_no_position() -> None:
    assert Cursor().position is None


def test_snapshot_sets_the_cursor_at_its_end() -> None:
    cursor = Cursor()
    assert snapshot(cursor, 51, 52, 53) is None
    assert cursor.position == (E, 53)


def test_acknowledgement_sets_the_cursor_only_where_the_history_was_empty() -> None:
    cursor = Cursor()
    snapshot(cursor, 1, 2)
    cursor.joined(E, 9)
    assert cursor.position == (E, 2)
    assert at(7).position == (E, 7)


def test_empty_room_gives_a_cursor_before_the_first_message() -> None:
    cursor = at(0)
    assert cursor.position == (E, 0)
    cursor.live(E, 1)
    assert cursor.position == (E, 1)


def test_gap_holds_the_cursor_until_it_is_filled() -> None:
    cursor = at(3)
    cursor.live(E, 5)
    cursor.live(E, 6)
    assert cursor.position == (E, 3)
    cursor.live(E, 4)
    assert cursor.position == (E, 6)


def test_duplicates_move_nothing() -> None:
    cursor = at(3)
    cursor.live(E, 3)
    cursor.live(E, 1)
    assert cursor.position == (E, 3)


def test_resume_goes_on_from_the_cursor() -> None:
    cursor = at(3)
    assert resume(cursor, 4, 5) is None
    cursor.joined(E, 5)
    assert cursor.position == (E, 5)


def test_resume_in_chunks_goes_on_from_chunk_to_chunk() -> None:
    cursor = Cursor()
    cursor.history(E, [1, 2], recovered=False, more=True)
    cursor.history(E, [3, 4], recovered=False, more=False)
    assert cursor.position == (E, 4)


def test_gap_between_the_chunks_of_a_snapshot_holds_the_cursor() -> None:
    cursor = Cursor()
    cursor.history(E, [1, 2], recovered=False, more=True)
    cursor.history(E, [4], recovered=False, more=False)
    assert cursor.position == (E, 2)


def test_acknowledgement_ends_a_history_that_promised_more() -> None:
    cursor = Cursor()
    cursor.history(E, [1, 2], recovered=False, more=True)
    cursor.joined(E, 2)
    snapshot(cursor, 8, 9)
    assert cursor.position == (E, 9)


def test_acknowledgement_of_another_epoch_than_its_history_sets_nothing() -> None:
    cursor = Cursor()
    snapshot(cursor)
    cursor.joined("epoch-b", 7)
    assert cursor.position is None


def test_snapshot_after_a_chunk_that_was_cut_off_begins_anew() -> None:
    cursor = Cursor()
    cursor.history(E, [1, 2], recovered=False, more=True)
    cursor.cut_off()
    snapshot(cursor, 8, 9)
    assert cursor.position == (E, 9)


def test_snapshot_tells_what_it_leaves_out() -> None:
    cursor = at(3)
    assert snapshot(cursor, 8, 9) == (3, 8)
    assert cursor.position == (E, 9)


def test_snapshot_that_leaves_nothing_out_says_so() -> None:
    assert snapshot(at(3), 4, 5) is None
    assert snapshot(at(9), 4, 5) is None


def test_only_the_first_chunk_of_a_snapshot_leaves_something_out() -> None:
    cursor = at(1)
    assert cursor.history(E, [5], recovered=False, more=True) == (1, 5)
    assert cursor.history(E, [6], recovered=False, more=False) is None


def test_unannounced_epoch_moves_nothing() -> None:
    cursor = at(3)
    cursor.live("epoch-b", 4)
    assert cursor.position == (E, 3)


def test_announced_epoch_begins_with_its_first_message() -> None:
    cursor = at(3)
    snapshot(cursor, epoch="epoch-b")
    assert cursor.position is None
    cursor.live("epoch-b", 4)
    assert cursor.position == ("epoch-b", 4)


def test_cluster_without_positions_never_gives_a_cursor() -> None:
    cursor = Cursor()
    assert cursor.history(None, [None], recovered=False, more=False) is None
    cursor.joined(None, None)
    cursor.live(None, None)
    assert cursor.position is None


def test_head_is_reached_in_its_own_epoch_only() -> None:
    cursor = at(3)
    assert cursor.has_reached(E, 3)
    assert not cursor.has_reached(E, 4)
    assert not cursor.has_reached("epoch-b", 3)
    assert cursor.has_reached("epoch-b", 0)
    assert cursor.has_reached(None, 0)


@given(st.permutations(range(1, 12)), st.lists(st.integers(1, 11), max_size=8))
def test_whatever_the_order_the_cursor_is_the_longest_prefix(order: list[int], again: list[int]) -> None:
    cursor = at(0)
    received: set[int] = set()
    for seq in [*order[:8], *again]:
        if seq in again and seq not in received:
            continue
        received.add(seq)
        cursor.live(E, seq)
        prefix = next(n for n in range(12) if n + 1 not in received)
        assert cursor.position == (E, prefix)


@given(st.lists(st.sets(st.integers(1, 30)), max_size=6))
def test_cursor_never_falls_within_an_epoch(bursts: list[set[int]]) -> None:
    cursor = at(0)
    last = 0
    for burst in bursts:
        for seq in sorted(burst, reverse=True):
            cursor.live(E, seq)
        assert cursor.position is not None
        assert cursor.position[1] >= last
        last = cursor.position[1]
        resume(cursor, *range(last + 1, last + 3))
        assert cursor.position[1] >= last + 2
        last = cursor.position[1]


# Over epochs

NEW = "epoch-b"


def crossing(cursor: Cursor, *seqs: int, more: bool = False) -> tuple[int, int] | None:
    return cursor.history(NEW, seqs, recovered=True, more=more)


def test_recovered_history_of_a_newer_epoch_takes_the_cursor_along() -> None:
    cursor = at(3)
    assert crossing(cursor, 4, 5) is None
    assert cursor.position == (NEW, 5)
    cursor.joined(NEW, 5)
    cursor.live(NEW, 6)
    assert cursor.position == (NEW, 6)
    assert cursor.has_reached(NEW, 6)


def test_recovered_history_in_chunks_takes_the_cursor_along() -> None:
    cursor = at(3)
    crossing(cursor, 4, 5, more=True)
    crossing(cursor, 6)
    assert cursor.position == (NEW, 6)


def test_empty_recovered_history_of_a_newer_epoch_takes_the_cursor_along() -> None:
    cursor = at(3)
    assert crossing(cursor) is None
    assert cursor.position == (NEW, 3)
    cursor.live(NEW, 4)
    assert cursor.position == (NEW, 4)


def test_recovered_history_of_a_newer_epoch_with_a_gap_moves_nothing() -> None:
    cursor = at(3)
    crossing(cursor, 5, 6)
    assert cursor.position == (E, 3)


def test_what_was_ahead_of_a_gap_in_the_old_epoch_does_not_count_in_the_new_one() -> None:
    cursor = at(3)
    cursor.live(E, 5)  # 4 is missing, and then the epoch is sealed at 3.
    crossing(cursor, 4)
    assert cursor.position == (NEW, 4)


def test_snapshot_of_a_new_epoch_that_was_announced_begins_anew() -> None:
    cursor = at(8)
    assert snapshot(cursor, 1, 2, 3, epoch=NEW) is None
    assert cursor.position == (NEW, 3)
    cursor.live(NEW, 4)
    assert cursor.position == (NEW, 4)
