"""Presence: who is in a room, over all nodes, and the `user_list` that tells it.

Redis holds one entry per connection and room, with the incarnation of the node that serves it; so a
late disconnect never removes a user's new connection, and the users of a node that died vanish when its
lease is stale. Changes are written by one greenlet that tries again until Redis took them. Each change
travels through the shard log, and the lists of a burst of changes are sent as one.
"""

import time
from collections.abc import Iterable
from typing import Any

import gevent
from gevent.event import Event
from redis.exceptions import ResponseError

from cluster import keys, log, wire
from cluster.connections import Connections, Membership
from cluster.epochs import Standing
from cluster.link import RedisDown
from cluster.outbox import Outbox
from cluster.protocol import Refusal
from cluster.registry import Registry
from cluster.settings import Settings
from cluster.store import Store

COALESCE_S = 0.1
RETRY_S = 0.25
REAP_AFTER_S = 30.0

Row = dict[str, Any]
_Change = tuple[str, str]  # ("add", json) or ("remove", "")


class Presence:
    """Registers this node's memberships and tells its members who else is there."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        registry: Registry,
        connections: Connections,
        outbox: Outbox,
        *,
        standing: Standing | None,
    ) -> None:
        """`standing`: changes travel through the shard log; without it only by looking, at every beat."""
        self._settings = settings
        self._store = store
        self._registry = registry
        self._connections = connections
        self._outbox = outbox
        self._standing = standing
        self._pending: dict[str, dict[str, _Change]] = {}  # room -> connection -> what is to be written
        self._write = Event()
        self._writing = False
        self._dirty: set[str] = set()
        self._tell = Event()
        self._lists: dict[str, list[Row]] = {}  # what was sent last
        self._orphans: dict[str, dict[str, float]] = {}  # room -> connection -> seen since (monotonic s)

    def start(self) -> "tuple[gevent.Greenlet[..., Any], ...]":
        """Start the greenlet that writes changes and the one that sends lists."""
        return (gevent.spawn(self._run_writes), gevent.spawn(self._run_lists))

    def joined(self, membership: Membership) -> None:
        """Register a membership; does not switch greenlets."""
        entry = {
            "user": membership.user,
            "node": self._settings.server_id,
            "incarnation": self._registry.incarnation,
            "at": membership.joined_at,
        }
        self._change(membership.room, membership.connection.sid, ("add", wire.dumps(entry)))

    def left(self, membership: Membership) -> None:
        """Take a membership out; does not switch greenlets."""
        self._change(membership.room, membership.connection.sid, ("remove", ""))

    def changed(self, room: str) -> None:
        """Send a room's list anew, soon; does not switch greenlets."""
        self._dirty.add(room)
        self._tell.set()

    def beat(self, leases_changed: bool) -> None:
        """After each beat of the registry: leases may have gone stale, or our own entries away."""
        if self._registry.lapsed:
            self._registry.lapsed = False
            for connection in self._connections.all():
                for membership in connection.memberships.values():
                    self.joined(membership)
        if leases_changed or self._standing is None:
            for room in self._connections.rooms():
                self.changed(room)

    def users(self, room: str) -> tuple[int, list[Row]]:
        """Return the version and rows of a room's user list, sorted by user.

        Raises:
            Refusal: Redis does not answer.
        """
        version, entries = self._entries(room)
        return version, self._rows(entries.values())

    def flush(self, timeout_s: float) -> None:
        """Write what is pending, as far as Redis takes it in time."""
        until_s = time.monotonic() + timeout_s
        while (self._pending or self._writing) and time.monotonic() < until_s:
            gevent.sleep(0.01)  # Only a shutdown waits here; an event would be there for it alone.

    def _entries(self, room: str) -> tuple[int, dict[str, Row]]:
        version = int(self._store.call("GET", keys.presence_version(room)) or 0)
        flat = self._store.call("HGETALL", keys.presence(room))
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return version, {sid.decode(): wire.loads(entry) for sid, entry in pairs}

    def _rows(self, entries: Iterable[Row]) -> list[Row]:
        latest: dict[str, tuple[float, Row]] = {}
        for entry in entries:
            node = self._registry.holder(entry["node"], entry["incarnation"])
            if node is None:
                continue
            state = "lost" if node.suspect else "online"
            row = {"user": entry["user"], "node": entry["node"], "state": state}
            if entry["user"] not in latest or latest[entry["user"]][0] < entry["at"]:
                latest[entry["user"]] = (entry["at"], row)
        return [latest[user][1] for user in sorted(latest)]

    def _change(self, room: str, sid: str, change: _Change) -> None:
        self._pending.setdefault(room, {})[sid] = change
        self._write.set()

    def _run_writes(self) -> None:
        while True:
            self._write.wait()
            self._write.clear()
            while self._pending:
                room = next(iter(self._pending))
                changes = self._pending.pop(room)
                self._writing = True
                if not self._written(room, changes):
                    # What came meanwhile is newer than what failed.
                    self._pending[room] = changes | self._pending.get(room, {})
                    gevent.sleep(RETRY_S)
                self._writing = False

    def _written(self, room: str, changes: dict[str, _Change]) -> bool:
        shard = keys.shard_of(room, self._settings.shards)
        names = [
            keys.EPOCH,
            keys.presence(room),
            keys.presence_version(room),
            keys.shard_head(shard),
            keys.shard_log(shard),
        ]
        flat = [part for sid, (verb, entry) in changes.items() for part in (verb, sid, entry)]
        guard = "" if self._standing is None else self._standing.guard
        if guard is None:
            return False
        try:
            args = (guard, room, self._settings.shard_messages, *flat)
            flag, *_ = self._store.link.script("presence", names, *args)
        except (RedisDown, ResponseError) as error:
            log.debug("presence_not_written", room=room, reason=str(error))
            return False
        if self._standing is None:
            self.changed(room)
        return bool(flag == b"changed")

    def _run_lists(self) -> None:
        while True:
            self._tell.wait()
            gevent.sleep(COALESCE_S)  # A burst of changes becomes one list.
            self._tell.clear()
            rooms, self._dirty = self._dirty, set()
            for room in sorted(rooms):
                self._send_list(room)
            for room in set(self._lists) - set(self._connections.rooms()):
                del self._lists[room]
                self._orphans.pop(room, None)

    def _send_list(self, room: str) -> None:
        if not self._connections.members(room):
            return
        try:
            version, entries = self._entries(room)
        except Refusal as refusal:
            log.debug("user_list_not_read", room=room, reason=refusal.message)
            self._dirty.add(room)  # Looked at again with the next change or beat.
            return
        self._reap(room, entries)
        rows = self._rows(entries.values())
        members = self._connections.members(room)
        newcomers = [m for m in members if not m.listed]
        recipients = newcomers if self._lists.get(room) == rows else list(members)
        self._lists[room] = rows
        packets: dict[str | None, wire.Frame] = {}
        for member in recipients:
            epoch = member.epoch
            if epoch not in packets:
                payload = {"room": room, "epoch": epoch, "version": version, "users": rows}
                packets[epoch] = wire.event("user_list", wire.dumps(payload))
            member.listed = True
            self._outbox.send(member.connection, (packets[epoch],))

    def _reap(self, room: str, entries: dict[str, Row]) -> None:
        """Remove entries that nobody has held a lease on for a while, as far as we could see."""
        now_s = time.monotonic()
        orphans = {
            sid
            for sid, entry in entries.items()
            if self._registry.holder(entry["node"], entry["incarnation"]) is None
        }
        since = self._orphans.get(room, {})
        self._orphans[room] = {sid: since.get(sid, now_s) for sid in orphans}
        for sid, seen_s in self._orphans[room].items():
            if now_s - seen_s > REAP_AFTER_S:
                self._change(room, sid, ("remove", ""))
        if not orphans:
            del self._orphans[room]
