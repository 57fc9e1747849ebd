"""The short path of `send_message`: from a frame to the delivery and back, past python-socketio.

python-socketio starts a greenlet for each event, looks up handler and session by name, and encodes an
acknowledgement packet by packet; that costs more than all that a node itself does for a send. So frames that
begin as an ordinary client's `send_message` are read here. Whatever looks any other way, and what is
no sound JSON, is left to python-socketio, which ends in the same handler: a client cannot tell
which way its message took. `Session` keeps the order: while an event that came before has not begun to be
handled, this path is closed.
"""

import json
from collections.abc import Callable
from typing import Any

from cluster import wire
from cluster.connections import Connection
from cluster.delivery.base import Answer
from cluster.transport import frames
from cluster.transport.session import Session

_SEND = '["send_message",'
_EVENT = "42"
_LONGEST_ID = 15

Handle = Callable[[Connection, tuple[object, ...], Callable[[Answer], None]], None]


class ShortPath:
    """Takes a message of a session where it can; `handle` is what python-socketio would call, too."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def __call__(self, session: Session, text: str) -> bool:
        """Tell whether the message was taken; does not switch greenlets."""
        begins = text.find("[", 2, 2 + _LONGEST_ID + 1)
        if begins < 0 or not text.startswith(_SEND, begins) or text[:2] != _EVENT:
            return False
        if session.chat is None or not session.chat.open:
            return False
        ack_id = text[2:begins]
        if ack_id and not _plain(ack_id):
            return False
        try:
            _, *args = json.loads(text[begins:])
        except (ValueError, RecursionError):
            return False
        self._handle(session.chat, tuple(args), _answer_to(session, ack_id))
        return True


def _plain(ack_id: str) -> bool:
    return ack_id.isascii() and ack_id.isdigit() and (ack_id[0] != "0" or ack_id == "0")


def _answer_to(session: Session, ack_id: str) -> Callable[[Answer], None]:
    outlet = session.outlet

    def answer(payload: dict[str, Any]) -> None:
        if ack_id:
            outlet.write(frames.text_frame(f"43{ack_id}[{wire.dumps(payload)}]".encode()))

    return answer
