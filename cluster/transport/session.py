"""One Engine.IO session over a WebSocket, from the first frame to the last.

python-engineio's own session has a queue, a writer, a reader and a pinger for each connection: four
greenlets of 20 KB each. This one is read by the greenlet that the HTTP server has for the connection anyway,
is written by the node's `Outbox` and pinged by its `Keepalive`. To python-socketio it is an Engine.IO socket
like any other: it sends packets, triggers `connect`, `message` and `disconnect`, and can be closed.

Text that is no Engine.IO packet ends the connection. What can be no Socket.IO packet of our protocol is
dropped: engineio would parse it as JSON, of any depth, where nothing catches the error. Binary events are
passed on as plain ones, so that they are answered (their placeholders are no values that the protocol knows),
and attachments are dropped: python-socketio would wait for them, and a wrong count or number would
leave it waiting for ever.
"""

import re
import socket
from collections.abc import Callable
from typing import Any

import gevent
from engineio import socket as engineio_socket
from engineio.exceptions import EngineIOError, SocketIsClosedError
from engineio.packet import MESSAGE, OPEN, Packet
from gevent.socket import wait_read

from cluster import counters, log
from cluster.transport import frames
from cluster.transport.keepalive import Keepalive
from cluster.transport.outbox import Outbox, Outlet

READ_BYTES = 16 * 1024
MUCH_BYTES = 4 * 1024  # in one read: more is likely to be there already, and a read would not wait for it
BUSY_MOST = 256  # requests of one connection that are not answered yet; then nothing is read from it
BUSY_S = 0.01  # between two looks at that
SLOW_READER = "slow reader"
_PING = frames.text_frame(b"2")
_CLOSE, _CLIENT_PING, _PONG, _MESSAGE, _UPGRADE, _NOOP = "123456"
_EVENT, _BINARY_EVENT = "2", "5"
_PLAIN_PACKETS = frozenset("01234")  # Socket.IO's, without the binary ones
_ATTACHMENT_COUNT = re.compile(r"^[0-9]*-")

ShortPath = Callable[["Session", str], bool]


