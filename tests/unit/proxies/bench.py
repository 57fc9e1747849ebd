"""Proxies in a thread of this process, servers and clients of plain sockets before and behind them."""

import contextlib
import itertools
import json
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil

from harness.backends.abilities import Impairment
from harness.backends.readiness import LOOPBACK, free_port
from harness.clock import deadline_ns, left_s
from harness.proxies.commands import Control, encoded
from harness.proxies.loop import Loop
from harness.proxies.switchboard import Switchboard
from harness.records.plan import CLIENTS

PATIENCE_S = 5.0
SILENCE_S = 0.15  # How long is looked at what must not come. Without a cut it comes within a millisecond.


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until it is so."""
    deadline = deadline_ns(PATIENCE_S)
    while not condition():
        assert left_s(deadline), f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.005)


def silent(sock: socket.socket, seconds: float = SILENCE_S) -> bool:
    """Tell whether neither bytes nor an end come."""
    return not select.select([sock], [], [], seconds)[0]


def received(sock: socket.socket, size: int) -> bytes:
    """Read exactly so many bytes, or fewer where the end comes before."""
    data = bytearray()
    while len(data) < size and (chunk := sock.recv(min(65536, size - len(data)))):
        data += chunk
    return bytes(data)


def reset(sock: socket.socket) -> None:
    """Close a socket with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def was_reset(sock: socket.socket) -> bool:
    """Tell whether the next thing that comes is a RST."""
    try:
        return sock.recv(1) is None
    except ConnectionResetError:
        return True


def can_send(sock: socket.socket) -> bool:
    """Send something; tell whether the kernel still takes it."""
    try:
        sock.sendall(b"are you there?")
    except (ConnectionResetError, BrokenPipeError):
        return False
    return True


def fill(sock: socket.socket, most: int = 64 << 20) -> int:
    """Send until nothing is taken any more for a while; return how much was."""
    before, sent = sock.gettimeout(), 0
    sock.settimeout(2 * SILENCE_S)
    with contextlib.suppress(TimeoutError):
        while sent < most:
            sent += sock.send(bytes(65536))
    sock.settimeout(before)
    return sent


class Server:
    """Listens; the test accepts when it wants to. `down` closes all, as the death of a process does."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._accepted: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.up()

    def up(self) -> None:
        self._listener = socket.create_server((LOOPBACK, self.port), backlog=64)

    def accept(self) -> socket.socket:
        """Return the next connection."""
        assert self._listener is not None
        self._listener.settimeout(PATIENCE_S)
        sock = self._listener.accept()[0]
        sock.settimeout(PATIENCE_S)
        self._accepted.append(sock)
        return sock

    def nobody_comes(self) -> bool:
        assert self._listener is not None
        return silent(self._listener)

    def down(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for sock in self._accepted:
            sock.close()


class Proxies:
    """What a test asks of the proxies; `connect` goes through them."""

    def __init__(self) -> None:
        self._loop = Loop()
        self._control, theirs = socket.socketpair()
        self._answers = self._control.makefile("rb")
        self._theirs = theirs
        self._switchboard = Switchboard(self._loop)
        Control(self._loop, theirs, self._switchboard)
        self._thread = threading.Thread(target=self._loop.run, name="proxies")
        self._thread.start()
        self._handles = map(str, itertools.count(1))
        self._open: list[Any] = []

    def ask(self, command: str, **arguments: Any) -> Any:
        self._control.sendall(encoded(command, **arguments))
        answer = json.loads(self._answers.readline())
        assert "error" not in answer, answer
        return answer["result"]

    def link(self, target: str = "node-1", *, callers: tuple[str, ...] = (CLIENTS,)) -> "Link":
        """Make a server and a listener before it, which is open when this returns."""
        server = Server(free_port())
        port = free_port()
        self.ask("listen", port=port, to_port=server.port, target=target, callers=callers)
        link = Link(self, server, port)
        self._open.append(server)
        reset(server.accept())  # The proxies looked whether it listens.
        until(link.is_open, "the listener of a target that listens is open")
        return link

    def impair(self, effect: str, *, member: str = "node-1", peers: Any = (CLIENTS,), **more: Any) -> str:
        handle = next(self._handles)
        impairment = Impairment(member=member, peers=peers, effect=effect, **more)  # type: ignore[arg-type]
        self.ask("impair", handle=handle, impairment=impairment)
        return handle

    def restore(self, handle: str) -> None:
        self.ask("restore", handle=handle)

    def evidence(self, handle: str) -> dict[str, int]:
        return {name: int(count) for name, count in self.ask("evidence", handle=handle).items()}

    def hang_up(self) -> None:
        """End the control connection; the loop ends by that."""
        self._answers.close()
        self._control.close()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def close(self) -> None:
        for each in self._open:
            each.down()
        if self._thread.is_alive():
            self.hang_up()
        self._switchboard.close()
        self._loop.close()
        self._theirs.close()


class Link:
    """A server behind its proxy."""

    def __init__(self, proxies: Proxies, server: Server, port: int) -> None:
        self._proxies = proxies
        self.server, self.port = server, port
        self._clients: list[socket.socket] = []
        proxies._open.append(self)

    def is_open(self) -> bool:
        """Look at the kernel's table: to connect would leave a connection behind."""
        return any(
            tuple(one.laddr) == (LOOPBACK, self.port) and one.status == psutil.CONN_LISTEN
            for one in psutil.Process().net_connections("tcp4")
        )

    def dial(self, *, as_member: str = "") -> socket.socket:
        """Connect a client."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._clients.append(sock)
        sock.settimeout(PATIENCE_S)
        sock.bind((LOOPBACK, 0))
        if as_member:
            self._proxies.ask("announce", port=sock.getsockname()[1], member=as_member)
        sock.connect((LOOPBACK, self.port))
        return sock

    def turns_away(self, *, as_member: str = "") -> bool:
        """Connect; tell whether that is reset as soon as it is accepted."""
        try:
            return was_reset(self.dial(as_member=as_member))
        except ConnectionResetError:  # It came before `connect` had returned.
            return True

    def pair(self, *, as_member: str = "") -> tuple[socket.socket, socket.socket]:
        """Return both ends of a new connection: the client's and the server's."""
        client = self.dial(as_member=as_member)
        server = self.server.accept()
        client.sendall(b"?")
        assert server.recv(1) == b"?"
        return client, server

    def down(self) -> None:
        for sock in self._clients:
            sock.close()
