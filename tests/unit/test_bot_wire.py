"""Reading what nodes say, whatever they say."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bots import wire
from harness.bots.outbox import SendError
from harness.bots.wire import Ack, Malformed, Reader

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["ok", "room", "epoch", "seq", "messages", "error", "code", "peers", "text"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
MESSAGE = {"room": "r", "epoch": "e", "seq": 3, "text": "tö", "user": "u"}


class Ids:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


def frame(*args: Any) -> str:
    return "2" + json.dumps(["message", *args], separators=(",", ":"))


def test_message_frame_is_read_and_remembered() -> None:
    ids = Ids()
    reader = Reader(ids)
    first = reader.message_frame(frame(MESSAGE))
    assert (first.room, first.epoch, first.seq) == ("r", "e", 3)
    assert ids.texts == ['{"epoch":"e","room":"r","seq":3,"text":"tö","user":"u"}']
    assert reader.message_frame(frame(MESSAGE)) is first


def test_equal_objects_have_one_content_and_altered_ones_another() -> None:
    reader = Reader(Ids())
    first = reader.message_frame(frame(MESSAGE))
    turned = dict(reversed(MESSAGE.items()))
    assert reader.message_frame(frame(turned)).content == first.content
    assert reader.message(MESSAGE).content == first.content
    assert reader.message({**MESSAGE, "text": "to"}).content != first.content


def test_memory_of_frames_is_bounded() -> None:
    reader = Reader(Ids())
    reader.REMEMBERED = 10  # type: ignore[misc]
    for seq in range(1, 50):
        reader.message_frame(frame({**MESSAGE, "seq": seq}))
    assert len(reader._seen) <= 10


@pytest.mark.parametrize("text", ['2["message",', '2["message",1,2]', '2["message",{}'])
def test_broken_frame_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        Reader(Ids()).message_frame(text)


def test_message_without_shape_is_received_all_the_same() -> None:
    sighting = Reader(Ids()).message([1, 2])
    assert (sighting.content, sighting.room, sighting.seq) == (1, "", None)


@pytest.mark.parametrize("seq", [True, "3", -1, 2**32 - 1, 2**32, None, 1.0])
def test_odd_positions_are_none(seq: Any) -> None:
    assert Reader(Ids()).message({**MESSAGE, "seq": seq}).seq is None


@pytest.mark.parametrize("seq", [0, 2**32 - 2])
def test_outermost_positions_are_positions(seq: int) -> None:
    assert Reader(Ids()).message({**MESSAGE, "seq": seq}).seq == seq


def test_history_is_read() -> None:
    chunk = Reader(Ids()).history(
        {"room": "r", "epoch": "e", "messages": [MESSAGE, 7], "recovered": True, "more": False}
    )
    assert (chunk.recovered, chunk.more, [s.room for s in chunk.sightings]) == (True, False, ["r", ""])


def test_acknowledgements_are_read() -> None:
    ok = wire.ack({"ok": True, "epoch": "e", "seq": 4, "recovered": True, "duplicate": False})
    assert ok == Ack(epoch="e", seq=4, recovered=True, duplicate=False)
    error = {"code": "out_of_order", "message": "m", "definite": True, "expected": 5}
    no = wire.ack({"ok": False, "error": error})
    assert no == SendError(code="out_of_order", message="m", definite=True, expected=5)


@pytest.mark.parametrize(
    ("field", "largest"), [("retry_after_ms", 3_600_000), ("expected", 2**32 - 2)], ids=str
)
def test_counts_beyond_their_bounds_are_none(field: str, largest: int) -> None:
    def read(value: Any) -> Any:
        error = wire.ack({"ok": False, "error": {"code": "rate_limited", field: value}})
        return getattr(error, field)

    assert [read(value) for value in (0, largest)] == [0, largest]
    assert [read(value) for value in (-1, largest + 1, 10**400, True, 1.0, "1")] == [None] * 6


@pytest.mark.parametrize(
    "value", [None, {}, {"ok": 1}, {"ok": False}, {"ok": False, "error": {"code": 3}}, []]
)
def test_acknowledgement_without_shape_is_malformed(value: Any) -> None:
    with pytest.raises(Malformed):
        wire.ack(value)


def test_peers_that_are_none_are_left_out() -> None:
    peers = wire.peers({"peers": [{"server_id": "n", "url": "u", "state": "alive"}, 3, {"server_id": 1}]})
    assert [peer.name for peer in peers] == ["n"]


@given(JSON)
def test_anything_is_read_or_malformed(value: Any) -> None:
    reader = Reader(Ids())
    reader.message(value)
    for read in (reader.history, wire.ack, wire.peers):
        try:
            read(value)
        except Malformed as error:
            assert str(error)  # noqa: PT017 - the point is that nothing else is raised
