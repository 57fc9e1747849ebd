"""Parsing: what the protocol allows becomes a request, all else a refusal, never another error."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.protocol import (
    MAX_INTEGER,
    Code,
    JoinRequest,
    Position,
    Refusal,
    SendRequest,
    TypingRequest,
    parse_connect,
    parse_join,
    parse_leave,
    parse_send,
    parse_typing,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
fields = st.sampled_from(
    ["room", "user", "cursor", "text", "producer", "n", "reply_to", "epoch", "seq", "typing"]
)
near_misses = st.dictionaries(fields, json_values | st.dictionaries(fields, json_values))


def refusal_of(parse: Callable[[Any], object], payload: Any) -> Refusal | None:
    """Return the refusal with which a payload is met, `None` where it is taken."""
    try:
        parse(payload)
    except Refusal as refusal:
        return refusal
    return None


@given(st.lists(json_values | near_misses, max_size=3))
def test_parse__anything_at_all__a_request_or_a_refusal(args: list[Any]) -> None:
    parsers = (parse_join, parse_leave, parse_send, parse_typing)
    refusals = [refusal_of(parse, tuple(args)) for parse in parsers]
    refusals.append(refusal_of(parse_connect, args[0] if args else None))
    codes = {Code.BAD_REQUEST, Code.ROOM_INVALID, Code.TEXT_TOO_LONG}
    assert all(refusal is None or (refusal.definite and refusal.code in codes) for refusal in refusals)


@given(
    room=st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True),
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=2048),
    producer=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64),
    n=st.integers(1, MAX_INTEGER),
)
def test_parse_send__within_the_limits__taken_as_it_is(room: str, text: str, producer: str, n: int) -> None:
    payload = {"room": room, "text": text, "producer": producer, "n": n}
    assert parse_send((payload,)) == SendRequest(**payload, reply_to=None)


def test_parse_join__with_a_cursor__taken() -> None:
    request = parse_join(({"room": "a", "cursor": {"epoch": "e", "seq": 7}},))
    assert request == JoinRequest(room="a", user=None, cursor=Position(epoch="e", seq=7))
    assert parse_join(({"room": "a", "cursor": {"seq": 0}},)).cursor == Position(epoch=None, seq=0)
    assert parse_join(({"room": "a", "cursor": None, "user": "ann"},)).user == "ann"


@pytest.mark.parametrize("typing", [True, False])
def test_parse_typing__room_and_a_truth__taken(typing: bool) -> None:
    assert parse_typing(({"room": "a", "typing": typing},)) == TypingRequest(room="a", typing=typing)


@pytest.mark.parametrize("fields", [{}, {"typing": None}, {"typing": 1}, {"typing": "true"}])
def test_parse_typing__no_truth__bad_request(fields: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="typing must be true or false") as caught:
        parse_typing(({"room": "a"} | fields,))
    assert caught.value.code is Code.BAD_REQUEST


@pytest.mark.parametrize("room", ["", "a" * 65, "a b", "ä", "a/b", "a\n", "a:b"])
def test_room__outside_its_alphabet__room_invalid(room: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse_leave(({"room": room},))
    assert caught.value.code is Code.ROOM_INVALID


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x" * 8192, None),
        ("x" * 8193, Code.TEXT_TOO_LONG),
        ("€" * 2730, None),
        ("€" * 2731, Code.TEXT_TOO_LONG),
    ],
)
def test_text__around_8_kib_of_utf8__bytes_count(text: str, code: Code | None) -> None:
    refusal = refusal_of(parse_send, ({"room": "a", "text": text},))
    assert (refusal and refusal.code) is code


@pytest.mark.parametrize("more", [{"producer": "p"}, {"n": 1}, {"producer": None, "n": 1}])
def test_key__half_of_it__bad_request(more: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="together"):
        parse_send(({"room": "a", "text": "x"} | more,))


def test_refusal__as_an_answer__only_the_fields_that_it_has() -> None:
    assert Refusal(Code.NOT_JOINED, "m").answer() == {
        "ok": False,
        "error": {"code": "not_joined", "message": "m", "definite": True},
    }
    refusal = Refusal(Code.OUT_OF_ORDER, "m", definite=False, retry_after_ms=5, expected=2)
    assert refusal.answer()["error"] == {
        "code": "out_of_order",
        "message": "m",
        "definite": False,
        "retry_after_ms": 5,
        "expected": 2,
    }
