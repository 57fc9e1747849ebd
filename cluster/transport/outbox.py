"""What waits to be written: one buffer for each connection, one write for each connection and tick.

Frames are given to `Outbox.send` and only appended; a callback at the end of the event loop's current round
(a *tick*) writes what has gathered, one system call for each connection. On a busy node most of the cost of a
delivery is that call, so a batch of messages to a room costs each member one.

Writing happens in the hub, on non-blocking sockets, and switches no greenlets. Where the kernel takes less
than everything, the rest waits for the socket to become writable. A buffer has two bounds, as Redis has for
its clients: a reader that falls behind by more than the hard one, or by more than an eighth of it for 10 s,
is disconnected, with a close frame that says why behind the frame that was begun; it may come back and
resume from its cursor. Who has much to give to one connection (a long history) waits for it with
`Outlet.wait_until_drained`, which alone does switch.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import gevent
from gevent.event import Event

from cluster import log
from cluster.transport import frames

_READ_WRITE = 2  # socket.SHUT_RDWR, which gevent's patched module has as an enum member
_WRITE = 1
_WRITABLE = 2  # libev's EV_WRITE
SOFT_PART = 8
SOFT_S = 10.0
LOW_WATER = 64 * 1024  # bytes: so little waits when more may be given
TOO_SLOW = "this connection does not read as fast as messages come; resume from your cursor"


class Reached(Protocol):
    """What an `Outbox` needs of a connection."""

    @property
    def outlet(self) -> "Outlet":
        """Where its frames go."""


class Outbox:
    """All that this node has to write. `limit`: the hard bound of one connection's buffer, in bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.writes = 0
        self.bytes_written = 0
        self.too_slow = 0
        self.now_s: Callable[[], float] = time.monotonic
        self._loop: Any = gevent.get_hub().loop
        self._dirty: list[Outlet] = []

    def send(self, connection: Reached, frames_: Iterable[bytes]) -> None:
        """Queue frames in order; a connection that is gone gets nothing, it resumes elsewhere."""
        outlet = connection.outlet
        for frame in frames_:
            outlet.write(frame)

    def schedule(self, outlet: "Outlet") -> None:
        """Write an outlet's buffer at the end of this tick."""
        if not self._dirty:
            self._loop.run_callback(self._flush)
        self._dirty.append(outlet)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for outlet in dirty:
            try:
                outlet.flush()
            except Exception as error:  # noqa: BLE001  # It must not cost the others of this tick theirs.
                log.bug("outlet_not_flushed", error)
                outlet.abort()


