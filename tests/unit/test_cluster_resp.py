"""Packing: byte for byte what redis-py sends, guards only to their own run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis._parsers import Encoder
from redis.connection import PythonRespSerializer

from cluster.storage.resp import RUN_ID, Guard, Packed, WrongRun, pack, packed

arguments = st.binary() | st.text(st.characters(exclude_categories=["Cs"])) | st.integers()


def theirs(*command: bytes | str | int) -> bytes:
    serializer = PythonRespSerializer(6000, Encoder("utf-8", "strict", decode_responses=False).encode)
    return b"".join(serializer.pack(*command))


@given(st.lists(arguments, min_size=1))
def test_pack__any_command__as_redis_py_packs_it(command: list[bytes | str | int]) -> None:
    assert pack(["ECHO", *command], "") == theirs("ECHO", *command)


@given(st.lists(arguments), st.lists(arguments), st.lists(arguments))
def test_packed__beforehand__the_same_bytes(
    before: list[bytes | str | int], between: list[bytes | str | int], after: list[bytes | str | int]
) -> None:
    command = (packed(["ECHO", *before]), *between, packed(after))
    assert isinstance(command[0], Packed)
    assert pack(command, "") == theirs("ECHO", *before, *between, *after)


def test_guard__through_a_connection_to_its_run__epoch_and_run() -> None:
    command = ("ECHO", Guard("e", "run-1"), RUN_ID)
    assert pack(command, "run-1") == theirs("ECHO", "e run-1", "run-1")


def test_guard__through_a_connection_to_another_run__not_packed() -> None:
    with pytest.raises(WrongRun, match="run-2"):
        pack(("ECHO", Guard("e", "run-1")), "run-2")


@pytest.mark.parametrize("argument", [None, 1.5, ["x"]])
def test_pack__what_no_command_takes__refused(argument: object) -> None:
    with pytest.raises(TypeError, match="no argument"):
        pack(("ECHO", argument), "")  # type: ignore[arg-type]
