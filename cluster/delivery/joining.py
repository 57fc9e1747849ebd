"""Joins: what a client gets when it comes into a room, and the step from there to live messages.

**A join, step by step**, and why nothing is missed or doubled between history and live messages:

1. One script reads at one moment: the epoch, the room's head H, and the head of its shard log.
2. Wait until our tail has handed on all of the shard log up to there. From then on the tail has passed
   every message up to H, and everything above H passes it after that moment.
3. Read the history up to H from Redis. Greenlets switch here, and live messages go on passing.
4. `_admit`, which switches to no other greenlet: take what passed the tail since, (H, P], from the
   tail's memory; queue history and that; begin the membership at P. The acknowledgement, with seq P, is
   queued right after the handler returns, with no switch either.

The tail hands on the messages of a room run by run, and each run is handled without a switch (see
`durable.py`): memory and all members of the room advance together. So at whatever moment step 4 happens, the
message P+1 has not been handled at all: it finds the new member, and every message up to P was
handled before there was one. Where memory no longer reaches back to H (bounded), the join starts again
with a newer H.

A second join on the same connection leaves the old membership live until step 4 replaces it; so a join
that fails has had no effect.

**A long way back** is not read at once: a client that was away for 100,000 messages gets them a page at a
time, the next when it has taken the last, all as one history in chunks (`more`). Only what is left then
goes by the steps above. Such a client has no membership yet, so nothing live comes between the pages. If it
does not take them in time, or what follows was trimmed under them, its connection ends: it comes back with
the cursor that it has by then, and is told as anybody else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from cluster import wire
from cluster.connections import Connection, Connections, Membership
from cluster.delivery.base import Answer
from cluster.delivery.epochs import Standing
from cluster.delivery.memory import TailMemory
from cluster.delivery.tail import Tail
from cluster.protocol import SNAPSHOT_MESSAGES, JoinRequest, Position
from cluster.storage.room_epochs import resumable
from cluster.storage.store import RoomHead, Store, unavailable
from cluster.transport.outbox import Outbox
from cluster.wire import Stored

JOIN_WAIT_S = 2.0
JOIN_ATTEMPTS = 5
AT_ONCE = 200  # messages; a longer history is sent page by page
STREAM_PAGE = 100
STREAM_WAIT_S = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _History:
    """What a join is to get: all up to `reach`; a snapshot where `recovered` is false."""

    epoch: str
    reach: int
    recovered: bool
    messages: Sequence[Stored]
    forgotten: int  # the memory's counter when the head was read


class Joining:
    """See the module's docstring."""

    def __init__(
        self,
        store: Store,
        standing: Standing,
        tail: Tail,
        memory: TailMemory,
        connections: Connections,
        outbox: Outbox,
    ) -> None:
        self._store = store
        self._standing = standing
        self._tail = tail
        self._memory = memory
        self._connections = connections
        self._outbox = outbox

    def join(self, connection: Connection, user: str, request: JoinRequest) -> Answer:
        """Join or resume; sends `message_history` and returns the acknowledgement. Raises `Refusal`."""
        room, cursor = request.room, request.cursor
        if cursor is not None and room not in connection.memberships:
            cursor = self._catch_up(connection, room, cursor)
        with self._memory.kept(room):
            for _ in range(JOIN_ATTEMPTS):
                forgotten = self._memory.forgotten
                head = self.reach_head(room)
                history = self._history(room, head, cursor, forgotten)
                if cursor is not request.cursor and history and not history.recovered:
                    self._break_off(connection, "what follows was trimmed, or its epoch is over")
                answer = history and self._admit(connection, user, room, history)
                if answer:
                    return answer
        raise unavailable("the room's log moves faster than it can be read")

    def reach_head(self, room: str) -> RoomHead:
        """Wait until this node has handed on all that the room's log has now; raises `Refusal`."""
        head = self.head(room)
        if not self._tail.wait_for(head.shard, head.shard_head, JOIN_WAIT_S):
            raise unavailable(f"this node's tail is behind by more than {JOIN_WAIT_S} s")
        return head

    def announce(self, room: str) -> None:
        """Give members whose log was replaced a snapshot of what holds now, before any live message.

        Raises `Refusal`.
        """
        for _ in range(JOIN_ATTEMPTS):
            members = [m for m in self._connections.members(room) if m.epoch != self._tail.epoch]
            if not members:
                return
            forgotten = self._memory.forgotten
            head = self.head(room)
            tail = self._memory.get(room)
            history = self._snapshot(room, head, head.seq if tail is None else tail.last, forgotten)
            for member in members:
                if history and member.epoch != self._tail.epoch:
                    self._admit(member.connection, member.user, room, history, joined_at=member.joined_at)
        if any(m.epoch != self._tail.epoch for m in self._connections.members(room)):
            raise unavailable(f"room {room} could not be read to its end")

    def head(self, room: str) -> RoomHead:
        """Return where a room stands in the log that this node speaks for; raises `Refusal`."""
        guard = self._standing.guard
        if guard is None:
            raise unavailable(self._standing.reason)
        head = self._store.room_head(room, guard)
        self._standing.sightings.saw(guard, head.shard, head.shard_head)
        return head

    def _catch_up(self, connection: Connection, room: str, cursor: Position) -> Position:
        """Send a long history but for its last pages; returns the cursor that is reached by then."""
        head = self.head(room)
        while resumable(cursor, head.epochs, head.oldest) and head.seq - cursor.seq > AT_ONCE:
            page = self._store.messages(room, after=cursor.seq, to=cursor.seq + STREAM_PAGE)
            if not _contiguous(page, cursor.seq + 1, cursor.seq + STREAM_PAGE):
                break  # Trimmed since: the last step tells.
            self._outbox.send(connection, wire.history(room, head.epoch, page, recovered=True, more=True))
            cursor = Position(epoch=head.epoch, seq=page[-1].seq)
            if not connection.outlet.wait_until_drained(STREAM_WAIT_S) or not connection.open:
                self._break_off(connection, f"a page of the history was not read within {STREAM_WAIT_S} s")
            head = self.head(room)
        return cursor

    @staticmethod
    def _break_off(connection: Connection, why: str) -> NoReturn:
        connection.hang_up()
        raise unavailable(f"the resume was broken off: {why}; come back with the cursor that you have now")

    def _history(self, room: str, head: RoomHead, cursor: Position | None, forgotten: int) -> _History | None:
        """Read what a join is to get, up to the head; `None`: it was trimmed meanwhile, read again."""
        if cursor is None or not resumable(cursor, head.epochs, head.oldest):
            return self._snapshot(room, head, head.seq, forgotten)
        messages = self._store.messages(room, after=cursor.seq, to=head.seq)
        if not _contiguous(messages, cursor.seq + 1, head.seq):
            return None
        return _History(
            epoch=head.epoch, reach=head.seq, recovered=True, messages=messages, forgotten=forgotten
        )

    def _snapshot(self, room: str, head: RoomHead, reach: int, forgotten: int) -> _History | None:
        messages = self._store.latest(room, before=reach + 1, limit=SNAPSHOT_MESSAGES)
        nothing_kept = not messages and (head.oldest is None or head.oldest > reach)
        if not nothing_kept and not (messages and _contiguous(messages, messages[0].seq, reach)):
            return None
        return _History(
            epoch=head.epoch, reach=reach, recovered=False, messages=messages, forgotten=forgotten
        )

    def _admit(
        self, connection: Connection, user: str, room: str, history: _History, *, joined_at: float = 0.0
    ) -> Answer | None:
        """Send the history and go live behind it; switches to no other greenlet (step 4 above).

        Returns `None` when the tail's memory does not join up with the history. `joined_at` is of the stay
        that goes on; of a new one presence notes it.
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
        frames = wire.history(room, history.epoch, messages, recovered=history.recovered)
        self._outbox.send(connection, frames)
        if connection.open:
            self._connections.enter(
                Membership(
                    connection=connection,
                    room=room,
                    user=user,
                    joined_at=joined_at,
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


def _contiguous(messages: Sequence[Stored], first: int, last: int) -> bool:
    return [message.seq for message in messages] == list(range(first, last + 1))
