"""The bots' Socket.IO client: websocket only, and everything is handled in the reader.

python-socketio runs the handlers of events in tasks of their own, so the order in which they run need not be
the order in which frames came. Here one greenlet per connection reads, stamps and handles each frame before
it reads the next; handlers therefore must not block. Writes go to the socket at once, not through a queue.

A connection ends once, whoever ends it: `lost` is called with the stamp and the reason, and after that
nothing more of it. `hang_up` never waits for the other side, which may be paused or cut off for good.

The client is used for one connection only: what is late from an old one can never be taken for the new.
"""

import json
from collections.abc import Callable
from typing import Any, Protocol

import engineio
import gevent
from gevent.event import Event
from locust.contrib.socketio import SocketIOClient
from socketio import packet as socketio_packet

from harness.bots.engine import BufferedWebSocket, ReadingEngine
from harness.bots.wire import Json, Reader, Sighting

# What decoding a frame may raise.
ODD_FRAME = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
Answer = Callable[[int, list[Json]], None]


class ConnectFailed(Exception):
    """There is no connection; the message says why."""


class Listener(Protocol):
    """Who hears what comes on a connection; called in the reader, in the order of receipt."""

    def accepted(self, t_ns: int) -> None:
        """The node accepted the connection."""

    def message(self, t_ns: int, sighting: Sighting) -> None:
        """A chat message."""

    def event(self, t_ns: int, name: str, args: list[Json]) -> None:
        """Any other event."""

    def odd(self, t_ns: int, what: str) -> None:
        """A frame that cannot be understood."""

    def lost(self, t_ns: int, reason: str) -> None:
        """The connection is over."""


class ReadingClient(SocketIOClient):  # type: ignore[misc]  # The base has no types.
    """One Socket.IO connection of one bot."""

    def __init__(
        self, request_event: Any, *, reader: Reader, timeout_s: float, spawn: Callable[..., Any]
    ) -> None:
        super().__init__(
            request_event,
            reconnection=False,
            handle_sigint=False,
            request_timeout=timeout_s,
            websocket_extra_options={
                "class_": BufferedWebSocket,
                "skip_utf8_validation": True,  # Decoding the text checks it.
                "http_no_proxy": ["*"],  # Members are reached directly, whatever the environment says.
                "redirect_limit": 0,  # Nobody but the plan says where bots go.
            },
            spawn=spawn,
        )
        self._reader = reader
        self._timeout_s = timeout_s
        self._listener: Listener | None = None
        self._answered = Event()
        self._refusal = ""
        self._asked: dict[int, Answer] = {}
        self._last_id = 0
        self.eio.on_text = self._on_text
        self.eio.on_end = self._on_end
        self.eio.on_odd = self._on_odd

    def dial(self, url: str, auth: dict[str, str], listener: Listener) -> None:
        """Connect within the timeout; `listener` hears of all that follows.

        Raises:
            ConnectFailed: the node does not answer, or does not want us.
        """
        self._listener = listener
        timeout = gevent.Timeout(self._timeout_s)
        timeout.start()
        try:
            self._connect(url, auth)
        except ConnectFailed as error:
            self._give_up(str(error))
            raise
        except gevent.Timeout as fired:
            if fired is not timeout:
                raise
            self._give_up(f"connect failed: nothing within {self._timeout_s:g} s")
            raise ConnectFailed(f"connect failed: nothing within {self._timeout_s:g} s") from None
        finally:
            timeout.close()

    def request(self, event: str, data: Json, answer: Answer) -> None:
        """Emit an event; `answer` gets the stamp and the acknowledgement's arguments, in the reader."""
        self._last_id += 1
        self._asked[self._last_id] = answer
        self._send_packet(
            socketio_packet.Packet(socketio_packet.EVENT, data=[event, data], namespace="/", id=self._last_id)
        )

    def hang_up(self, reason: str) -> None:
        """End the connection now."""
        self.eio.hang_up(reason)

    def mind_silence(self) -> None:
        """End the connection when the node has been silent for too long; call it now and then."""
        self.eio.mind_silence()

    def leave(self, reason: str) -> None:
        """Say goodbye and end the connection."""
        self._send_packet(socketio_packet.Packet(socketio_packet.DISCONNECT, namespace="/"))
        self.eio.hang_up(reason)

    def _connect(self, url: str, auth: dict[str, str]) -> None:
        self.connection_auth, self.connection_namespaces = auth, ["/"]
        try:
            self.eio.connect(url, transports=["websocket"], engineio_path="socket.io")
        except (engineio.exceptions.EngineIOError, *ODD_FRAME) as error:
            raise ConnectFailed(f"connect failed: {error.__cause__ or error.__context__ or error}") from error
        self._answered.wait()
        if self._refusal:
            raise ConnectFailed(f"connect failed: {self._refusal}")

    def _give_up(self, reason: str) -> None:
        self._listener = None
        self.eio.hang_up(reason)

    def _engineio_client_class(self) -> type[ReadingEngine]:
        return ReadingEngine

    def _on_text(self, text: str) -> None:
        listener = self._listener
        if listener is None:
            return
        t_ns = self.eio.received_ns
        try:
            if text.startswith(Reader.MESSAGE_PREFIX):
                sighting, packet = self._reader.message_frame(text), None
            else:
                sighting, packet = None, socketio_packet.Packet(encoded_packet=text)
        except ODD_FRAME as error:
            listener.odd(t_ns, f"{type(error).__name__}: {error}")
            return
        if sighting is not None:
            listener.message(t_ns, sighting)
        else:
            self._handle_packet(listener, t_ns, packet)

    def _handle_packet(self, listener: Listener, t_ns: int, packet: Any) -> None:
        match packet.packet_type, packet.data:
            case socketio_packet.EVENT, [str(name), *args]:
                listener.event(t_ns, name, args)
            case socketio_packet.ACK, list(args) if packet.id in self._asked:
                self._asked.pop(packet.id)(t_ns, args)
            case socketio_packet.CONNECT, _ if self._is_awaited(packet):
                listener.accepted(t_ns)
                self._answered.set()
            case socketio_packet.CONNECT_ERROR, why:
                self._refusal = f"refused by the node: {json.dumps(why)}"
                self._answered.set()
            case socketio_packet.DISCONNECT, _:
                self.hang_up("disconnected by the server")
            case kind, data:
                where = f"{_kind_name(kind)} of namespace {packet.namespace or '/'!r:.100}"
                listener.odd(t_ns, f"a Socket.IO packet that nothing asked for, {where}: {data!r:.200}")

    def _is_awaited(self, connect: Any) -> bool:
        """Whether a CONNECT is the one answer, in the one namespace, that `dial` waits for."""
        return connect.namespace in (None, "/") and not self._answered.is_set()

    def _on_end(self, t_ns: int, reason: str) -> None:
        self._refusal = reason
        self._answered.set()
        if self._listener is not None:
            self._listener.lost(t_ns, reason)

    def _on_odd(self, what: str) -> None:
        if self._listener is not None:
            self._listener.odd(self.eio.received_ns, what)


def _kind_name(kind: int) -> str:
    names = socketio_packet.packet_names
    return names[kind] if kind < len(names) else f"kind {kind}"
