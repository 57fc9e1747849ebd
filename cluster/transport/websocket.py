"""How a WebSocket begins: the HTTP upgrade (RFC 6455, section 4.2), and its place in engineio.

engineio has no public setting for a session class of one's own, so its `_handle_connect` is replaced on the
one instance that this node has. That makes a `Session` and leaves it in the WSGI environment; the HTTP
server runs it once the application has returned, from a stack that is not many frames deep any more
(`serving.py`): each frame would be kept for as long as the connection lives.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from cluster.transport.keepalive import Keepalive
from cluster.transport.outbox import Outbox
from cluster.transport.session import Session, ShortPath

SESSIONS = "wordaround.sessions"  # a list in the WSGI environment, for the session that a request begins
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_KEPT = ("REMOTE_ADDR", "REMOTE_PORT", "HTTP_ORIGIN", "HTTP_USER_AGENT", "QUERY_STRING")

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


def use_for(engine: Any, *, outbox: Outbox, keepalive: Keepalive, short_path: ShortPath) -> None:
    """Make an engineio server run its sessions as `Session` does."""

    def handle_connect(
        environ: dict[str, Any], start_response: StartResponse, transport: str, jsonp_index: object = None
    ) -> Iterable[bytes]:
        accepted = handshake(environ)
        if accepted is None:
            start_response("400 Bad Request", [("Sec-WebSocket-Version", "13"), ("Connection", "close")])
            return [b"this is no WebSocket handshake of version 13\n"]
        session = Session(
            engine,
            engine.generate_id(),
            accepted=accepted,
            outbox=outbox,
            keepalive=keepalive,
            short_path=short_path,
        )
        engine.sockets[session.sid] = session
        session.send(session.open_packet())
        about = {name: environ[name] for name in _KEPT if name in environ}
        engine._trigger_event("connect", session.sid, about, run_async=False)
        environ[SESSIONS].append(session)
        return []

    engine._handle_connect = handle_connect


def handshake(environ: dict[str, Any]) -> bytes | None:
    """Return the HTTP answer that begins the WebSocket, `None` where the request is no such beginning.

    No extension and no subprotocol is agreed to: messages are small, and compressing them for each
    recipient would cost more than it saves.
    """
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
    upgrades = "upgrade" in [part.strip().lower() for part in environ.get("HTTP_CONNECTION", "").split(",")]
    sound = (
        environ.get("REQUEST_METHOD") == "GET"
        and environ.get("SERVER_PROTOCOL") == "HTTP/1.1"
        and upgrades
        and environ.get("HTTP_SEC_WEBSOCKET_VERSION") == "13"
        and _is_key(key)
        and environ.get("CONTENT_LENGTH", "0") in ("", "0")
        and "HTTP_TRANSFER_ENCODING" not in environ  # A body would be read as frames.
    )
    if not sound:
        return None
    accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