class Session(engineio_socket.Socket):  # type: ignore[misc]  # engineio ships no types
    """See the module's docstring. `accepted` is the HTTP answer that begins the WebSocket."""

    def __init__(
        self,
        engine: Any,
        sid: str,
        *,
        accepted: bytes,
        outbox: Outbox,
        keepalive: Keepalive,
        short_path: ShortPath,
    ) -> None:
        super().__init__(engine, sid)
        self.closing = self.closed = False
        self.queue = None  # frees what the base class made; frames wait in the outlet
        self.connected = self.upgraded = True
        self.outlet = Outlet(outbox, self._read_too_slowly)
        self.chat: Any = None  # who speaks here, once Socket.IO has accepted the connection
        self._accepted = accepted
        self._keepalive = keepalive
        self._short_path = short_path
        self._behind = 0  # events that python-socketio was given and has not begun to handle

    # What engineio and python-socketio call

    def send(self, pkt: Packet) -> None:
        """Queue a packet.

        Raises:
            SocketIsClosedError: the session is over.
        """
        if self.closed:
            raise SocketIsClosedError
        self.outlet.write(frames.text_frame(pkt.encode().encode()))

    def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """End the session. Unless it is to be aborted, what waits is written first.

        The WebSocket is closed without an Engine.IO packet: official clients come back after that, and
        after a good-bye in Socket.IO they do not.
        """
        self._end(reason or self.server.reason.SERVER_DISCONNECT)
        if abort:
            self.outlet.abort()
        else:
            self._say_goodbye(frames.GOING_AWAY, str(reason or ""))

    def check_ping_timeout(self) -> bool:
        """The keepalive does that."""
        return not self.closed

    def schedule_ping(self) -> None:
        """The client has answered a ping."""
        self._keepalive.answered(self)

    # What the keepalive calls

    def ping(self) -> None:
        """Send a ping."""
        self.outlet.write(_PING)

    def silent(self) -> None:
        """No answer to a ping: nobody is there to be told anything."""
        self.close(abort=True, reason=self.server.reason.PING_TIMEOUT)

    def linger_over(self) -> None:
        """The goodbye was taken, or never will be."""
        self.outlet.abort()

    def greeting_over(self) -> None:
        """Whoever has not connected to Socket.IO by now holds a place for nothing."""
        if self.chat is None:
            log.debug("nobody_connected", sid=self.sid)
            self._end(self.server.reason.TRANSPORT_ERROR)
            self._say_goodbye(frames.POLICY, "no Socket.IO CONNECT came")

    # What the HTTP server's greenlet does

    def serve(self, sock: Any) -> None:
        """Run the session on a socket whose HTTP upgrade was accepted; returns when both are over."""
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.outlet.bind(sock._sock, first=self._accepted)
            self._accepted = b""
            self._keepalive.begin(self)
            self._keepalive.greet(self)
            self._read(sock)
        finally:
            self.close(abort=True, reason=self.server.reason.TRANSPORT_CLOSE)
            self._keepalive.forget(self)
            self.server.sockets.pop(self.sid, None)

    def open_packet(self) -> Packet:
        """Return what a client is told first."""
        engine = self.server
        return Packet(
            OPEN,
            {
                "sid": self.sid,
                "upgrades": [],
                "pingTimeout": int(engine.ping_timeout * 1000),
                "pingInterval": int(engine.ping_interval * 1000),
                "maxPayload": engine.max_http_buffer_size,
            },
        )

    def _read(self, sock: Any) -> None:
        """Read to the end of the connection; after a goodbye only to let the peer close it first.

        Who says more than this node can do has it wait in the socket, and keeps nobody from being served:
        a read does not switch greenlets while there are bytes, and `sleep(0)` does not look for others'.
        """
        reader = frames.FrameReader(self.server.max_http_buffer_size)
        while data := self._received(sock):
            if self.closed:
                continue
            self._keepalive.answered(self)  # Whoever says anything is there; a pong may be long on its way.
            try:
                for event in reader.feed(data):
                    self._take(event)
                    if self.closed:
                        break
            except frames.FrameError as error:
                counters.requests.malformed["websocket"] += 1
                log.debug("no_websocket_frames", sid=self.sid, reason=str(error))
                self._end(self.server.reason.TRANSPORT_ERROR)
                self._say_goodbye(error.code, str(error))
            while self.chat is not None and self.chat.open and self.chat.asking >= BUSY_MOST:
                self._keepalive.answered(self)  # Its pong may be among what is not read now.
                gevent.sleep(BUSY_S)
            if len(data) >= MUCH_BYTES:
                wait_read(sock.fileno())

    def _received(self, sock: Any) -> bytes:
        try:
            data = bytes(sock.recv(READ_BYTES))
        except OSError as error:
            log.debug("connection_lost", sid=self.sid, reason=str(error))
            return b""
        counters.transport.bytes_read += len(data)
        return data

    def _take(self, event: frames.Event) -> None:
        if isinstance(event, str):
            self._take_text(event)
        elif isinstance(event, frames.Ping):
            self.outlet.write(frames.pong_frame(event.payload))
        elif isinstance(event, frames.Close):
            self._end(self.server.reason.TRANSPORT_CLOSE)
            self._say_goodbye(event.code)
        else:
            counters.requests.malformed["binary"] += 1
            log.debug("frame_dropped", sid=self.sid, bytes=event.length)

    def _take_text(self, text: str) -> None:
        kind = text[:1]
        if kind == _MESSAGE:
            if self._behind or not self._short_path(self, text):
                self._take_message(text)
        elif kind == _CLOSE:
            self._end(self.server.reason.CLIENT_DISCONNECT)
            self._say_goodbye(frames.NORMAL)
        elif kind not in (_PONG, _CLIENT_PING, _UPGRADE, _NOOP):
            counters.requests.malformed["engine"] += 1
            log.debug("no_engineio_packet", sid=self.sid, begins=text[:16])
            self._end(self.server.reason.TRANSPORT_ERROR)
            self._say_goodbye(frames.POLICY, "this is no Engine.IO packet")

    def _take_message(self, text: str) -> None:
        packet = _meaningful(text)
        if packet is None:
            counters.requests.malformed["packet"] += 1
            log.debug("frame_dropped", sid=self.sid, begins=text[:16])
            return
        self._behind += 1
        try:
            self.receive(Packet(MESSAGE, packet))
        except EngineIOError as error:
            log.debug("packet_refused", sid=self.sid, reason=str(error))
        finally:
            gevent.get_hub().loop.run_callback(self._caught_up)

    def _caught_up(self) -> None:
        """Runs behind the greenlet that python-socketio has started for the event meanwhile."""
        self._behind -= 1

    def _end(self, reason: str) -> None:
        """Tell Socket.IO, once, that the session is over."""
        if self.closing:
            return
        self.closing = True
        self.server._trigger_event("disconnect", self.sid, reason, run_async=False)
        self.closed = True

    def _read_too_slowly(self) -> None:
        self._end(SLOW_READER)
        self._keepalive.linger(self)

    def _say_goodbye(self, code: int, reason: str = "") -> None:
        self.outlet.finish(code, reason)
        self._keepalive.linger(self)


def _meaningful(text: str) -> str | None:
    """Return the Socket.IO packet of a message, `None` where it means nothing in our protocol."""
    kind = text[1:2]
    if kind == _BINARY_EVENT:
        return _EVENT + _ATTACHMENT_COUNT.sub("", text[2:], count=1)
    return text[1:] if kind in _PLAIN_PACKETS else None
