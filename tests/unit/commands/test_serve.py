"""`wordaround serve`: what keeps it from serving is said in a sentence, before anything is served."""

import socket
from collections.abc import Callable
from pathlib import Path

Command = Callable[..., tuple[int, str, str]]


def test_a_folder_that_is_not_there_is_said(command: Command, tmp_path: Path) -> None:
    code, out, err = command("serve", "--runs-dir", str(tmp_path / "nothing"))
    assert (code, out) == (2, "")
    assert f"--runs-dir {tmp_path}/nothing: there is no such folder" in err


def test_a_port_that_is_taken_is_said(command: Command, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        code, _, err = command("serve", "--runs-dir", str(tmp_path), "--port", str(port))
    assert code == 2
    assert f"--port {port} of 127.0.0.1 is taken by another program" in err
