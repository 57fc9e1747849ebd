"""Socket.IO packets as clients may send them: what is malformed becomes an event that nobody handles.

python-socketio parses packets in places where an error is caught only to be written to the log with its
traceback, or not at all. Our packet class (its `serializer`) parses without errors: what is no packet
that a client of ours can mean becomes the event `malformed`, which is dealt with like any unknown one:
where an acknowledgement was asked for, it is a `bad_request`.
"""

from typing import Any

from socketio.packet import CONNECT, DISCONNECT, EVENT, Packet

from cluster import counters

_FROM_CLIENTS = frozenset({CONNECT, DISCONNECT, EVENT})
MALFORMED = "malformed"  # known by its identity: a client may send an event of this name


def ignore_connects_of_the_gone(server: Any) -> None:
    """Make a python-socketio server drop a CONNECT whose Engine.IO session has ended since it came.

    It would fail on that in mid-way, and keep the half of a session for ever.
    """
    handle_connect = server._handle_connect

    def handle_connect_of_the_living(eio_sid: str, namespace: str | None, data: Any) -> None:
        if eio_sid in server.environ:
            handle_connect(eio_sid, namespace, data)

    server._handle_connect = handle_connect_of_the_living


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
            self._become_malformed()
        return 0

    def _become_malformed(self) -> None:
        """The id, where the packet got as far as that, is kept: its sender waits for an answer."""
        packet: Any = self
        if packet.packet_type != EVENT or packet.namespace not in (None, "/"):
            packet.id = None
        packet.packet_type, packet.data, packet.namespace = EVENT, [MALFORMED], None

    def _is_sound(self) -> bool:
        if self.packet_type == EVENT:
            return isinstance(self.data, list) and bool(self.data) and isinstance(self.data[0], str)
        # No event of a node asks for an acknowledgement, so none can be meant.
        return self.packet_type in _FROM_CLIENTS
