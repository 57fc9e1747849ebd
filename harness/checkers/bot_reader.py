"""From one bot's rows to its stay in the cluster (`sessions.py` defines the words)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from harness.checkers.content import Received
from harness.checkers.recorded import Contents, Recorded
from harness.checkers.sessions import (
    OWN_WISH,
    BotView,
    Connection,
    Join,
    Membership,
    Outage,
    Receipt,
    Via,
)
from harness.records.history import FLAG_FROM_HISTORY, FLAG_RECOVERED, Op, Row
from harness.records.plan import BotPlan

UNRECORDED = "no disconnect was recorded"


def read_bot(plan: BotPlan, rows: Iterable[Recorded], contents: Contents) -> BotView:
    """Read one bot's rows, in the order of recording."""
    reader = _BotReader(plan, contents)
    for recorded in rows:
        reader.read(recorded)
    return reader.view()


@dataclass(kw_only=True, slots=True)
class _Connection:
    node: str
    opened_ns: int
    closed_ns: int | None = None
    reason: str = ""


@dataclass(kw_only=True, slots=True)
class _Join:
    room: str
    conn: int
    node: str
    invoked_ns: int
    cursor_epoch: str | None
    cursor_seq: int | None
    accepted_ns: int | None = None
    epoch: str | None = None
    seq: int = 0
    recovered: bool = False
    error: str = ""
    membership: "_Membership | None" = None
    history: list[Receipt] = field(default_factory=list)
    live: list[Receipt] = field(default_factory=list)


@dataclass(kw_only=True, slots=True, eq=False)
class _Membership:
    room: str
    joined_ns: int
    epoch: str | None
    seq: int
    left_ns: int | None = None
    left_epoch: str | None = None
    left_seq: int = 0


@dataclass(kw_only=True, slots=True)
class _Outage:
    lost_ns: int
    from_node: str
    reason: str
    back_ns: int | None = None
    to_node: str | None = None
    back_conn: int | None = None


@dataclass(slots=True)
class _Coming:
    """Messages of a `message_history` that are still to come."""

    left: int
    via: Via


