"""Commit, then tail: a message is delivered because it is in the log, never because it was received.

The handler of `send_message` only commits. The tail, on this node as on every other, reads the log and
delivers; so all recipients see one order, and what was acknowledged will be delivered or resumed.

**A join, step by step**, and why nothing is missed or doubled between history and live messages:

1. One script reads at one moment: the epoch, the room's head H, and the head of its shard log.
2. Wait until our tail has handed on all of the shard log up to there. From then on the tail has passed
   every message up to H, and everything above H passes it after that moment.
3. Read the history up to H from Redis. Greenlets switch here, and live messages go on passing.
4. `_admit`, which switches to no other greenlet: take what passed the tail since, (H, P], from the
   tail's memory; queue history and that; begin the membership at P. The acknowledgement, with seq P, is
   queued right after the handler returns, with no switch either (python-socketio calls the handler and
   queues its result in one greenlet).

The tail itself handles each entry without a switch: memory and all members of the room advance
together. So at whatever moment step 4 happens, the entry P+1 has not been handled at all: it finds the
new member, and every entry up to P was handled before there was one. Where memory no longer reaches
back to H (bounded), the join starts again with a newer H.

A second join on the same connection leaves the old membership live until step 4 replaces it; so a join
that fails has had no effect.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import gevent

from cluster import keys, log, wire
from cluster.committer import Committer
from cluster.connections import Connection, Connections, Membership
from cluster.delivery import Answer, Page, PageRequest
from cluster.link import Health
from cluster.memory import RoomTail, TailMemory
from cluster.outbox import Outbox
from cluster.protocol import SNAPSHOT_MESSAGES, JoinRequest, Position, SendRequest
from cluster.settings import Settings
from cluster.store import RoomHead, Store, unavailable
from cluster.tail import Tail
from cluster.wire import Stored

JOIN_WAIT_S = 2.0
JOIN_ATTEMPTS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class _History:
    """What a join is to get: all up to `reach`; a snapshot where `recovered` is false."""

    epoch: str
    reach: int
    recovered: bool
    messages: Sequence[Stored]
    forgotten: int  # the memory's counter when the head was read


class DurableDelivery:
    """See the module's docstring."""

    def __init__(
        self,
        settings: Settings,
        health: Health,
        store: Store,
        connections: Connections,
        outbox: Outbox,
        *,
        presence_changed: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._health = health
        self._store = store
        self._connections = connections
        self._outbox = outbox
        self._presence_changed = presence_changed
        self._memory = TailMemory(settings.memory_messages)
        self._tail = Tail(settings, health, store, self)
        self._committer = Committer(settings, health, epoch_changed=self._tail.check_epoch)

    # What the node asks of a delivery

    def start(self) -> "tuple[gevent.Greenlet[..., Any], ...]":
        """Start tail and committer."""
        return (self._tail.start(), self._committer.start())

    def not_ready(self) -> str | None:
        """Ready: Redis answers, and the tail stands in its log."""
        if not self._health.up:
            return self._health.reason
        return "the tail has not begun yet" if self._tail.epoch is None else None

    def join(self, connection: Connection, user: str, request: JoinRequest) -> Answer:
        """Join or resume; sends `message_history` and returns the acknowledgement."""
        for _ in range(JOIN_ATTEMPTS):
            forgotten = self._memory.forgotten
            head = self._store.room_head(request.room)
            if not self._tail.wait_for(head.shard, head.shard_head, JOIN_WAIT_S):
                raise unavailable(f"this node's tail is behind by more than {JOIN_WAIT_S} s")
            if head.epoch != self._tail.epoch:
                self._tail.check_epoch()
                gevent.sleep(0.05)  # The tail is about to see the new epoch.
                continue
            history = self._history(request.room, head, request.cursor, forgotten)
            answer = history and self._admit(connection, user, request.room, history)
            if answer:
                return answer
        raise unavailable("the room's log moves faster than it can be read")

    def leave(self, connection: Connection, room: str) -> Answer:
        """Stop delivery; the acknowledgement says where it stopped (nulls: it never began)."""
        membership = self._connections.leave(connection, room)
        return {
            "ok": True,
            "room": room,
            "epoch": membership.epoch if membership else None,
            "seq": membership.position if membership else None,
        }

    def send(self, connection: Connection, user: str, request: SendRequest) -> Answer:
        """Commit; nothing is delivered from here."""
        if self._tail.epoch is None:
            raise unavailable(self.not_ready() or "the tail has not begun yet")
        sent_at = round(datetime.now(UTC).timestamp(), 3)
        committed = self._committer.commit(request, epoch=self._tail.epoch, user=user, sent_at=sent_at)
        return {
            "ok": True,
            "room": request.room,
            "epoch": committed.epoch,
            "seq": committed.seq,
            "duplicate": committed.duplicate,
            "producer": request.producer,
            "n": request.n,
        }

    def left(self, membership: Membership) -> None:
        """Nothing to do: deliveries go by the memberships."""

    def stored(self, request: PageRequest) -> Page:
        """Return messages from the room's log."""
        head = self._store.room_head(request.room)
        end = head.seq + 1 if request.before is None else min(request.before, head.seq + 1)
        if request.after is None:
            messages = self._store.latest(request.room, before=end, limit=request.limit)
        else:
            messages = self._store.messages(
                request.room, after=request.after, to=end - 1, limit=request.limit
            )
        return self._page(head.epoch, head.oldest, head.seq, messages)

    def delivered(self, request: PageRequest) -> Page:
        """Return messages from the tail's memory."""
        tail = self._memory.get(request.room)
        if tail is None:
            return self._page(self._tail.epoch, None, 0, ())
        messages = tail.page(after=request.after, before=request.before, limit=request.limit)
        return self._page(self._tail.epoch, tail.first, tail.last, messages)

    def rooms(self) -> list[str]:
        """Return the rooms that have a log."""
        return self._store.rooms()

    def status(self) -> dict[str, Any]:
        """Return where the tail stands."""
        return {"epoch": self._tail.epoch, "tail": list(self._tail.cursors())}

    def flush(self, timeout_s: float) -> None:
        """Commit what waits."""
        if not self._committer.flush(timeout_s):
            log.warning("commits_left_over", waited_s=timeout_s)

    # What the tail tells us

    def message(self, room: str, seq: int, body: bytes) -> bool:
        """Deliver the next message of a room; must not switch greenlets."""
        tail = self._memory.get(room)
        if tail is None:
            if self._memory.full:
                self._memory.shrink(keep=frozenset(self._connections.rooms()))
            tail = self._memory.open(room, seq - 1)
        if seq > tail.last + 1:
            return False
        if seq == tail.last + 1:  # Else its room was filled from its own log before.
            self._deliver(room, tail, wire.stored(seq, body))
        return True

    def presence(self, room: str) -> None:
        """Pass on that a room's user list has changed."""
        self._presence_changed(room)

    def missed(self, rooms: tuple[str, ...] | None, shard: int) -> None:
        """Fill rooms that have members here from their own logs; forget the others' tails."""
        for room in rooms or self._rooms_of(shard):
            tail = self._memory.get(room)
            if tail is None or not self._connections.members(room):
                self._memory.forget(room)
                continue
            head = self._store.room_head(room)
            self._fill(room, tail.last, head.seq)

    def begun(self, epoch: str, *, anew: bool) -> None:
        """Begin in an empty memory; where clients were in another log, tell them."""
        self._memory.forget_all()
        if anew:
            for room in self._connections.rooms():
                self._announce(room, epoch)

    # How it is done

    def _deliver(self, room: str, tail: RoomTail, message: Stored) -> None:
        self._memory.append(room, tail, message)
        members = self._connections.members(room)
        if members:
            packets = (wire.event("message", message.text),)
            for member in members:
                member.position = message.seq
                self._outbox.send(member.connection, packets)

    def _rooms_of(self, shard: int) -> tuple[str, ...]:
        rooms = {*self._memory.rooms(), *self._connections.rooms()}
        return tuple(r for r in sorted(rooms) if keys.shard_of(r, self._settings.shards) == shard)

    def _fill(self, room: str, after: int, to: int) -> None:
        found = self._store.messages(room, after=after, to=to)
        log.info("room_filled", room=room, after=after, to=to, found=len(found))
        if [m.seq for m in found] != list(range(after + 1, to + 1)):
            # The room's own log was trimmed as well: its members cannot be served without a hole.
            self._resync(room)
            return
        tail = self._memory.get(room)
        for message in found:
            if tail is not None and message.seq == tail.last + 1:
                self._deliver(room, tail, message)

    def _resync(self, room: str) -> None:
        """Tell a room's members honestly that messages are gone for good, with a snapshot."""
        epoch = self._tail.epoch
        if epoch is not None:
            self._memory.forget(room)
            for member in self._connections.members(room):
                member.epoch = None
            self._announce(room, epoch)

    def _announce(self, room: str, epoch: str) -> None:
        """Give members whose log was replaced a snapshot of the new one, before any live message."""
        for _ in range(JOIN_ATTEMPTS):
            forgotten = self._memory.forgotten
            tail = self._memory.get(room)
            reach = tail.last if tail else self._store.room_head(room).seq
            messages = self._store.latest(room, before=reach + 1, limit=SNAPSHOT_MESSAGES)
            history = _History(
                epoch=epoch, reach=reach, recovered=False, messages=messages, forgotten=forgotten
            )
            members = [m for m in self._connections.members(room) if m.epoch != epoch]
            if all(self._admit(m.connection, m.user, room, history) for m in members):
                return
        raise unavailable(f"room {room} could not be read to its end")

    def _history(self, room: str, head: RoomHead, cursor: Position | None, forgotten: int) -> _History | None:
        """Read what a join is to get, up to the head; `None`: it was trimmed meanwhile, read again."""
        resumable = cursor is not None and _resumable(cursor, head)
        if cursor is not None and resumable:
            messages = self._store.messages(room, after=cursor.seq, to=head.seq)
            if [m.seq for m in messages] != list(range(cursor.seq + 1, head.seq + 1)):
                return None
        else:
            messages = self._store.latest(room, before=head.seq + 1, limit=SNAPSHOT_MESSAGES)
        return _History(
            epoch=head.epoch,
            reach=head.seq,
            recovered=resumable,
            messages=messages,
            forgotten=forgotten,
        )

    def _admit(self, connection: Connection, user: str, room: str, history: _History) -> Answer | None:
        """Send the history and go live behind it; switches to no other greenlet (step 4 above).

        Returns `None` when the tail's memory does not join up with the history.
        """
        if history.epoch != self._tail.epoch:
            return None
        tail = self._memory.get(room)
        if tail is None:
            if self._memory.forgotten != history.forgotten:
                return None  # What passed since the head was read may be what was forgotten.
            tail = self._memory.open(room, history.reach)
        since = tail.after(history.reach)
        if since is None or tail.last < history.reach:
            return None
        messages = [*history.messages, *since]
        if not history.recovered:
            messages = messages[-SNAPSHOT_MESSAGES:]
        packets = wire.history(room, history.epoch, messages, recovered=history.recovered)
        self._outbox.send(connection, packets)
        if connection.open:
            self._connections.enter(
                Membership(
                    connection=connection,
                    room=room,
                    user=user,
                    joined_at=datetime.now(UTC).timestamp(),
                    epoch=history.epoch,
                    position=tail.last,
                )
            )
        return {
            "ok": True,
            "room": room,
            "epoch": history.epoch,
            "seq": tail.last,
            "recovered": history.recovered,
        }

    def _page(self, epoch: str | None, first: int | None, head: int, messages: Sequence[Stored]) -> Page:
        epochs = ((epoch, 1, head),) if epoch is not None and head else ()
        return Page(epoch=epoch, epochs=epochs, first=first, head=head, messages=tuple(messages))


def _resumable(cursor: Position, head: RoomHead) -> bool:
    """The three causes for which a cursor is refused, and no other: unknown epoch, past the end, trimmed."""
    known = cursor.epoch == head.epoch or (cursor.epoch is None and cursor.seq == 0)
    kept = cursor.seq == head.seq or (head.oldest is not None and head.oldest <= cursor.seq + 1)
    return known and cursor.seq <= head.seq and kept
