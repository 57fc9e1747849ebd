"""One socket of a connection, and how sockets are made, ended and looked at without reading them."""

import errno
import fcntl
import select
import socket
import struct
import termios
from collections.abc import Callable

from harness.proxies.loop import Loop

# Fixed, so that the kernel does not let them grow: what waits here for somebody slow must stay small, or a
# node would not notice for megabytes that its client does not read.
KERNEL_BUFFER = 256 * 1024

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_HUNG_UP = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)


class Side:
    """A socket that is watched for what is wanted; once it is ended nothing is heard of it any more."""

    __slots__ = ("_events", "_loop", "ended", "ready", "socket")

    def __init__(self, loop: Loop, sock: socket.socket, ready: Callable[[int], None]) -> None:
        self._loop = loop
        self._events = 0
        self.socket = sock
        self.ready = ready
        self.ended = False

    def want(self, events: int, wanted: bool) -> None:
        """Be watched for READ or WRITE, or not."""
        now = self._events | events if wanted else self._events & ~events
        if now != self._events and not self.ended:
            self._loop.watch(self.socket, self._events, now, self._is_ready)
            self._events = now

    def end(self, *, reset: bool) -> None:
        """Close the socket, with a RST or with a FIN. Idempotent."""
        if self.ended:
            return
        self.want(self._events, wanted=False)
        self.ended = True
        close(self.socket, reset=reset)

    def _is_ready(self, events: int) -> None:
        if not self.ended:  # In one round of the loop one end may have ended another.
            self.ready(events & self._events)

    def waiting(self) -> int:
        """Return how many bytes wait in the kernel to be read; 0 once it is ended."""
        if self.ended:
            return 0
        answer: bytes = fcntl.ioctl(self.socket.fileno(), termios.FIONREAD, b"\0\0\0\0")
        return int(struct.unpack("i", answer)[0])

    def hung_up(self) -> bool:
        """Tell whether the other end has closed, though nothing was read; without POLLRDHUP only a reset."""
        poll = select.poll()
        poll.register(self.socket, _HUNG_UP)
        return bool(poll.poll(0))


def close(sock: socket.socket, *, reset: bool) -> None:
    """Close a socket so that the other end sees a RST, or a FIN."""
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    sock.close()


def prepare(sock: socket.socket) -> None:
    """Make a socket ready for its work: it never blocks, and small messages go out at once."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def bounded(sock: socket.socket) -> socket.socket:
    """Bound the kernel's buffers of a socket not yet connected, or of all that a listener accepts."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
    return sock


def dial(address: tuple[str, int]) -> tuple[socket.socket, int]:
    """Begin to connect; return the socket and 0, EINPROGRESS, or the error that it has come to already."""
    sock = bounded(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    prepare(sock)
    status = sock.connect_ex(address)
    return sock, 0 if status == errno.EISCONN else status