class _BotReader:
    def __init__(self, plan: BotPlan, contents: Contents) -> None:
        self._plan = plan
        self._contents = contents
        self._connections: dict[int, _Connection] = {}
        self._current = 0
        self._joins: list[_Join] = []
        self._latest_join: dict[tuple[int, str], int] = {}
        self._in_room: set[tuple[int, str]] = set()
        self._coming: dict[tuple[int, str], _Coming] = {}
        self._memberships: list[_Membership] = []
        self._member_of: dict[str, _Membership] = {}
        self._receipts: list[Receipt] = []
        self._errors: list[tuple[int, str]] = []
        self._wanted = set(plan.rooms)
        self._joined: set[str] = set()
        self._outages: list[_Outage] = []
        self._handlers: dict[Op, Callable[[Row, Recorded], None]] = {
            Op.CONNECT: self._connect,
            Op.DISCONNECT: self._disconnect,
            Op.JOIN: self._join,
            Op.JOIN_OK: self._join_ok,
            Op.JOIN_FAILED: self._join_failed,
            Op.LEAVE: self._leave,
            Op.LEAVE_OK: self._leave_ok,
            Op.HISTORY: self._history,
            Op.DELIVERY: self._delivery,
            Op.BOT_ERROR: self._bot_error,
        }

    def read(self, recorded: Recorded) -> None:
        handler = self._handlers.get(recorded.row.op)
        if handler is not None:
            handler(recorded.row, recorded)

    # Connections and outages

    def _connect(self, row: Row, recorded: Recorded) -> None:
        before = self._connections.get(self._current)
        if before is not None and before.closed_ns is None:
            self._close(before, row.t_ns, UNRECORDED)
        self._connections[row.conn] = _Connection(node=recorded.text(row.a), opened_ns=row.t_ns)
        self._current = row.conn
        self._joined.clear()

    def _disconnect(self, row: Row, recorded: Recorded) -> None:
        connection = self._connections.get(row.conn)
        if connection is not None and connection.closed_ns is None:
            self._close(connection, row.t_ns, recorded.text(row.a))

    def _close(self, connection: _Connection, t_ns: int, reason: str) -> None:
        connection.closed_ns, connection.reason = t_ns, reason
        if reason in OWN_WISH or connection is not self._connections[self._current]:
            return
        self._joined.clear()
        if self._outage is None:
            self._outages.append(_Outage(lost_ns=t_ns, from_node=connection.node, reason=reason))

    @property
    def _outage(self) -> _Outage | None:
        return self._outages[-1] if self._outages and self._outages[-1].back_ns is None else None

    def _see_whether_back(self, t_ns: int) -> None:
        outage = self._outage
        if outage is not None and self._wanted <= self._joined:
            outage.back_ns, outage.back_conn = t_ns, self._current
            outage.to_node = self._node(self._current)

    def _node(self, conn: int) -> str:
        connection = self._connections.get(conn)
        return connection.node if connection is not None else ""

    # Rooms

    def _join(self, row: Row, recorded: Recorded) -> None:
        room = self._contents.room(recorded.text(row.a))
        if room is None:
            return
        self._wanted.add(room)
        self._latest_join[row.conn, room] = len(self._joins)
        self._in_room.add((row.conn, room))
        self._coming.pop((row.conn, room), None)
        self._joins.append(
            _Join(
                room=room,
                conn=row.conn,
                node=self._node(row.conn),
                invoked_ns=row.t_ns,
                cursor_epoch=recorded.string(row.b),
                cursor_seq=row.c - 1 if row.c else None,
                membership=self._lasting(room),
            )
        )

    def _join_ok(self, row: Row, recorded: Recorded) -> None:
        found = self._pending(row, recorded)
        if found is None:
            return
        found.accepted_ns, found.epoch, found.seq = row.t_ns, recorded.string(row.b), row.c
        found.recovered = bool(row.flags & FLAG_RECOVERED)
        self._coming.pop((row.conn, found.room), None)
        self._enter(found)
        if row.conn == self._current:
            self._joined.add(found.room)
            self._see_whether_back(row.t_ns)

    def _join_failed(self, row: Row, recorded: Recorded) -> None:
        found = self._pending(row, recorded)
        if found is not None:
            found.error = recorded.text(row.b)

    def _pending(self, row: Row, recorded: Recorded) -> _Join | None:
        room = self._contents.room(recorded.text(row.a))
        index = self._latest_join.get((row.conn, room)) if room is not None else None
        return self._joins[index] if index is not None else None

    def _enter(self, join: _Join) -> None:
        """Begin a membership, unless the room's last one still lasts.

        Joins before it that were never accepted belong to it too.
        """
        if self._lasting(join.room) is not None or join.accepted_ns is None:
            return
        member = _Membership(room=join.room, joined_ns=join.accepted_ns, epoch=join.epoch, seq=join.seq)
        self._memberships.append(member)
        self._member_of[join.room] = member
        for earlier in self._joins:
            if earlier.room == join.room and earlier.membership is None:
                earlier.membership = member

    def _lasting(self, room: str) -> _Membership | None:
        member = self._member_of.get(room)
        return member if member is not None and member.left_ns is None else None

    def _leave(self, row: Row, recorded: Recorded) -> None:
        room = self._contents.room(recorded.text(row.a))
        if room is None:
            return
        self._wanted.discard(room)
        self._joined.discard(room)
        member = self._lasting(room)
        if member is not None:
            member.left_ns = row.t_ns
        self._see_whether_back(row.t_ns)

    def _leave_ok(self, row: Row, recorded: Recorded) -> None:
        room = self._contents.room(recorded.text(row.a))
        if room is None:
            return
        self._in_room.discard((row.conn, room))
        self._latest_join.pop((row.conn, room), None)
        member = self._member_of.get(room)
        if member is not None and member.left_ns is not None and not member.left_seq:
            member.left_epoch, member.left_seq = recorded.string(row.b), row.c

    # Messages

    def _history(self, row: Row, recorded: Recorded) -> None:
        room = self._contents.room(recorded.text(row.a))
        if room is not None:
            via = Via.RESUME if row.flags & FLAG_RECOVERED else Via.SNAPSHOT
            self._coming[row.conn, room] = _Coming(row.c, via)

    def _delivery(self, row: Row, recorded: Recorded) -> None:
        content = self._contents.received(recorded)
        if content.foreign and content.room is None:
            return
        index = self._latest_join.get((row.conn, content.room)) if content.room else None
        receipt = Receipt(
            t_ns=row.t_ns,
            order=len(self._receipts),
            bot=self._plan.ordinal,
            conn=row.conn,
            node=self._node(row.conn),
            via=self._via(row, content),
            in_room=(row.conn, content.room) in self._in_room,
            join=index,
            content=content,
        )
        self._receipts.append(receipt)
        if index is not None:
            self._add_to(self._joins[index], receipt)

    def _via(self, row: Row, content: Received) -> Via:
        if not row.flags & FLAG_FROM_HISTORY:
            return Via.LIVE
        coming = self._coming.get((row.conn, content.room)) if content.room else None
        if coming is None or not coming.left:
            return Via.PAGED
        coming.left -= 1
        return coming.via

    def _add_to(self, join: _Join, receipt: Receipt) -> None:
        if receipt.via is Via.LIVE:
            join.live.append(receipt)
        elif receipt.via is not Via.PAGED and join.accepted_ns is None:
            join.history.append(receipt)

    def _bot_error(self, row: Row, recorded: Recorded) -> None:
        self._errors.append((row.t_ns, recorded.text(row.a)))

    # The result

    def view(self) -> BotView:
        bot = self._plan.ordinal
        return BotView(
            bot=bot,
            name=self._plan.name,
            connections=tuple(
                Connection(
                    bot=bot, conn=number, node=c.node, opened_ns=c.opened_ns,
                    closed_ns=c.closed_ns, reason=c.reason,
                )
                for number, c in self._connections.items()
            ),
            joins=tuple(self._join_view(join) for join in self._joins),
            memberships=self._membership_views(),
            receipts=tuple(self._receipts),
            outages=tuple(
                Outage(
                    bot=bot, lost_ns=o.lost_ns, from_node=o.from_node, reason=o.reason,
                    back_ns=o.back_ns, to_node=o.to_node, back_conn=o.back_conn,
                )
                for o in self._outages
            ),
            missing_rooms=tuple(sorted(self._wanted - self._joined)),
            errors=tuple(self._errors),
        )  # fmt: skip

    def _join_view(self, join: _Join) -> Join:
        return Join(
            bot=self._plan.ordinal,
            room=join.room,
            conn=join.conn,
            node=join.node,
            invoked_ns=join.invoked_ns,
            cursor_epoch=join.cursor_epoch,
            cursor_seq=join.cursor_seq,
            accepted_ns=join.accepted_ns,
            epoch=join.epoch,
            seq=join.seq,
            recovered=join.recovered,
            error=join.error,
            history=tuple(join.history),
            live=tuple(join.live),
        )

    def _membership_views(self) -> tuple[Membership, ...]:
        """Every receipt belongs to the membership of the join that it came by."""
        receipts: dict[int, list[Receipt]] = {id(member): [] for member in self._memberships}
        for receipt in self._receipts:
            member = self._joins[receipt.join].membership if receipt.join is not None else None
            if member is not None:
                receipts[id(member)].append(receipt)
        return tuple(
            Membership(
                bot=self._plan.ordinal,
                room=member.room,
                joined_ns=member.joined_ns,
                epoch=member.epoch,
                seq=member.seq,
                left_ns=member.left_ns,
                left_epoch=member.left_epoch,
                left_seq=member.left_seq,
                receipts=tuple(receipts[id(member)]),
            )
            for member in self._memberships
        )
