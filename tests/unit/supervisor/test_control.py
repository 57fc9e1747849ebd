"""The control socket: who knows the token is answered; whoever does not changes nothing."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import HarnessError, UsageError
from harness.supervisor import control
from harness.supervisor.control import ControlSocket
from harness.supervisor.records import Access

TOKEN = "0" * 32


@pytest.fixture
def access(tmp_path: Path, asked) -> Iterator[Access]:
    path = tmp_path / "s"
    with contextlib.closing(ControlSocket(path, TOKEN, asked)):
        yield Access(socket=str(path), url="", token=TOKEN)


def test_a_question_is_answered(access: Access, asked) -> None:
    answer = control.ask(access, "kill", "node-1", timeout_s=5)
    assert answer == {"member": {"name": "node-1", "state": "down"}}
    assert asked.questions == [("kill", "node-1")]


@pytest.mark.parametrize("token", ["", "1" * 32, TOKEN + "0", "ü"])
def test_a_wrong_token_is_refused_and_nothing_is_done(token: str, access: Access, asked) -> None:
    wrong = Access(socket=access.socket, url="", token=token)
    with pytest.raises(UsageError, match="that is not the token of this cluster"):
        control.ask(wrong, "kill", "node-1", timeout_s=5)
    assert asked.questions == []


@pytest.mark.parametrize(
    ("member", "kind", "sentence"),
    [
        ("node-9", UsageError, "there is no member 'node-9'"),
        ("node-8", HarnessError, "node-8 is down already"),
    ],
)
def test_what_goes_wrong_there_is_raised_here(
    member: str, kind: type[HarnessError], sentence: str, access: Access
) -> None:
    with pytest.raises(HarnessError, match=sentence) as caught:
        control.ask(access, "kill", member, timeout_s=5)
    assert type(caught.value) is kind


@pytest.mark.parametrize("request_", [b"\n", b"[]\n", b"nonsense\n", b'{"token": 1'])
def test_what_is_no_request_is_told_so(request_: bytes, access: Access, asked) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(access.socket)
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").readline()
    assert b"that was no request" in answer or b"that is not the token" in answer
    assert asked.questions == []


def test_the_socket_is_for_its_user_alone_and_goes_with_its_server(tmp_path: Path, asked) -> None:
    path = tmp_path / "s"
    server = ControlSocket(path, TOKEN, asked)
    assert path.stat().st_mode & 0o777 == 0o600
    server.close()
    with pytest.raises(HarnessError, match="the supervisor cannot be reached at "):
        control.ask(Access(socket=str(path), url="", token=TOKEN), "status", timeout_s=5)


def test_a_path_that_is_too_long_is_said_so(tmp_path: Path, asked) -> None:
    with pytest.raises(HarnessError, match="set TMPDIR to another, shorter path"):
        ControlSocket(tmp_path / ("s" * 120), TOKEN, asked)
