"""Commit, then tail: a message is delivered because it is in the log, never because it was received.

The handler of `send_message` only commits. The tail, on this node as on every other, reads the log and
delivers; so all recipients see one order, and what was acknowledged will be delivered or resumed.

The tail hands on what it read as runs of messages, one room at a time. `messages` handles a run without
a greenlet switch: it is added to the room's memory, and queued for every member, before anybody else can
look at either. So for every other greenlet memory and all members of a room stand at the same position,
whenever it looks: that of a whole run. A join relies on this (`joining.py`).

An entry that a fill from the room's own log has delivered already comes again by the shard log; it is
known by its position and skipped.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import gevent

from cluster import counters, log, wire
from cluster.connections import Connection, Connections, Membership
from cluster.delivery.base import Answer, Page, PageRequest
from cluster.delivery.committer import Committer, Outcome
from cluster.delivery.epochs import Standing
from cluster.delivery.joining import Joining
from cluster.delivery.memory import RoomTail, TailMemory
from cluster.delivery.tail import Run, Tail
from cluster.protocol import JoinRequest, Refusal, SendRequest
from cluster.settings import Settings
from cluster.storage import keys
from cluster.storage.link import Health
from cluster.storage.store import Store, unavailable
from cluster.transport.outbox import Outbox


class DurableDelivery:
    """See the module's docstring."""

    def __init__(
        self,
        settings: Settings,
        health: Health,
        store: Store,
        standing: Standing,
        connections: Connections,
        outbox: Outbox,
        *,
        presence_changed: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._health = health
        self._store = store
        self._standing = standing
        self._connections = connections
        self._outbox = outbox
        self._presence_changed = presence_changed
        self._memory = TailMemory(settings.memory_messages, connections.has_members)
        self._tail = Tail(settings, health, standing, self)
        self._joining = Joining(store, standing, self._tail, self._memory, connections, outbox)
        self._committer = Committer(
            settings,
            health,
            committed=standing.sightings.saw,
            epoch_changed=self._tail.check_epoch,
        )

    # What the node asks of a delivery

    def start(self) -> "tuple[gevent.Greenlet[..., Any], ...]":
        """Start tail and committer."""
        return (self._tail.start(), self._committer.start())

    def not_ready(self) -> str | None:
        """Ready: Redis answers, and the tail stands in its log."""
        if not self._health.up:
            return self._health.reason
        if self._standing.guard is None:
            return self._standing.reason
        return "the tail has not begun yet" if self._tail.epoch is None else None

    def join(self, connection: Connection, user: str, request: JoinRequest) -> Answer:
        """Join or resume; sends `message_history` and returns the acknowledgement."""
        return self._joining.join(connection, user, request)

    def leave(self, connection: Connection, room: str) -> Answer:
        """Stop delivery; the acknowledgement says where it stopped (nulls: it never began).

        Before that, what the log has by now is delivered: whoever leaves has seen all that was acknowledged
        to anybody before. Raises `Refusal`.
        """
        if room in connection.memberships:
            self._joining.reach_head(room)
        membership = self._connections.leave(connection, room)
        return {
            "ok": True,
            "room": room,
            "epoch": membership.epoch if membership else None,
            "seq": membership.position if membership else None,
        }

    def send(
        self, connection: Connection, user: str, request: SendRequest, answer: Callable[[Answer], None]
    ) -> None:
        """Commit; nothing is delivered from here."""
        guard = self._standing.guard
        if guard is None:
            answer(unavailable(self.not_ready() or self._standing.reason).answer())
            return

        def tell(outcome: Outcome) -> None:
            answer(_acknowledgement(request, outcome))

        sent_at = round(datetime.now(UTC).timestamp(), 3)
        self._committer.commit(request, guard=guard, user=user, sent_at=sent_at, answer=tell)

    def left(self, membership: Membership) -> None:
        """Nothing to do: deliveries go by the memberships."""

    def stored(self, request: PageRequest) -> Page:
        """Return messages from the room's log."""
        head = self._joining.head(request.room)
        end = head.seq + 1 if request.before is None else min(request.before, head.seq + 1)
        if request.after is None:
            messages = self._store.latest(request.room, before=end, limit=request.limit)
        else:
            messages = self._store.messages(
                request.room, after=request.after, to=end - 1, limit=request.limit
            )
        return Page(
            epoch=head.epoch,
            epochs=head.epochs.extents(),
            first=head.oldest,
            head=head.seq,
            messages=tuple(messages),
        )

    def delivered(self, request: PageRequest) -> Page:
        """Return messages from the tail's memory, which holds nothing of older epochs."""
        epoch, tail = self._tail.epoch, self._memory.get(request.room)
        if tail is None:
            return Page(epoch=epoch, epochs=(), first=None, head=0, messages=())
        return Page(
            epoch=epoch,
            epochs=((epoch, tail.first, tail.last),) if epoch and len(tail) else (),
            first=tail.first if len(tail) else None,
            head=tail.last,
            messages=tuple(tail.page(after=request.after, before=request.before, limit=request.limit)),
        )

    def rooms(self) -> list[str]:
        """Return the rooms that have a log."""
        return self._store.rooms()

    def heads(self, rooms: list[str]) -> list[int]:
        """Return the heads of rooms."""
        found = self._store.many([("HGET", keys.room_state(room), "head") for room in rooms])
        return [int(head or 0) for head in found]

    def status(self) -> dict[str, Any]:
        """Return where the tail stands, and how far it is behind."""
        lag = self._tail.lag()
        return {
            "epoch": self._tail.epoch,
            "tail": list(self._tail.cursors()),
            "tail_lag": {"entries": lag.entries, "silent_s": round(lag.silent_s, 3)},
            "commits_waiting": self._committer.waiting,
        }

    def flush(self, timeout_s: float) -> None:
        """Commit what waits."""
        if not self._committer.flush(timeout_s):
            log.warning("commits_left_over", waited_s=timeout_s)

    # What the tail tells us

    def messages(self, room: str, run: Run) -> bool:
        """Deliver the next messages of a room; must not switch greenlets."""
        first = run[0][0]
        tail = self._memory.get(room)
        if tail is None:
            if self._connections.has_members(room):
                return False  # Its members are to be told of a hole, and the first attempt has failed.
            tail = self._memory.open(room, first - 1)
        if first > tail.last + 1:
            return False
        fresh = run[tail.last + 1 - first :]
        if fresh:
            self._deliver(room, tail, fresh)
        return True

    def presence(self, room: str) -> None:
        """Pass on that a room's user list has changed."""
        self._presence_changed(room)

    def missed(self, rooms: tuple[str, ...] | None, shard: int) -> None:
        """Fill rooms that have members here from their own logs; forget the others' tails."""
        for room in rooms or self._rooms_of(shard):
            tail = self._memory.get(room)
            if not self._connections.has_members(room):
                self._memory.forget(room)
            elif tail is None:
                self._resync(room)  # This was begun before, and has failed.
            else:
                self._fill(room, tail.last, self._joining.head(room).seq)

    def begun(self, epoch: str, *, anew: bool) -> None:
        """Begin in an empty memory; where clients were in another log, tell them.

        All of them, though some were told already by an attempt that failed: the tail has moved since.
        """
        self._memory.forget_all()
        if anew:
            counters.delivery.epochs += 1
            for room in self._connections.rooms():
                self._resync(room)

    # How it is done

    def _deliver(self, room: str, tail: RoomTail, run: Run) -> None:
        self._memory.extend(room, tail, run[0][0], [body for _, body in run])
        counters.delivery.tailed += len(run)
        members = self._connections.members(room)
        if members:
            frames = (wire.live([wire.stored(seq, body) for seq, body in run]),)
            for member in members:
                member.position = tail.last
                self._outbox.send(member.connection, frames)
            counters.delivery.delivered += len(members) * len(run)
            if log.verbose:
                log.debug("delivered", room=room, seq=run[0][0], to=tail.last, members=len(members))

    def _rooms_of(self, shard: int) -> tuple[str, ...]:
        rooms = {*self._memory.rooms(), *self._connections.rooms()}
        return tuple(r for r in sorted(rooms) if keys.shard_of(r, self._settings.shards) == shard)

    def _fill(self, room: str, after: int, to: int) -> None:
        run = self._store.bodies(room, after=after, to=to)
        counters.delivery.filled += 1
        log.info("room_filled", room=room, after=after, to=to, found=len(run))
        if [seq for seq, _ in run] != list(range(after + 1, to + 1)):
            # The room's own log was trimmed as well: its members cannot be served without a hole.
            self._resync(room)
        elif run:
            self.messages(room, run)

    def _resync(self, room: str) -> None:
        """Tell a room's members honestly that messages are gone for good, with a snapshot."""
        counters.delivery.resynced += 1
        self._memory.forget(room)
        for member in self._connections.members(room):
            member.epoch = None
        self._joining.announce(room)


def _acknowledgement(request: SendRequest, outcome: Outcome) -> Answer:
    if isinstance(outcome, Refusal):
        return outcome.answer()
    return {
        "ok": True,
        "room": request.room,
        "epoch": outcome.epoch,
        "seq": outcome.seq,
        "duplicate": outcome.duplicate,
        "producer": request.producer,
        "n": request.n,
    }
