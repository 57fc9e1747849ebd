"""The kinds of single values: what they accept, and the sentence where they do not."""

from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from harness.scenario.values import Foreign, byte_rate, did_you_mean, offset, seconds, shown


@pytest.mark.parametrize(
    ("text", "length_s"),
    [("500ms", 0.5), ("5s", 5.0), ("2m", 120.0), ("0s", 0.0), ("1.5s", 1.5), ("0.1ms", 0.0001)],
)
def test_durations_are_seconds(text: str, length_s: float) -> None:
    assert seconds(text) == length_s


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", "-5s", "+5s", "5h", "5S", "5s\n", "1e3s", ".5s", "5.s", "٥s", "1_0s"]
)
def test_other_texts_are_no_durations(text: str) -> None:
    assert seconds(text) is None


@given(st.integers(0, 10**9 - 1))
def test_milliseconds_are_exact(milliseconds: int) -> None:
    assert seconds(f"{milliseconds}ms") == milliseconds / 1000


OFFSET = TypeAdapter(Annotated[float, offset(least_s=1.0)])


@pytest.mark.parametrize(
    ("text", "offset_s"), [("30s", 30.0), ("+2m", 120.0), ("-90s", -90.0), ("-1000ms", -1.0)]
)
def test_offsets_are_seconds_ahead_or_behind(text: str, offset_s: float) -> None:
    assert OFFSET.validate_python(text) == offset_s


@pytest.mark.parametrize("value", ["", "0s", "500ms", "-500ms", "--5s", "+-5s", "- 5s", "1441m", 30, None])
def test_other_values_are_no_offsets(value: object) -> None:
    with pytest.raises(ValidationError, match=r"wants an offset like 30s, \+2m or -90s, of 1 s to 24 hours"):
        OFFSET.validate_python(value)


BYTE_RATE = TypeAdapter(Annotated[int, byte_rate()])


@pytest.mark.parametrize(
    ("text", "bytes_per_s"),
    [
        ("64KiB/s", 65_536),
        ("500kB/s", 500_000),
        ("1MiB/s", 2**20),
        ("1.5MB/s", 1_500_000),
        ("1B/s", 1),
        ("10GB/s", 10**10),
        ("1GiB/s", 2**30),
    ],
)
def test_rates_are_bytes_a_second(text: str, bytes_per_s: int) -> None:
    assert BYTE_RATE.validate_python(text) == bytes_per_s


@pytest.mark.parametrize(
    "value",
    ["", "64", "64KiB", "0B/s", "0.5B/s", "11GB/s", "64kb/s", "64Kbit/s", "-1B/s", "64 KiB/s", 64, None],
)
def test_other_values_are_no_rates(value: object) -> None:
    with pytest.raises(ValidationError, match=r"wants a rate above zero like 64KiB/s, 1MiB/s or 500kB/s"):
        BYTE_RATE.validate_python(value)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("usrs", "; did you mean 'users'?"),
        ("USERS", "; did you mean 'users'?"),
        ("repeat", ""),
        ("", ""),
    ],
)
def test_the_hint_names_only_what_is_close(word: str, hint: str) -> None:
    assert did_you_mean(word, ("users", "rooms", "expect")) == hint


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("x" * 50, f"the text '{'x' * 39}…'"),
        (3, "the number 3"),
        ((), "a list"),
        ({}, "a mapping"),
        (Foreign("nothing"), "nothing"),
        (Foreign("the date", "2024-01-01", "quote it"), "the date '2024-01-01' (quote it)"),
    ],
)
def test_wrong_values_are_named_for_people(value: object, sentence: str) -> None:
    assert shown(value) == sentence
