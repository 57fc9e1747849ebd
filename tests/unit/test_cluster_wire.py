"""Frames: made of stored text, they parse to what was sent."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cluster import wire
from cluster.wire import Stored
from tests.unit.cluster_frames import events


def payload(frame: bytes) -> Any:
    """Return the one argument of the event in a frame."""
    ((_, argument),) = events(frame)
    return argument


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 2**53 - 1))
def test_stored__any_text__the_wire_form_has_it_and_its_seq(text: str, seq: int) -> None:
    message = wire.stored(seq, wire.body({"room": "r", "text": text}).encode())
    assert json.loads(message.text) == {"seq": seq, "room": "r", "text": text}
    assert payload(wire.event("message", message.text))["text"] == text


@given(st.lists(st.integers(10, 120_000), max_size=12), st.booleans(), st.integers(1, 450))
def test_history__any_messages__all_in_order__only_the_last_says_no_more(
    sizes: list[int], recovered: bool, small: int
) -> None:
    texts = [json.dumps({"seq": i, "text": "x" * size}) for i, size in enumerate([*sizes, *[1] * small])]
    packets = list(wire.history("r", "e", [Stored(i, t) for i, t in enumerate(texts)], recovered=recovered))
    chunks = [payload(packet) for packet in packets]
    assert [m["seq"] for chunk in chunks for m in chunk["messages"]] == list(range(len(texts)))
    assert [chunk["more"] for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert {(c["room"], c["epoch"], c["recovered"]) for c in chunks} == {("r", "e", recovered)}
    assert all(len(chunk["messages"]) <= wire.CHUNK_MESSAGES for chunk in chunks)
    assert all(len(packet) < wire.CHUNK_CHARACTERS + 1000 for packet in packets)


def test_history__no_messages__one_empty_packet() -> None:
    (packet,) = wire.history("r", None, (), recovered=False)
    assert payload(packet) == {"room": "r", "epoch": None, "recovered": False, "more": False, "messages": []}
