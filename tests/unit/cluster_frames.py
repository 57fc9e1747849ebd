"""Reads what a node has queued for a client: the events in the bytes of WebSocket frames."""

import json
from typing import Any

from wsproto.frame_protocol import FrameProtocol


def events(data: bytes) -> list[tuple[str, Any]]:
    """Return the name and the one argument of each Socket.IO event, in order."""
    reader = FrameProtocol(client=True, extensions=[])
    reader.receive_bytes(data)
    found, text = [], ""
    for frame in reader.received_frames():
        text += frame.payload
        if frame.message_finished:
            assert text.startswith("42"), text[:80]
            found.append(tuple(json.loads(text[2:])))
            text = ""
    return found
