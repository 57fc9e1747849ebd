"""Presence: tells Redis who is in which room through this node.

Redis holds one entry per connection and room, under the incarnation of the node that serves it; so a user
is there as long as any of their connections is, and a late disconnect never removes a user's new
connection. The script that writes entries also keeps, per incarnation, the set of all that it has
registered, for whoever has to reap it; and it refuses an incarnation that was reaped.

Changes are written by one greenlet, many rooms in one go, which tries again until Redis took them. Each
change travels through the shard log to all nodes, which then send the room's new list (`user_lists.py`).

**Where Redis has lost the end of its log** it has lost who came, and has again who left since. Nobody would
take these out: their connections are over, and the incarnation they are under lives. So in a new epoch the
node takes a new incarnation and registers whom it serves; the old lease goes stale, with all that
is under it.
"""

import time
from collections.abc import Callable
from typing import Any, Literal

import gevent
from gevent.event import Event
from redis.exceptions import ResponseError

from cluster import log, wire
from cluster.connections import Connections, Membership
from cluster.members.registry import Registry
from cluster.settings import Settings
from cluster.storage import keys
from cluster.storage.link import RedisDown, Reply
from cluster.storage.resp import Command, Guard
from cluster.storage.store import Store

RETRY_S = 0.25
ROOMS_AT_ONCE = 64

_Changes = dict[str, Membership | None]  # connection -> the membership to register, `None` to take it out


class Presence:
    """Registers this node's memberships.

    `guard` returns the log that tells the others ('' where there is none, `None` where it is not known yet),
    `changed` is called for a room that was written where there is no log. `writes` counts.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        registry: Registry,
        connections: Connections,
        *,
        guard: Callable[[], Guard | Literal[""] | None],
        changed: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._registry = registry
        self._connections = connections
        self._guard = guard
        self._changed = changed
        self._pending: dict[str, _Changes] = {}
        self._write = Event()
        self._writing = False
        self._registered_in: str | None = None  # the epoch of this incarnation's first entry
        self.writes = 0

    def start(self) -> "gevent.Greenlet[..., Any]":
        """Start the greenlet that writes changes; it ends only by a bug."""
        return gevent.spawn(self._run)

    def joined(self, membership: Membership) -> None:
        """Register a new membership; does not switch greenlets."""
        membership.joined_at = self._registry.clock_ms() / 1000  # one clock, to tell a user's latest join
        self._change(membership, membership)

    def left(self, membership: Membership) -> None:
        """Take a membership out; does not switch greenlets."""
        self._change(membership, None)

    def register_all(self) -> None:
        """Register everybody again, under the incarnation that holds now; does not switch greenlets."""
        self._registered_in = None
        for connection in self._connections.all():
            for membership in connection.memberships.values():
                self._change(membership, membership)

    def beat(self) -> None:
        """After each beat: in another epoch than that in which we registered, take a new incarnation."""
        guard = self._guard()
        if guard and self._registered_in not in (None, guard.epoch):
            self._registry.renew(f"the log's epoch is {guard.epoch} now")

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is written, or until the time is over; tell whether it is."""
        until_s = time.monotonic() + timeout_s
        while (self._pending or self._writing) and time.monotonic() < until_s:
            gevent.sleep(0.01)  # Only a shutdown waits here; an event would be there for it alone.
        return not (self._pending or self._writing)

    def _change(self, membership: Membership, to: Membership | None) -> None:
        self._pending.setdefault(membership.room, {})[membership.connection.sid] = to
        self._write.set()

    def _run(self) -> None:
        while True:
            self._write.wait()
            self._write.clear()
            while self._pending:
                self._writing = True
                left_over = self._write_some()
                for room, changes in left_over.items():
                    # What came meanwhile is newer than what was not taken.
                    self._pending[room] = changes | self._pending.get(room, {})
                self._writing = False
                if left_over:
                    gevent.sleep(RETRY_S)

    def _write_some(self) -> dict[str, _Changes]:
        """Write the changes of some rooms; returns those that Redis did not take."""
        taken = {room: self._pending.pop(room) for room in list(self._pending)[:ROOMS_AT_ONCE]}
        guard = self._guard()
        if guard is None:
            return taken
        commands = [self._command(guard, room, changes) for room, changes in taken.items()]
        try:
            replies = self._store.link.run(commands)
        except (RedisDown, ResponseError) as error:
            log.debug("presence_not_written", rooms=len(taken), reason=str(error))
            return taken
        done = [room for room, reply in zip(taken, replies, strict=True) if self._took(room, reply)]
        self.writes += len(done)
        if done and guard and self._registered_in is None:
            self._registered_in = guard.epoch
        return {room: changes for room, changes in taken.items() if room not in done}

    def _took(self, room: str, reply: Reply) -> bool:
        match reply:
            case [b"changed", int(count)]:
                if count and self._guard() == "":
                    self._changed(room)
                return True
            case [b"incarnation_gone"]:
                self._registry.beat_soon()
            case _:
                log.debug("presence_not_taken", room=room, reply=str(reply))
        return False

    def _command(self, guard: Guard | str, room: str, changes: _Changes) -> Command:
        shard = keys.shard_of(room, self._settings.shards)
        incarnation = self._registry.incarnation
        names = [
            keys.EPOCH,
            keys.LEASES,
            keys.memberships(incarnation),
            keys.presence(room),
            keys.presence_version(room),
            keys.shard_head(shard),
            keys.shard_log(shard),
        ]
        flat: list[str] = []
        for sid, membership in changes.items():
            flat += ("remove", sid, "") if membership is None else ("add", sid, self._entry(membership))
        kept = self._settings.shard_messages
        script = self._store.link.scripts["presence"]
        return script.command(names, guard, incarnation, room, shard, kept, *flat)

    def _entry(self, membership: Membership) -> str:
        return wire.dumps(
            {"user": membership.user, "node": self._settings.server_id, "at": membership.joined_at}
        )
