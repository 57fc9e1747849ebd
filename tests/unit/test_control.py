"""The control socket: only who knows the token gets in, and every message arrives whole."""

import contextlib
import threading
from pathlib import Path

import pytest

from harness.control import Listener, connect
from harness.errors import HarnessError


def _connect_later(listener: Listener, token: str) -> threading.Thread:
    def talk() -> None:
        link = connect(listener.path, token, bots=3)
        try:
            with contextlib.suppress(OSError):  # A refused one finds the door shut while it speaks.
                link.send("live", acked=1)
                link.send("live", acked=2)
        finally:
            link.close()

    thread = threading.Thread(target=talk)
    thread.start()
    return thread


def test_messages_arrive_in_order_after_hello(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "s")
    thread = _connect_later(listener, listener.token)
    link = listener.accept(timeout_s=5)
    assert [m["acked"] for m in link.messages()] == [1, 2]
    thread.join()
    link.close()
    listener.close()
    assert not (tmp_path / "s").exists()


def test_a_wrong_token_is_refused(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "s")
    thread = _connect_later(listener, "guess")
    with pytest.raises(HarnessError, match="not the bots' process"):
        listener.accept(timeout_s=5)
    thread.join()
    listener.close()


def test_nobody_comes_says_so_after_the_timeout(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "s")
    with pytest.raises(HarnessError, match="did not report"):
        listener.accept(timeout_s=0.2)
    listener.close()


def test_waiting_ends_at_once_when_the_process_died(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "s")
    with pytest.raises(HarnessError, match="ended before it reported"):
        listener.accept(timeout_s=60, alive=lambda: False)
    listener.close()


def test_the_socket_is_the_owners_alone(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "s")
    assert (tmp_path / "s").stat().st_mode & 0o077 == 0
    listener.close()
