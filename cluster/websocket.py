"""WebSockets under gevent that write whole frames and let go of dead peers.

engineio's adapter for simple-websocket has edges that a chat node cannot live with:

* it writes with `socket.send`, which under gevent may write a part: a long frame to a slow reader would
  be torn, and everything after it with it;
* writer and reader greenlets (pings, closing) share the socket, so whole frames need a lock;
* after a silent peer's ping has timed out it closes only the WebSocket, whose reader stays blocked in
  `recv` for as long as TCP is patient;
* bytes that are no WebSocket frames kill its reader, and nobody is told;
* text that is no Engine.IO packet raises where nobody catches it.
"""

import re
import socket
from typing import Any

import gevent
from engineio.async_drivers.gevent import WebSocketWSGI
from gevent.lock import Semaphore
from wsproto.utilities import ProtocolError

from cluster import counters, log

WRITE_TIMEOUT_S = 10.0  # a peer that takes nothing for so long is gone: as long as a ping and its answer
_ENGINE_PACKETS = frozenset("0123456")
_MESSAGE = "4"
_EVENT, _BINARY_EVENT = "2", "5"
_PLAIN_PACKETS = frozenset("01234")  # Socket.IO's, without the binary ones
_ATTACHMENT_COUNT = re.compile(r"^[0-9]*-")
_LONGEST_OTHER = 16  # a packet that is no message carries nothing, or "probe"


class _WholeFrames:
    """A socket whose `send` writes everything, one caller after the other."""

    def __init__(self, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._lock = Semaphore()

    def send(self, data: bytes) -> int:
        """Write all of it.

        Raises:
            OSError: the connection is gone, or its peer takes nothing (TimeoutError).
        """
        with self._lock, gevent.Timeout(WRITE_TIMEOUT_S, TimeoutError("the peer takes no data")):
            self._sock.sendall(data)
        counters.transport.writes += 1
        counters.transport.bytes_written += len(data)
        return len(data)

    def recv(self, size: int) -> bytes:
        """Read as a socket does."""
        return bytes(self._sock.recv(size))

    def shut(self) -> None:
        """End the connection in both directions, which wakes whoever is blocked in it."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            log.debug("socket_was_closed", reason=str(error))

    def close(self) -> None:
        """Close as a socket does."""
        self._sock.close()


class _Reader(gevent.Greenlet):  # type: ignore[type-arg]
    """Runs simple-websocket's reader, and ends the connection when it fails."""

    def __init__(self, target: Any) -> None:
        super().__init__(self._read, target)

    @staticmethod
    def _read(target: Any) -> None:
        try:
            target()
        except (ProtocolError, ValueError) as error:
            log.debug("no_websocket_frames", reason=str(error))
        finally:
            connection = target.__self__
            connection.connected = False
            connection.event.set()


class NodeWebSocket(WebSocketWSGI):  # type: ignore[misc]  # engineio ships no types
    """engineio's WebSocket adapter without these edges."""

    def __init__(self, handler: Any, server: Any) -> None:
        super().__init__(_on_whole_frames(handler), server)
        self.server_args["max_message_size"] = server.max_http_buffer_size
        self.server_args["thread_class"] = _Reader

    def close(self) -> None:
        """Close the WebSocket, and the connection under it."""
        try:
            super().close()
        except OSError as error:
            log.debug("websocket_not_closed", reason=str(error))
        self.ws.sock.shut()

    def wait(self) -> Any:
        """Return the next frame that means something; `None` ends the connection.

        A text that is no Engine.IO packet ends it, too. One whose payload cannot be a Socket.IO packet is
        dropped: engineio would parse it as JSON, of any depth, where nothing catches the error.
        """
        while True:
            data = super().wait()
            if data is None or (isinstance(data, str) and data[:1] not in _ENGINE_PACKETS):
                return None
            packet = _meaningful(data)
            if packet is not None:
                return packet
            log.debug("frame_dropped", begins=str(data[:16]))


def _meaningful(data: "str | bytes") -> str | None:
    """Return what engineio may see of a frame, `None` where it means nothing in our protocol.

    There are no binary payloads. A binary event is passed on as a plain one, so that it is answered
    (its placeholders are no values that the protocol knows), and attachments are dropped: python-socketio
    would wait for them, and a wrong count or number would leave it waiting for ever.
    """
    if isinstance(data, bytes):
        return None
    if data[0] != _MESSAGE:
        return data if len(data) <= _LONGEST_OTHER else None
    if data[1:2] == _BINARY_EVENT:
        return _MESSAGE + _EVENT + _ATTACHMENT_COUNT.sub("", data[2:], count=1)
    return data if data[1:2] in _PLAIN_PACKETS else None


def _on_whole_frames(handler: Any) -> Any:
    def run(adapter: NodeWebSocket) -> Any:
        # The reader greenlet was started but did not run yet: nothing has used the socket since.
        frames = adapter.ws.sock = _WholeFrames(adapter.ws.sock)
        try:
            return handler(adapter)
        finally:
            frames.shut()

    return run


def use_for(engine: Any) -> None:
    """Make an engineio server use this adapter; engineio has no public setting for it."""
    engine._async = {**engine._async, "websocket": NodeWebSocket}
