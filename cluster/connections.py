"""Who is connected to this node, and to which rooms: all in memory, no method switches greenlets.

That last property is a promise that the delivery relies on (see `durable.py`): between two statements
of a caller that uses only this module, no other greenlet runs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from gevent.lock import Semaphore

from cluster.rate import TokenBucket
from cluster.transport.outbox import Outlet


@dataclass(kw_only=True, slots=True, eq=False)
class Connection:
    """One Socket.IO session. `turn` lets its joins and leaves run one after the other."""

    sid: str
    eio_sid: str
    outlet: Outlet
    hang_up: Callable[[], None] = lambda: None  # closes the transport behind what waits to be written
    user: str | None
    producer: str  # what a client may use that has no identity of its own
    sends: TokenBucket | None = None  # how often it may send; `None`: as often as it likes
    turn: Semaphore = field(default_factory=Semaphore)
    memberships: dict[str, "Membership"] = field(default_factory=dict)
    open: bool = True
    leaving: bool = False  # it is about to be closed: takes no sends
    sending: int = 0  # sends that are not answered yet
    handling: int = 0  # other requests that are not

    @property
    def asking(self) -> int:
        """How many requests are not answered yet."""
        return self.sending + self.handling


@dataclass(kw_only=True, slots=True, eq=False)
class Membership:
    """A connection's stay in a room; all up to `position` was given to it."""

    connection: Connection
    room: str
    user: str
    joined_at: float  # Unix seconds, to tell which of a user's joins is the latest
    epoch: str | None
    position: int
    listed: bool = False  # it got the room's user list
    leaving: bool = False  # it has asked to go: what it sends from now on is not taken


class Connections:
    """All connections and memberships of this node."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Connection] = {}
        self._rooms: dict[str, dict[str, Membership]] = {}

    def __len__(self) -> int:
        return len(self._by_sid)

    def add(self, connection: Connection) -> None:
        """Remember a new connection."""
        self._by_sid[connection.sid] = connection

    def get(self, sid: str) -> Connection | None:
        """Return a connection that is open."""
        return self._by_sid.get(sid)

    def all(self) -> tuple[Connection, ...]:
        """Return all open connections."""
        return tuple(self._by_sid.values())

    def enter(self, membership: Membership) -> None:
        """Begin a membership, or replace the one that the connection has in that room."""
        connection = membership.connection
        connection.memberships[membership.room] = membership
        self._rooms.setdefault(membership.room, {})[connection.sid] = membership

    def leave(self, connection: Connection, room: str) -> Membership | None:
        """End a membership and return it; `None` where there was none."""
        membership = connection.memberships.pop(room, None)
        if membership is not None:
            members = self._rooms[room]
            del members[connection.sid]
            if not members:
                del self._rooms[room]
        return membership

    def remove(self, sid: str) -> Connection | None:
        """Forget a connection and its memberships; returns it with these still listed."""
        connection = self._by_sid.pop(sid, None)
        if connection is not None:
            connection.open = False
            memberships = dict(connection.memberships)
            for room in memberships:
                self.leave(connection, room)
            connection.memberships = memberships
        return connection

    def members(self, room: str) -> tuple[Membership, ...]:
        """Return the memberships in a room through this node."""
        return tuple(self._rooms.get(room, {}).values())

    def has_members(self, room: str) -> bool:
        """Tell whether a room has members through this node."""
        return room in self._rooms

    def memberships(self) -> int:
        """Return how many memberships there are."""
        return sum(map(len, self._rooms.values()))

    def rooms(self) -> tuple[str, ...]:
        """Return the rooms that have members through this node."""
        return tuple(self._rooms)