class Outlet:
    """The writing side of one connection: open, then finishing, then shut."""

    __slots__ = (
        "_behind_since_s",
        "_chunks",
        "_drained",
        "_finishing",
        "_gave_up",
        "_offset",
        "_outbox",
        "_scheduled",
        "_sock",
        "_watcher",
        "shut",
        "waiting",
    )

    def __init__(self, outbox: Outbox, gave_up: Callable[[], None] = lambda: None) -> None:
        """`gave_up` is called, in the hub, when its reader is too slow."""
        self._outbox = outbox
        self._gave_up = gave_up
        self._sock: Any = None  # a plain non-blocking socket, once there is one
        self._chunks: list[bytes] = []  # each is a number of whole frames
        self._offset = 0  # how much of the first chunk is written
        self._watcher: Any = None
        self._behind_since_s: float | None = None  # over the soft bound, without a pause
        self._drained: Event | None = None  # for who waits, if anybody does
        self._scheduled = False
        self._finishing = False
        self.waiting = 0  # bytes in the buffer
        self.shut = False  # nothing will be written any more

    def bind(self, sock: Any, *, first: bytes) -> None:
        """Begin to write to a plain non-blocking socket: `first`, then what was given before."""
        self._sock = sock
        self._chunks.insert(0, first)
        self.waiting += len(first)
        self._schedule()

    def write(self, frame: bytes) -> None:
        """Queue one or more whole frames; nothing happens on a connection that is ending."""
        if self._finishing:
            return
        self._chunks.append(frame)
        self.waiting += len(frame)
        if not self._scheduled:
            self._schedule()

    def finish(self, code: int, reason: str = "") -> None:
        """Write what waits, then a close frame, then shut the writing side."""
        self.write(frames.close_frame(code, reason))
        self._finishing = True

    def abort(self) -> None:
        """End the connection in both directions now, which wakes whoever reads from it."""
        self._finishing = True
        self._drop()
        if self._sock is not None:
            self._shutdown(_READ_WRITE)

    def flush(self) -> None:
        """Write as much as the kernel takes; runs in the hub."""
        self._scheduled = False
        if self.shut or self._sock is None or not self._chunks:
            return
        if self._watcher is None:
            self._write_once()
        if self._watcher is not None and not self._finishing and self._too_far_behind():
            self._give_up()

    def wait_until_drained(self, timeout_s: float) -> bool:
        """Wait until little waits; tell whether that came in time. A connection that ends has drained."""
        while self.waiting > LOW_WATER:
            if self._drained is None:
                self._drained = Event()
            if not self._drained.wait(timeout_s):
                return False
        return True

    def _too_far_behind(self) -> bool:
        limit = self._outbox.limit
        if self.waiting <= limit // SOFT_PART:
            return False
        now_s = self._outbox.now_s()
        if self._behind_since_s is None:
            self._behind_since_s = now_s
        return self.waiting > limit or now_s - self._behind_since_s > SOFT_S

    def _schedule(self) -> None:
        if self._sock is not None and not self.shut:
            self._scheduled = True
            self._outbox.schedule(self)

    def _write_once(self) -> None:
        data = self._next()
        try:
            sent = self._sock.send(memoryview(data)[self._offset :] if self._offset else data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            log.debug("connection_lost", reason=str(error))
            self.abort()
            return
        self._outbox.writes += 1
        self._outbox.bytes_written += sent
        self._offset += sent
        self.waiting -= sent
        if self.waiting <= self._outbox.limit // SOFT_PART:
            self._behind_since_s = None
        self._tell_drained()
        if self._offset < len(data):
            self._wait_until_writable()
            return
        del self._chunks[0]
        self._offset = 0
        if self._chunks:
            return  # They came while this was on its way: next time the socket is writable.
        self._stop_waiting()
        if self._finishing:
            self._drop()
            self._shutdown(_WRITE)

    def _next(self) -> bytes:
        """Return what is begun, else all that waits as one: nothing is copied twice, however much waits."""
        chunks = self._chunks
        if len(chunks) > 1 and not self._offset:
            chunks[:] = [b"".join(chunks)]
        return chunks[0]

    def _wait_until_writable(self) -> None:
        if self._watcher is None:
            self._watcher = gevent.get_hub().loop.io(self._sock.fileno(), _WRITABLE)
            self._watcher.start(self._write_once)

    def _stop_waiting(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None

    def _give_up(self) -> None:
        """Keep the frame that was begun, so that the close frame behind it can be read."""
        self._outbox.too_slow += 1
        log.warning("reader_too_slow", waiting_bytes=self.waiting)
        data = self._chunks[0]
        rest = data[self._offset : frames.end_of_frame(data, self._offset)]
        self._chunks, self._offset, self.waiting = [rest] if rest else [], 0, len(rest)
        self.finish(frames.POLICY, TOO_SLOW)
        self._gave_up()

    def _drop(self) -> None:
        self._chunks, self._offset, self.waiting, self.shut = [], 0, 0, True
        self._stop_waiting()
        self._tell_drained()

    def _tell_drained(self) -> None:
        if self._drained is not None and self.waiting <= LOW_WATER:
            self._drained.set()
            self._drained = None

    def _shutdown(self, how: int) -> None:
        try:
            self._sock.shutdown(how)
        except OSError as error:
            log.debug("socket_was_closed", reason=str(error))
