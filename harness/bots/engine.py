"""Under the bots' Socket.IO client: one websocket, and Engine.IO that reads and handles in one greenlet."""

import contextlib
import socket
from collections.abc import Callable
from typing import Any

import engineio
import websocket
from engineio import base_client as engineio_base
from engineio import packet as engineio_packet

from harness import clock

RECEIVE_BYTES = 65536


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
                self.ws.sock.shutdown(socket.SHUT_RDWR)

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
