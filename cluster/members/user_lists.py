"""User lists: who is in a room over all nodes, sent to its members on this node when it has changed.

One row per user, with the node of the user's latest join (on a node that lives, if there is one). A row is
there until its entry leaves Redis: by the user's leaving, or because the node's lease went stale and
somebody reaped it. Meanwhile it is `lost` if this node judges the incarnation so: its lease is late, or its
server does not answer (`Node` in app.py judges).

**Versions rise.** A version is the sum of two counters in Redis: of the room's changes, and the *turn*, which
a node advances each time before it begins to judge others differently. So a list with other rows than the
one before always has a higher version, on whatever node it is read, though judging stores nothing.

**Bursts become one list.** A list of n rows to n members costs n², so after each list a room is left in peace
for the time in which its bytes fit a budget: 200 people who join within a second get a few lists, not 200.
"""

import time
from dataclasses import dataclass
from typing import Any

import gevent
from gevent.event import Event
from redis.exceptions import ResponseError

from cluster import log, wire
from cluster.connections import Connections, Membership
from cluster.protocol import Refusal
from cluster.storage import keys
from cluster.storage.link import RedisDown, Reply
from cluster.storage.resp import Command
from cluster.storage.store import Store, unavailable
from cluster.transport.outbox import Outbox

COALESCE_S = 0.1
LONGEST_PEACE_S = 10.0
BYTES_PER_S = 8_000_000  # of one room's lists, to its members on this node
RETRY_S = 0.5
ROOMS_AT_ONCE = 32

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sent:
    """What a room's members have."""

    rows_json: str
    quiet_until_s: float


class UserLists:
    """Sends lists. `lists` counts those that were made, `sent` their deliveries."""

    def __init__(self, store: Store, connections: Connections, outbox: Outbox) -> None:
        self._store = store
        self._connections = connections
        self._outbox = outbox
        self._due: dict[str, float] = {}  # room -> when to look (monotonic s)
        self._wake = Event()
        self._sent: dict[str, _Sent] = {}
        self._lost: frozenset[str] = frozenset()
        self._lost_next: frozenset[str] = frozenset()
        self.lists = 0
        self.sent = 0

    def start(self) -> "gevent.Greenlet[..., Any]":
        """Start the greenlet that sends lists; it ends only by a bug."""
        return gevent.spawn(self._run)

    def changed(self, room: str) -> None:
        """Look at a room, soon; does not switch greenlets."""
        if room not in self._due:
            soon_s = time.monotonic() + COALESCE_S
            sent = self._sent.get(room)
            self._due[room] = soon_s if sent is None else max(soon_s, sent.quiet_until_s)
            self._wake.set()

    def all_changed(self) -> None:
        """Look at every room that has members here; does not switch greenlets."""
        for room in self._connections.rooms():
            self.changed(room)

    def judge(self, lost: frozenset[str]) -> None:
        """Say whose users are lost, by incarnation; does not switch greenlets."""
        if lost != self._lost_next:
            self._lost_next = lost
            self._wake.set()

    def users(self, room: str) -> tuple[int, list[Row]]:
        """Return the version and rows of a room's list, sorted by user.

        Raises:
            Refusal: Redis does not answer.
        """
        if not self._store.health.up:
            raise unavailable(self._store.health.reason)
        try:
            ((version, flat),) = self._store.link.replies([self._command(room)])
        except (RedisDown, ResponseError) as error:
            raise unavailable(str(error)) from error
        return version, rows(flat, self._lost)

    def _run(self) -> None:
        while True:
            self._wake.wait(self._pause_s())
            self._wake.clear()
            try:
                self._turn()
                self._look()
            except (RedisDown, ResponseError, Refusal) as error:
                log.debug("user_lists_wait", reason=str(error))
                gevent.sleep(RETRY_S)
                self._wake.set()

    def _pause_s(self) -> float | None:
        if not self._due:
            return None
        return max(0.0, min(self._due.values()) - time.monotonic())

    def _turn(self) -> None:
        """Judge differently from now on: first the version, then the rows."""
        lost = self._lost_next
        if lost != self._lost:
            self._store.call("INCR", keys.TURN)
            self._lost = lost
            self.all_changed()

    def _look(self) -> None:
        now_s = time.monotonic()
        due = [room for room, at_s in self._due.items() if at_s <= now_s]
        for first in range(0, len(due), ROOMS_AT_ONCE):
            some = self._take(due[first : first + ROOMS_AT_ONCE])
            for room, reply in zip(some, self._read(some), strict=True):
                self._send(room, reply)

    def _take(self, rooms: list[str]) -> list[str]:
        """Return those that have members here; what changes from now on is due anew."""
        for room in rooms:
            del self._due[room]
        here = [room for room in rooms if self._connections.members(room)]
        for room in set(rooms).difference(here):
            self._sent.pop(room, None)
        return here

    def _read(self, rooms: list[str]) -> list[Reply]:
        try:
            return self._store.link.replies([self._command(room) for room in rooms])
        except (RedisDown, ResponseError):
            for room in rooms:
                self.changed(room)
            raise

    def _command(self, room: str) -> Command:
        names = [keys.presence(room), keys.presence_version(room), keys.TURN]
        return self._store.link.scripts["user_list"].command(names)

    def _send(self, room: str, reply: Reply) -> None:
        members = self._connections.members(room)
        if not members:
            return
        version, flat = reply
        rows_json = wire.dumps(rows(flat, self._lost))
        before = self._sent.get(room)
        changed = before is None or before.rows_json != rows_json
        recipients = [member for member in members if changed or not member.listed]
        if recipients:
            self._deliver(room, version, rows_json, recipients)
            cost_s = len(rows_json) * len(recipients) / BYTES_PER_S
            quiet_until_s = time.monotonic() + min(cost_s, LONGEST_PEACE_S)
            self._sent[room] = _Sent(rows_json=rows_json, quiet_until_s=quiet_until_s)

    def _deliver(self, room: str, version: int, rows_json: str, recipients: list[Membership]) -> None:
        packets: dict[str | None, Any] = {}
        for member in recipients:
            epoch = member.epoch
            if epoch not in packets:
                head = wire.dumps({"room": room, "epoch": epoch, "version": version})
                packets[epoch] = wire.event("user_list", f'{head[:-1]},"users":{rows_json}}}')
            member.listed = True
            self._outbox.send(member.connection, (packets[epoch],))
        self.lists += 1
        self.sent += len(recipients)


def rows(flat: list[bytes], lost: frozenset[str]) -> list[Row]:
    """Return a room's rows from its entries, sorted by user; `lost`: incarnations so judged."""
    best: dict[str, tuple[bool, float, str]] = {}
    for value in flat[1::2]:
        incarnation, _, entry_json = value.partition(b" ")
        if not entry_json:
            continue  # An entry without incarnation is of a version before there were any.
        entry = wire.loads(entry_json)
        # Of a user's connections those on a living node count first, then the latest.
        found = (incarnation.decode() not in lost, entry["at"], entry["node"])
        user = entry["user"]
        best[user] = max(found, best.get(user, found))
    return [
        {"user": user, "node": node, "state": "online" if online else "lost"}
        for user, (online, _, node) in sorted(best.items())
    ]
