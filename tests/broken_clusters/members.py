"""Bugs of members, and of the log as a whole: user lists, epochs, what follows a Redis that was away."""

import os
import secrets
from typing import Any

import gevent

from cluster.delivery.durable import DurableDelivery
from cluster.delivery.joining import Joining
from cluster.delivery.tail import Tail
from cluster.members import user_lists
from cluster.members.presence import Presence
from cluster.members.reaper import Reaper
from cluster.storage import keys
from cluster.storage.link import Health, Link, RedisDown
from tests.broken_clusters.planting import Fault, bug, instead_of, on_node


def change_lists(change: Any) -> None:
    """Let `change(rows)` say what the lists of all rooms show."""

    @instead_of(user_lists, "rows")
    def rows(original: Any, flat: Any, lost: Any) -> Any:
        return change(original(flat, lost))


@bug("presence")
def leaves_a_live_user_out() -> None:
    """One user, who is there, is in no user list."""
    change_lists(lambda rows: [row for row in rows if not row["user"].startswith("bot-05.")])


@bug("presence")
def lists_a_user_twice() -> None:
    """One user has two rows in every user list."""
    change_lists(lambda rows: [r for r in rows for _ in range(1 + r["user"].startswith("bot-05."))])


@bug("presence")
def takes_a_live_user_for_lost() -> None:
    """One user, who is there, is shown as lost."""
    change_lists(
        lambda rows: [{**r, "state": "lost"} if r["user"].startswith("bot-05.") else r for r in rows]
    )


@bug("presence")
def tells_nobody_of_later_joins() -> None:
    """A member gets the user list once, when it joins, and never again."""

    @instead_of(user_lists.UserLists, "_deliver")
    def deliver(original: Any, self: Any, room: str, version: int, rows_json: str, members: Any) -> None:
        original(self, room, version, rows_json, [member for member in members if not member.listed])


@bug("presence", fault=Fault.NODE_KILL, recovery_s=6.0)
def keeps_the_users_of_a_dead_node() -> None:
    """Memberships of a node that died stay, and count before those by which their users came back."""

    @instead_of(Reaper, "reap")
    def reap(original: Any, self: Any, roster: Any) -> None:
        return

    @instead_of(user_lists, "rows")
    def rows(original: Any, flat: Any, lost: Any) -> Any:
        found = original(flat, lost)
        dead = {row["user"] for row in original(flat, frozenset()) if _has_entry_of(flat, lost, row["user"])}
        return [{**row, "state": "lost"} if row["user"] in dead else row for row in found]


def _has_entry_of(flat: list[bytes], lost: frozenset[str], user: str) -> bool:
    named = f'"user":"{user}"'.encode()
    return any(named in value and value.partition(b" ")[0].decode() in lost for value in flat[1::2])


@bug("presence", presence_s=0.5)
def keeps_users_who_left() -> None:
    """Whoever has left a room, or closed the connection, stays in its user list."""

    @instead_of(Presence, "left")
    def left(original: Any, self: Any, membership: Any) -> None:
        return


@bug(
    "complete-delivery",
    "convergence",
    may=("read-your-writes",),
    fault=Fault.REDIS_KILL,
)
def tail_stops_silently_after_redis_came_back() -> None:
    """When Redis was away, node-2 delivers nothing any more, and looks healthy."""
    if not on_node("node-2"):
        return
    away: list[bool] = []

    @instead_of(Tail, "_read")
    def read(original: Any, self: Any, guard: Any) -> None:
        try:
            original(self, guard)
        except RedisDown:
            away.append(True)
            raise

    @instead_of(DurableDelivery, "messages")
    def messages(original: Any, self: Any, room: str, run: Any) -> bool:
        return bool(away) or bool(original(self, room, run))


def change_epoch_after(seconds: float) -> None:
    """Let node-1 open a new epoch in the midst of the run, as a lost log would."""

    @instead_of(Tail, "start")
    def start(original: Any, self: Any) -> Any:
        if on_node("node-1"):
            gevent.spawn_later(seconds, _open_epoch)
        return original(self)


def _open_epoch() -> None:
    link = Link(os.environ["WORDAROUND_REDIS_URL"], Health(), timeout_s=2.0, connections=1)
    epoch, held = secrets.token_hex(8), link.call("GET", keys.EPOCH).decode()
    link.call("RPUSH", keys.EPOCHS, epoch)
    link.call("SET", keys.EPOCH, f"{epoch} {held.split()[1]}")


@bug("gapless-resume", may=("complete-delivery",))
def changes_the_epoch_silently() -> None:
    """A new epoch opens, and joined members get its messages without a word about it."""
    change_epoch_after(6.0)

    # Not at `begun` alone: whoever was not told then is told at the next message, before it gets it.
    @instead_of(Joining, "announce")
    def announce(original: Any, self: Any, room: str) -> None:
        members = list(self._connections.members(room))
        if members and self._memory.get(room) is None:
            self._memory.open(room, max(member.position for member in members))
        for member in members:
            member.epoch = self._tail.epoch
