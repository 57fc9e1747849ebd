"""The rules of epochs: sealed ends, which cursors resume, and what a node reports after a restart."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.delivery.epochs import Sightings
from cluster.protocol import Position
from cluster.storage.resp import Guard
from cluster.storage.room_epochs import RoomEpochs, resumable

# Three epochs; the second has no message in this room. The first reaches to 5, the third from 6 to 9.
ROOM = RoomEpochs(order=("a", "b", "c"), firsts={"a": 1, "c": 6}, head=9)


def test_extents__epochs_without_messages_left_out__contiguous_up_to_the_head() -> None:
    assert ROOM.extents() == (("a", 1, 5), ("c", 6, 9))
    assert RoomEpochs(order=("a",), firsts={}, head=0).extents() == ()


def test_end_of__an_epoch__is_before_the_first_message_of_any_later_one() -> None:
    assert [ROOM.end_of(epoch) for epoch in "abc"] == [5, 5, 9]
    assert ROOM.end_of("of another log") is None
    quiet = RoomEpochs(order=("a", "b"), firsts={"a": 1}, head=5)
    assert [quiet.end_of(epoch) for epoch in "ab"] == [5, 5]


def test_resumable__each_cause_to_refuse__and_no_other() -> None:
    def resumes(epoch: str | None, seq: int, oldest: int | None = 1) -> bool:
        return resumable(Position(epoch=epoch, seq=seq), ROOM, oldest)

    assert resumes("a", 0)
    assert resumes("a", 3)
    assert resumes("a", 5)  # the sealed end itself
    assert not resumes("a", 6)  # past it, though the room goes on
    assert resumes("b", 5)  # its snapshot ended there
    assert not resumes("b", 6)
    assert resumes("c", 9)
    assert not resumes("c", 10)
    assert not resumes("d", 3)
    assert resumes(None, 0)
    assert resumes("a", 3, oldest=4)
    assert not resumes("a", 3, oldest=5)  # 4 was trimmed
    assert resumes("c", 9, oldest=None)  # nothing is kept, and nothing was missed
    assert not resumes("c", 8, oldest=None)


@st.composite
def rooms(draw: st.DrawFn) -> RoomEpochs:
    order = tuple("abcdef"[: draw(st.integers(1, 6))])
    begun = sorted(draw(st.sets(st.sampled_from(order))))
    lengths = [draw(st.integers(1, 5)) for _ in begun]
    starts = [1 + sum(lengths[:i]) for i in range(len(begun))]
    return RoomEpochs(order=order, firsts=dict(zip(begun, starts, strict=True)), head=sum(lengths))


@given(rooms())
def test_extents__any_room__cover_the_log_once_and_end_where_end_of_says(room: RoomEpochs) -> None:
    covered = [seq for _, first, last in room.extents() for seq in range(first, last + 1)]
    assert covered == list(range(1, room.head + 1))
    for epoch, _, last in room.extents():
        assert room.end_of(epoch) == last


@given(rooms(), st.sampled_from("abcdefx"), st.integers(0, 32))
def test_resumable__any_cursor__only_where_nothing_of_its_owner_was_lost(
    room: RoomEpochs, epoch: str, seq: int
) -> None:
    """Who has (epoch, seq) has the log of its epoch up to there, so that must be the log's beginning."""
    lasts = [last for e, _, last in room.extents() if e <= epoch]
    expected = epoch in room.order and seq <= max(lasts, default=0)
    assert resumable(Position(epoch=epoch, seq=seq), room, oldest=1 if room.head else None) == expected


def test_sightings__runs_of_one_epoch__reported_apart_until_the_log_was_found_whole() -> None:
    seen = Sightings(2)
    assert (seen.epoch, seen.report(), seen.highest()) == ("", [], [])
    one, two = Guard("e", "run-1"), Guard("e", "run-2")
    seen.enter(one, [3, 4])
    seen.saw(one, 0, 7)
    seen.saw(one, 0, 5)
    seen.saw(two, 1, 9)
    assert seen.report() == ["run-1 7 4", "run-2 0 9"]
    assert seen.highest() == [7, 9]
    seen.enter(two, [7, 8])
    assert seen.report() == ["run-2 7 9"]


def test_sightings__of_an_epoch_that_is_over__do_not_count() -> None:
    seen = Sightings(1)
    seen.enter(Guard("old", "run-1"), [9])
    seen.enter(Guard("new", "run-1"), [2])
    seen.saw(Guard("old", "run-1"), 0, 9)
    assert (seen.epoch, seen.report()) == ("new", ["run-1 2"])
