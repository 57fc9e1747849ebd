"""A log that a disk lost the end of: what is left is its beginning, and Redis can load it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends import aof
from harness.errors import HarnessError

BASE, FIRST, SECOND = "appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof", "appendonly.aof.3.incr.aof"
MANIFEST = (
    f"file {BASE} seq 2 type b\n"
    "file appendonly.aof.1.incr.aof seq 1 type h\n"
    f"file {FIRST} seq 2 type i\n"
    f"file {SECOND} seq 3 type i startoffset 12\n"
).encode()


def log(base: int, first: int, second: int) -> dict[str, bytes]:
    return {
        SECOND: b"2" * second,
        "appendonly.aof.manifest": MANIFEST,
        BASE: b"0" * base,
        "appendonly.aof.1.incr.aof": b"of no use any more",
        FIRST: b"1" * first,
    }


def whole(files: dict[str, bytes]) -> bytes:
    return b"".join(files.get(name, b"") for name in (BASE, FIRST, SECOND))


@given(st.integers(1, 90), st.integers(0, 90), st.integers(0, 90), st.floats(0, 0.999))
def test_what_is_left_is_the_beginning_of_the_share_that_was_asked_for(base, first, second, keep):
    files = log(base, first, second)

    left = aof.cut(files, keep=keep)

    size = base + first + second
    assert left.of == size
    assert whole(files).startswith(whole(left.files))
    assert left.kept == len(whole(left.files))
    assert left.kept == (round(size * keep) if round(size * keep) > base else 0)


def test_the_manifest_lists_what_is_there_and_nothing_else():
    left = aof.cut(log(10, 50, 50), keep=0.5)

    assert set(left.files) == {BASE, FIRST, "appendonly.aof.manifest"}
    assert left.files["appendonly.aof.manifest"].decode().splitlines() == [
        f"file {BASE} seq 2 type b",
        f"file {FIRST} seq 2 type i",
    ]
    assert left.evidence == {"log": "110 bytes", "kept": "55 bytes"}


def test_of_a_base_alone_nothing_is_kept_since_no_half_of_it_can_be_loaded():
    assert aof.cut(log(100, 0, 0), keep=0.99).files == {}


def test_files_that_are_no_such_log_are_refused():
    with pytest.raises(HarnessError, match="has 0 manifests among its 1 files"):
        aof.cut({"appendonly.aof": b"of Redis 6"}, keep=0.5)
    with pytest.raises(HarnessError, match=f"not whole: its manifest lists {SECOND}, not there"):
        aof.cut({name: data for name, data in log(1, 1, 1).items() if name != SECOND}, keep=0.5)
