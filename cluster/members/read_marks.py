"""`read`: up to where each user has read a room. Kept in Redis, told to those who tell, never in the log.

A user's position only moves forward. It is best effort: what is told is kept a moment later, with what else
came in that moment, and is lost with its node; the next one makes up for it.

**Who is told.** A connection's first `read` in a room asks for the others' positions: it gets what is kept,
and then what changes, until it leaves the room. Who never tells is never told: joins and deliveries cost
nothing more.

**Bursts become one event**, as with user lists: after each a room is left in peace for the time in which
its bytes fit a budget.
"""

import math
import time
from collections.abc import Iterable, Iterator
from typing import Any

import gevent
from gevent.event import Event
from redis.exceptions import ResponseError

from cluster import log, wire
from cluster.connections import Connection, Connections, Membership
from cluster.members.sync import ServerSync
from cluster.members.sync_words import Notice
from cluster.protocol import Code, Position, Refusal
from cluster.rate import TokenBucket
from cluster.storage import keys
from cluster.storage.link import RedisDown
from cluster.storage.resp import Command
from cluster.storage.store import Store
from cluster.transport.outbox import Outbox

AT_ONCE = 20.0
PER_S = 10.0
COALESCE_S = 0.1
LONGEST_PEACE_S = 5.0
BYTES_PER_S = 1_000_000  # of one room, to those who listen on this node
RETRY_S = 0.5
ROOMS_AT_ONCE = 32
MOST_USERS = 10_000  # of whom a room keeps the position
MOST_TOLD = 1_000  # of these, to one who comes
MOST_DUE = 10_000  # positions that wait to be kept
KEPT_S = 90 * 24 * 3600
NOTICE_BYTES = 900  # about; a notice of typing may be as long

Marks = dict[str, Position]  # user -> up to where


