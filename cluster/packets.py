"""Socket.IO packets as clients may send them: what is malformed becomes an event that nobody handles.

python-socketio parses packets in places where an error is caught only to be written to the log with its
traceback, or not at all. Our packet class (its `serializer`) parses without errors: what is no packet
that a client of ours can mean becomes the event `malformed`, which is dealt with like any unknown one.
"""

from typing import Any

from socketio.packet import CONNECT, DISCONNECT, EVENT, Packet

from cluster import counters

_FROM_CLIENTS = frozenset({CONNECT, DISCONNECT, EVENT})
MALFORMED = "malformed"


class StrictPacket(Packet):  # type: ignore[misc]  # python-socketio ships no types
    """A packet that was checked when it was decoded."""

    def decode(self, encoded_packet: Any) -> int:
        """Decode; returns the number of attachments to wait for, which is none in our protocol."""
        try:
            super().decode(encoded_packet)
            sound = self._is_sound()
        except (ValueError, TypeError, RecursionError):
            sound = False
        if not sound:
            counters.requests.malformed["packet"] += 1
            self.packet_type, self.data, self.id, self.namespace = EVENT, [MALFORMED], None, None
        return 0

    def _is_sound(self) -> bool:
        if self.packet_type == EVENT:
            return isinstance(self.data, list) and bool(self.data) and isinstance(self.data[0], str)
        # No event of a node asks for an acknowledgement, so none can be meant.
        return self.packet_type in _FROM_CLIENTS
