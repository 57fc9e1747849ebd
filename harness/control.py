"""The control socket between the runner and the bots' process: JSON lines over a Unix socket.

The runner listens, the bots connect and say `hello` with the run's token. Runner to bots:

    go          {"load_began_ns": int, "nodes": [[name, url], …]}
                                         spawn, connect, join; bots send from `load_began_ns` on
    flush                                write the history to its file
    stop_load                            no new messages; resend what is not resolved
    catch_up    {"heads": {wire room: [epoch | null, seq]}, "deadline_ns": int}
                                         each bot waits until its cursor is at its rooms' heads
    quit                                 close the history and exit

Bots to runner:

    hello       {"token": str, "bots": int}
    live        {"attempted", "acked", "rejected", "unresolved", "delivered", "connected", "joined",
                 "bots", "users", "lag_ms": float}
                                         twice a second, and last before the process ends; totals so far;
                                         bots: how many ever lived, users: how many do now; lag: how late
                                         the bots' own loop is
    flushed                              after flush: the file has all that was recorded before it
    resolved                             after stop_load, as soon as no send is unresolved
    caught_up   {"behind": {bot name: str}}   the answer to catch_up; empty: everyone is at the heads
    error       {"text": str}            the bots' process cannot go on

Every message is one object with its name under `type`.
"""

import contextlib
import json
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness import clock
from harness.errors import HarnessError

Message = dict[str, Any]


class Link:
    """One end of the control connection. `send` may be called from several threads or greenlets."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._reader = sock.makefile("rb")
        self._lock = threading.Lock()

    def send(self, kind: str, **fields: Any) -> None:
        """Send one message.

        Raises:
            OSError: the other end is gone.
        """
        line = json.dumps({"type": kind, **fields}).encode() + b"\n"
        with self._lock:
            self._socket.sendall(line)

    def messages(self) -> Iterator[Message]:
        """Yield messages until the other end closes the connection."""
        for line in self._reader:
            if line.endswith(b"\n"):
                yield json.loads(line)

    def close(self) -> None:
        """Close this end; a reader on either side sees the end of the stream."""
        with contextlib.suppress(OSError):  # The other end closed it first.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.close()
        self._socket.close()


def connect(path: Path, token: str, *, bots: int) -> Link:
    """Connect to the runner and say hello (the bots' end)."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(str(path))
    link = Link(sock)
    link.send("hello", token=token, bots=bots)
    return link


class Listener:
    """The runner's end: waits for the one connection that knows the token."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.token = secrets.token_hex(16)
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        path.chmod(0o600)
        self._server.listen(1)

    def accept(self, *, timeout_s: float, alive: Callable[[], bool] = lambda: True) -> Link:
        """Wait for the bots' process, as long as it is `alive`.

        Raises:
            HarnessError: nobody came in time, or whoever came did not know the token.
        """
        deadline = clock.deadline_ns(timeout_s)
        sock = self._next(deadline, alive)
        if sock is None and not alive():
            raise HarnessError("the bots' process ended before it reported")
        if sock is None:
            raise HarnessError(f"the bots' process did not report within {timeout_s:.0f} s")
        link = Link(sock)
        sock.settimeout(max(0.1, clock.left_s(deadline)))
        try:
            hello = next(link.messages(), {})
        except (OSError, ValueError) as error:
            link.close()
            raise HarnessError(f"the bots' process connected, but said no hello: {error}") from error
        sock.settimeout(None)
        if hello.get("type") != "hello" or not secrets.compare_digest(str(hello.get("token")), self.token):
            link.close()
            raise HarnessError("something that is not the bots' process connected to the control socket")
        return link

    def _next(self, deadline: int, alive: Callable[[], bool]) -> socket.socket | None:
        self._server.settimeout(0.1)
        while alive() and clock.left_s(deadline):
            with contextlib.suppress(TimeoutError):
                return self._server.accept()[0]
        return None

    def close(self) -> None:
        """Stop listening and remove the socket's file."""
        self._server.close()
        self.path.unlink(missing_ok=True)
