"""Words between servers: what is written is read again, and whatever else comes is refused as such."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.members.peers import RedisSeen, Word
from cluster.members.sync_words import Notice, WrongWord, parse_word, word_json

WORD = Word(
    server_id="node-1",
    url="http://127.0.0.1:5001",
    sync_url="https://[::1]:5002/prefix",
    incarnation="abc",
    draining=True,
    redis=RedisSeen(up=True, age_ms=3, up_ms=4),
)
FIELDS = json.loads(word_json(WORD))


def test_word__written_and_read__the_same() -> None:
    notices = (Notice(type="left"), Notice(type="typing", room="r", user="ännchen", typing=True))
    assert parse_word(word_json(WORD, notices)) == (WORD, notices)


@pytest.mark.parametrize(
    "wrong",
    [
        {"server_id": ""}, {"server_id": 3}, {"server_id": "n" * 65}, {"server_id": "\ud800"},
        {"url": "ftp://x"}, {"url": "http://"}, {"sync_url": "http://h:port"}, {"draining": 1},
        {"incarnation": None}, {"redis": None}, {"redis": {"up": True, "age_ms": -1, "up_ms": 0}},
        {"redis": {"up": True, "age_ms": True, "up_ms": 0}}, {"notices": None}, {"notices": [3]},
        {"notices": [{"type": "typing", "room": "a b", "user": "u", "typing": True}]},
        {"notices": [{"type": "typing", "room": "r", "user": "u", "typing": "yes"}]},
    ],
)  # fmt: skip
def test_parse_word__a_field_is_wrong__wrong_word(wrong: dict[str, Any]) -> None:
    with pytest.raises(WrongWord):
        parse_word(json.dumps(FIELDS | wrong).encode())


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_parse_word__a_field_is_missing__wrong_word(field: str) -> None:
    with pytest.raises(WrongWord):
        parse_word(json.dumps({k: v for k, v in FIELDS.items() if k != field}).encode())


def test_parse_word__a_notice_of_a_later_version__left_out() -> None:
    body = json.dumps(FIELDS | {"notices": [{"type": "of a later version"}, {"type": "left"}]}).encode()
    assert parse_word(body) == (WORD, (Notice(type="left"),))


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(FIELDS)), inner),
    ).map(lambda value: json.dumps(value).encode())
)
def test_parse_word__anything__a_word_or_wrong_word(body: bytes) -> None:
    with contextlib.suppress(WrongWord):
        parse_word(body)
