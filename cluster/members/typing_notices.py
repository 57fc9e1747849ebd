"""`typing`: who writes in a room, told to its other users on all nodes; best effort, never in the log.

Within a node it goes straight to the members, between nodes as a notice of ServerSync. A connection may tell
so at most ten times at once and five times a second.
"""

import math
import time

from cluster import wire
from cluster.connections import Connection, Connections, Membership
from cluster.members.sync import ServerSync
from cluster.members.sync_words import Notice
from cluster.protocol import Code, Refusal
from cluster.transport.outbox import Outbox

AT_ONCE = 10
PER_S = 5.0


class TypingNotices:
    """Passes them on; no method switches greenlets. `told` and `refused` count."""

    def __init__(self, connections: Connections, outbox: Outbox, sync: ServerSync) -> None:
        self._connections = connections
        self._outbox = outbox
        self._sync = sync
        self._allowances: dict[str, tuple[float, float]] = {}  # sid -> (left, as of monotonic s)
        self.told = 0
        self.refused = 0

    def typed(self, membership: Membership, *, typing: bool) -> None:
        """Tell that a member begins or ends to type.

        Raises:
            Refusal: too often.
        """
        self._allow(membership.connection)
        self._tell(membership.room, membership.user, typing)
        self._sync.tell(Notice(type="typing", room=membership.room, user=membership.user, typing=typing))

    def noticed(self, notice: Notice) -> None:
        """Another node tells so."""
        if notice.type == "typing":
            self._tell(notice.room, notice.user, notice.typing)

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._allowances.pop(connection.sid, None)

    def _tell(self, room: str, user: str, typing: bool) -> None:
        others = [member for member in self._connections.members(room) if member.user != user]
        if others:
            payload = wire.dumps({"room": room, "user": user, "typing": typing})
            packets = (wire.event("typing", payload),)
            for member in others:
                self._outbox.send(member.connection, packets)
            self.told += len(others)

    def _allow(self, connection: Connection) -> None:
        now_s = time.monotonic()
        left, at_s = self._allowances.get(connection.sid, (float(AT_ONCE), now_s))
        left = min(float(AT_ONCE), left + (now_s - at_s) * PER_S)
        if left < 1:
            self.refused += 1
            wait_ms = math.ceil(1000 * (1 - left) / PER_S)
            raise Refusal(Code.RATE_LIMITED, "typing is told too often", retry_after_ms=wait_ms)
        self._allowances[connection.sid] = (left - 1, now_s)