class ReadMarks:
    """See the module's docstring. `kept` counts positions, `sent` events to connections."""

    def __init__(self, store: Store, connections: Connections, outbox: Outbox, sync: ServerSync) -> None:
        self._store = store
        self._connections = connections
        self._outbox = outbox
        self._sync = sync
        self._listeners: dict[str, dict[str, Connection]] = {}  # room -> sid -> who is told
        self._allowances: dict[str, TokenBucket] = {}  # by sid
        self._due: dict[str, Marks] = {}  # room -> what is to be kept
        self._newcomers: dict[str, set[str]] = {}  # room -> sids that are to be told all
        self._news: dict[str, Marks] = {}  # room -> what is to be told
        self._quiet_until_s: dict[str, float] = {}
        self._wake = Event()
        self.kept = 0
        self.sent = 0

    def start(self) -> "gevent.Greenlet[..., Any]":
        """Start the greenlet that keeps and tells; it ends only by a bug."""
        return gevent.spawn(self._run)

    def read(self, membership: Membership, position: Position) -> None:
        """A member has read up to a position; does not switch greenlets.

        Raises:
            Refusal: too often.
        """
        connection, room = membership.connection, membership.room
        self._allow(connection)
        listeners = self._listeners.setdefault(room, {})
        if connection.sid not in listeners:
            listeners[connection.sid] = connection
            self._newcomers.setdefault(room, set()).add(connection.sid)
        if position.seq > 0 and sum(map(len, self._due.values())) < MOST_DUE:
            due = self._due.setdefault(room, {})
            before = due.get(membership.user)
            if before is None or before.epoch != position.epoch or before.seq < position.seq:
                due[membership.user] = position
        self._wake.set()

    def noticed(self, notice: Notice) -> None:
        """Another node has kept positions; does not switch greenlets."""
        if notice.type == "read":
            self._tell_soon(notice.room, dict(notice.reads))

    def of(self, user: str, rooms: list[str]) -> list[int | None]:
        """Return the seq up to which a user has read each of these rooms. Raises `Refusal`."""
        found = self._store.many([("HGET", keys.read_marks(room), user) for room in rooms])
        return [None if kept is None else int(kept.split(b" ", 1)[0]) for kept in found]

    def left(self, connection: Connection, room: str) -> None:
        """A connection has left a room."""
        listeners = self._listeners.get(room, {})
        listeners.pop(connection.sid, None)
        if not listeners:
            for of_rooms in (self._listeners, self._news, self._newcomers, self._quiet_until_s):
                of_rooms.pop(room, None)

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._allowances.pop(connection.sid, None)
        for room in connection.memberships:
            self.left(connection, room)

    def _allow(self, connection: Connection) -> None:
        now_s = time.monotonic()
        bucket = self._allowances.get(connection.sid)
        if bucket is None:
            bucket = self._allowances[connection.sid] = TokenBucket(rate=PER_S, burst=AT_ONCE, now_s=now_s)
        wait_s = bucket.take(now_s)
        if wait_s:
            wait_ms = math.ceil(wait_s * 1000)
            raise Refusal(Code.RATE_LIMITED, "reading is told too often", retry_after_ms=wait_ms)

    def _run(self) -> None:
        while True:
            self._wake.wait(self._pause_s())
            self._wake.clear()
            gevent.sleep(COALESCE_S)
            try:
                self._keep()
                self._welcome()
            except (RedisDown, ResponseError) as error:
                log.debug("read_marks_wait", reason=str(error))
                gevent.sleep(RETRY_S)
                self._wake.set()
            self._tell()

    def _pause_s(self) -> float | None:
        """Return how long there is nothing to do, if nothing comes; `None`: without end."""
        if not self._news:
            return None
        next_s = min(self._quiet_until_s.get(room, 0.0) for room in self._news)
        return max(0.0, next_s - time.monotonic())

    def _keep(self) -> None:
        """Write down what is due; it stays due where Redis does not answer."""
        rooms = list(self._due)
        for first in range(0, len(rooms), ROOMS_AT_ONCE):
            some = [(room, dict(self._due[room])) for room in rooms[first : first + ROOMS_AT_ONCE]]
            replies = self._store.link.replies([self._command(room, marks) for room, marks in some])
            for (room, marks), numbers in zip(some, replies, strict=True):
                self._done(room, marks)
                users = list(marks)
                self._kept(room, {users[number - 1]: marks[users[number - 1]] for number in numbers})

    def _done(self, room: str, marks: Marks) -> None:
        """These are not due any more, except where a further one has come meanwhile."""
        left = {user: at for user, at in self._due.pop(room).items() if marks.get(user) != at}
        if left:
            self._due[room] = left

    def _kept(self, room: str, marks: Marks) -> None:
        self.kept += len(marks)
        self._tell_soon(room, marks)
        for reads in _portions(marks):
            self._sync.tell(Notice(type="read", room=room, reads=reads))

    def _command(self, room: str, marks: Marks) -> Command:
        names = [keys.read_marks(room), keys.room_state(room), keys.EPOCHS]
        flat = [part for user, at in marks.items() for part in (user, at.epoch or "", at.seq)]
        return self._store.link.scripts["read_marks"].command(names, MOST_USERS, KEPT_S, *flat)

    def _welcome(self) -> None:
        """Give newcomers all that is kept."""
        while self._newcomers:
            room = next(iter(self._newcomers))
            flat = self._store.link.call("HGETALL", keys.read_marks(room))
            listeners = self._listeners.get(room, {})
            sids = self._newcomers.pop(room, set())
            self._send(room, latest(flat), [listeners[sid] for sid in sids if sid in listeners])

    def _tell_soon(self, room: str, marks: Marks) -> None:
        if marks and room in self._listeners:
            self._news.setdefault(room, {}).update(marks)
            self._wake.set()

    def _tell(self) -> None:
        now_s = time.monotonic()
        for room in [room for room in self._news if self._quiet_until_s.get(room, 0.0) <= now_s]:
            size = self._send(room, self._news.pop(room), self._listeners.get(room, {}).values())
            self._quiet_until_s[room] = now_s + min(LONGEST_PEACE_S, size / BYTES_PER_S)

    def _send(self, room: str, marks: Marks, to: Iterable[Connection]) -> int:
        """Send an event; returns the bytes of it to all."""
        reads = [{"user": user, "epoch": at.epoch, "seq": at.seq} for user, at in marks.items()]
        packet = wire.event("read", wire.dumps({"room": room, "reads": reads}))
        count = 0
        for connection in list(to):
            self._outbox.send(connection, (packet,))
            count += 1
        self.sent += count
        return len(packet) * count


def latest(flat: list[bytes]) -> Marks:
    """Return positions from what is kept, those of highest seq where there are too many."""
    marks = {}
    for user, kept in zip(flat[::2], flat[1::2], strict=True):
        seq, epoch = kept.decode().split(" ", 1)
        marks[user.decode()] = Position(epoch=epoch, seq=int(seq))
    if len(marks) <= MOST_TOLD:
        return marks
    return dict(sorted(marks.items(), key=lambda mark: mark[1].seq)[-MOST_TOLD:])


def _portions(marks: Marks) -> Iterator[tuple[tuple[str, Position], ...]]:
    portion: list[tuple[str, Position]] = []
    size = 0
    for user, position in marks.items():
        cost = len(wire.dumps({"user": user, "epoch": position.epoch, "seq": position.seq}))
        if portion and size + cost > NOTICE_BYTES:
            yield tuple(portion)
            portion, size = [], 0
        portion.append((user, position))
        size += cost
    if portion:
        yield tuple(portion)
