"""The bots' Socket.IO client: websocket only, and everything is handled in the reader.

python-socketio runs the handlers of events in tasks of their own, so the order in which they run need not be
the order in which frames came. Here one greenlet per connection reads, stamps and handles each frame before
it reads the next; handlers therefore must not block. Writes go to the socket at once, not through a queue.

A connection ends once, whoever ends it: `lost` is called with the stamp and the reason, and after that
nothing more of it. `hang_up` never waits for the other side, which may be paused or cut off for good.

The client is used for one connection only: what is late from an old one can never be taken for the new.
"""

import contextlib
import json
from collections.abc import Callable
from typing import Any, Protocol

import engineio
import gevent
import websocket
from engineio import base_client as engineio_base
from engineio import packet as engineio_packet
from gevent.event import Event
from locust.contrib.socketio import SocketIOClient
from socketio import packet as socketio_packet

from harness import clock
from harness.bots.wire import Json, Reader, Sighting

RECEIVE_BYTES = 65536
ODD_FRAME = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
)  # what decoding one may raise


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


class BufferedWebSocket(websocket.WebSocket):  # type: ignore[misc]  # The base has no types.
    """A websocket that asks the kernel once for many frames; whole text frames are cut out right here."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._buffer = bytearray()

    def recv(self) -> str | bytes:
        """Return the next message; blocks until there is one."""
        if not self._buffer:
            self._fill()
        text = self._whole_text()
        return super().recv() if text is None else text

    def _whole_text(self) -> str | None:
        """Cut out an unfragmented, unmasked text frame; `None`: something else, for the base to read."""
        buffer = self._buffer
        if len(buffer) < 2 or buffer[0] != 0x81 or self.cont_frame.recving_frames:
            return None
        start, length = 2, buffer[1]
        if length == 126 and len(buffer) >= 4:
            start, length = 4, int.from_bytes(buffer[2:4], "big")
        if (start == 2 and length > 125) or len(buffer) < start + length:
            return None
        text = buffer[start : start + length].decode()
        del buffer[: start + length]
        return text

    def _fill(self) -> None:
        data = self.sock.recv(RECEIVE_BYTES) if self.sock is not None else b""
        if not data:
            raise websocket.WebSocketConnectionClosedException("closed by the other side")
        self._buffer += data

    def _recv(self, size: int) -> bytes:
        """Serve the base's reads from the buffer."""
        if not self._buffer:
            self._fill()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


class ReadingEngine(engineio.Client):  # type: ignore[misc]  # The base has no types.
    """Engine.IO over one websocket: reads and handles frames in one greenlet."""

    def __init__(self, *args: Any, spawn: Callable[..., Any], **options: Any) -> None:
        super().__init__(*args, **options)
        self._spawn = spawn
        self.received_ns = 0
        self.ended = False
        self.on_text: Callable[[str], None] = lambda text: None
        self.on_end: Callable[[int, str], None] = lambda t_ns, reason: None
        self.on_odd: Callable[[str], None] = lambda what: None

    def start_background_task(self, target: Callable[..., None], *args: Any, **kwargs: Any) -> Any:
        """Run a loop of this connection as a greenlet."""
        return self._spawn(target, *args, **kwargs)

    def hang_up(self, reason: str) -> None:
        """End the connection now; the other side is not waited for."""
        self._finish(reason)
        if self.ws is not None and self.ws.sock is not None:
            with contextlib.suppress(OSError):  # It is gone already.
                self.ws.sock.shutdown(2)

    def mind_silence(self) -> None:
        """End the connection when not even a ping has come for as long as the server promised."""
        patience_s = self.ping_interval + self.ping_timeout
        if not self.ended and clock.now_ns() - self.received_ns > patience_s * clock.NS:
            self.hang_up(f"ping timeout: nothing came for {patience_s:g} s")

    def _send_packet(self, pkt: engineio_packet.Packet) -> None:
        if self.ws is None:  # While connecting the base sends before it has told us the socket.
            self.queue.put(pkt)
        elif not self.ended:
            self._write(pkt.encode())

    def _write(self, frame: str) -> None:
        try:
            self.ws.send(frame)
        except (websocket.WebSocketException, OSError) as error:
            self.hang_up(f"write failed: {error}")

    def _write_loop(self) -> None:
        """Write what was queued while connecting; the base would loop."""
        while not self.queue.empty():
            self._write(self.queue.get_nowait().encode())

    def _read_loop_websocket(self) -> None:
        self.ws.settimeout(None)  # A timer per read is dear; `mind_silence` sees to it.
        reason = self._read_frames()
        self._finish(reason)
        with contextlib.suppress(OSError):  # It is gone already.
            self.ws.shutdown()
        with contextlib.suppress(ValueError):  # It was never listed.
            engineio_base.connected_clients.remove(self)

    def _read_frames(self) -> str:
        """Handle frames until the connection ends; returns why it did."""
        while not self.ended:
            try:
                frame = self.ws.recv()
            except (websocket.WebSocketException, OSError, ValueError) as error:
                return f"transport: {error}"
            if not self.ws.connected:
                return "closed by the server"
            self.received_ns = clock.now_ns()
            self._handle(frame)
        return "hung up"

    def _handle(self, frame: str | bytes) -> None:
        match frame[:1]:
            case "4":
                self.on_text(frame[1:])  # type: ignore[arg-type]  # It begins with a character.
            case "2":
                self._write(f"3{frame[1:]!s}")
            case "1":
                self.hang_up("closed by the server")
            case "6":
                pass
            case _:
                self.on_odd(f"a frame of no known kind: {frame[:200]!r}")

    def _finish(self, reason: str) -> None:
        if not self.ended:
            self.ended = True
            self.state = "disconnected"
            self.on_end(clock.now_ns(), reason)


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
            case socketio_packet.CONNECT, _:
                listener.accepted(t_ns)
                self._answered.set()
            case socketio_packet.CONNECT_ERROR, why:
                self._refusal = f"refused by the node: {json.dumps(why)}"
                self._answered.set()
            case socketio_packet.DISCONNECT, _:
                self.hang_up("disconnected by the server")
            case kind, data:
                listener.odd(t_ns, f"a Socket.IO packet of kind {kind} that nothing asked for: {data!r:.200}")

    def _on_end(self, t_ns: int, reason: str) -> None:
        self._refusal = reason
        self._answered.set()
        if self._listener is not None:
            self._listener.lost(t_ns, reason)

    def _on_odd(self, what: str) -> None:
        if self._listener is not None:
            self._listener.odd(self.eio.received_ns, what)
