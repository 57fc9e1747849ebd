"""From one bot's rows to its stay in the cluster (`sessions.py` defines the words).

Only the few rows that change where the bot is are read here. What changes how deliveries are to be
understood becomes a *mark*; `receipts.py` applies the marks to the millions between them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto

from harness.checkers.names import Names
from harness.checkers.recorded import Recorded
from harness.checkers.sessions import (
    OWN_WISH,
    BotView,
    Connection,
    Join,
    Membership,
    Outage,
    UserList,
    Via,
)
from harness.records.history import FLAG_RECOVERED, Op, Row
from harness.records.plan import BotPlan

UNRECORDED = "no disconnect was recorded"


class Marked(Enum):
    """What happened between deliveries of one room on one connection."""

    JOINED = auto()  # what comes now comes by join `value`
    ANSWERED = auto()  # the join was acknowledged: no more of its history comes
    LEFT = auto()  # the leave was acknowledged
    HISTORY = auto()  # the next `value` messages from history are of it


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark and where it lies; `via` is for HISTORY."""

    kind: Marked
    room: str
    conn: int
    row: int
    value: int = 0
    via: Via = Via.SNAPSHOT


@dataclass(slots=True)
class Numbers:
    """How many joins and memberships the bots before this one had."""

    joins: int = 0
    memberships: int = 0


def read_bot(
    plan: BotPlan, rows: Iterable[tuple[int, Row]], recorded: Recorded, names: Names, numbers: Numbers
) -> tuple[BotView, list[Mark]]:
    """Read one bot's rows, in the order of recording; `numbers` moves on by what it had."""
    reader = _BotReader(plan, recorded, names, numbers)
    for number, row in rows:
        reader.read(number, row)
    return reader.view(), reader.marks


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
    row: int = 0
    accepted_ns: int | None = None
    accepted_row: int | None = None
    epoch: str | None = None
    seq: int = 0
    recovered: bool = False
    error: str = ""
    membership: "_Membership | None" = None


@dataclass(kw_only=True, slots=True, eq=False)
class _Membership:
    number: int
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


class _BotReader:
    def __init__(self, plan: BotPlan, recorded: Recorded, names: Names, numbers: Numbers) -> None:
        self.marks: list[Mark] = []
        self._plan = plan
        self._recorded = recorded
        self._names = names
        self._numbers = numbers
        self._first_join = numbers.joins
        self._row = 0
        self._connections: dict[int, _Connection] = {}
        self._current = 0
        self._joins: list[_Join] = []
        self._latest_join: dict[tuple[int, str], int] = {}
        self._memberships: list[_Membership] = []
        self._member_of: dict[str, _Membership] = {}
        self._user_lists: list[UserList] = []
        self._presence: list[tuple[int, str, str]] = []
        self._errors: list[tuple[int, str]] = []
        self._wanted = set(plan.rooms)
        self._joined: set[str] = set()
        self._outages: list[_Outage] = []
        self._handlers: dict[Op, Callable[[Row], None]] = {
            Op.CONNECT: self._connect,
            Op.DISCONNECT: self._disconnect,
            Op.JOIN: self._join,
            Op.JOIN_OK: self._join_ok,
            Op.JOIN_FAILED: self._join_failed,
            Op.LEAVE: self._leave,
            Op.LEAVE_OK: self._leave_ok,
            Op.HISTORY: self._history,
            Op.USER_LIST: self._user_list,
            Op.BOT_ERROR: self._bot_error,
        }

    def read(self, number: int, row: Row) -> None:
        handler = self._handlers.get(row.op)
        if handler is not None:
            self._row = number
            handler(row)

    # Connections and outages

    def _connect(self, row: Row) -> None:
        before = self._connections.get(self._current)
        if before is not None and before.closed_ns is None:
            self._close(before, row.t_ns, UNRECORDED)
        self._connections[row.conn] = _Connection(node=self._recorded.text(row.a), opened_ns=row.t_ns)
        self._current = row.conn
        self._out_of(row.t_ns, list(self._joined))

    def _disconnect(self, row: Row) -> None:
        connection = self._connections.get(row.conn)
        if connection is not None and connection.closed_ns is None:
            self._close(connection, row.t_ns, self._recorded.text(row.a))

    def _close(self, connection: _Connection, t_ns: int, reason: str) -> None:
        connection.closed_ns, connection.reason = t_ns, reason
        if connection is not self._connections[self._current]:
            return
        if reason in OWN_WISH:
            return
        self._out_of(t_ns, list(self._joined))
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

    def _join(self, row: Row) -> None:
        room = self._names.room(self._recorded.text(row.a))
        if room is None:
            return
        self._wanted.add(room)
        self._latest_join[row.conn, room] = len(self._joins)
        self._mark(Marked.JOINED, room, row.conn, self._first_join + len(self._joins))
        self._joins.append(
            _Join(
                room=room,
                conn=row.conn,
                node=self._node(row.conn),
                invoked_ns=row.t_ns,
                row=self._row,
                cursor_epoch=self._recorded.string(row.b),
                cursor_seq=row.c - 1 if row.c else None,
                membership=self._lasting(room),
            )
        )

    def _join_ok(self, row: Row) -> None:
        found = self._pending(row)
        if found is None:
            return
        found.accepted_row = self._row
        found.accepted_ns, found.epoch, found.seq = row.t_ns, self._recorded.string(row.b), row.c
        found.recovered = bool(row.flags & FLAG_RECOVERED)
        self._mark(Marked.ANSWERED, found.room, row.conn)
        self._enter(found)
        if row.conn == self._current:
            self._joined.add(found.room)
            self._presence.append((row.t_ns, found.room, self._node(row.conn) or "?"))
            self._see_whether_back(row.t_ns)

    def _join_failed(self, row: Row) -> None:
        found = self._pending(row)
        if found is not None:
            found.error = self._recorded.text(row.b)

    def _pending(self, row: Row) -> _Join | None:
        room = self._names.room(self._recorded.text(row.a))
        index = self._latest_join.get((row.conn, room)) if room is not None else None
        return self._joins[index] if index is not None else None

    def _enter(self, join: _Join) -> None:
        """Begin a membership, unless the room's last one still lasts.

        Joins before it that were never accepted belong to it too.
        """
        if self._lasting(join.room) is not None or join.accepted_ns is None:
            return
        member = _Membership(
            number=self._numbers.memberships,
            room=join.room,
            joined_ns=join.accepted_ns,
            epoch=join.epoch,
            seq=join.seq,
        )
        self._numbers.memberships += 1
        self._memberships.append(member)
        self._member_of[join.room] = member
        for earlier in self._joins:
            if earlier.room == join.room and earlier.membership is None:
                earlier.membership = member

    def _lasting(self, room: str) -> _Membership | None:
        member = self._member_of.get(room)
        return member if member is not None and member.left_ns is None else None

    def _leave(self, row: Row) -> None:
        room = self._names.room(self._recorded.text(row.a))
        if room is None:
            return
        self._wanted.discard(room)
        self._out_of(row.t_ns, [room])
        member = self._lasting(room)
        if member is not None:
            member.left_ns = row.t_ns
        self._see_whether_back(row.t_ns)

    def _leave_ok(self, row: Row) -> None:
        room = self._names.room(self._recorded.text(row.a))
        if room is None:
            return
        self._mark(Marked.LEFT, room, row.conn)
        self._latest_join.pop((row.conn, room), None)
        member = self._member_of.get(room)
        if member is not None and member.left_ns is not None and not member.left_seq:
            member.left_epoch, member.left_seq = self._recorded.string(row.b), row.c

    # What comes

    def _history(self, row: Row) -> None:
        room = self._names.room(self._recorded.text(row.a))
        if room is not None:
            via = Via.RESUME if row.flags & FLAG_RECOVERED else Via.SNAPSHOT
            self.marks.append(Mark(Marked.HISTORY, room, row.conn, self._row, row.c, via))

    def _mark(self, kind: Marked, room: str, conn: int, value: int = 0) -> None:
        self.marks.append(Mark(kind, room, conn, self._row, value))

    def _out_of(self, t_ns: int, rooms: Iterable[str]) -> None:
        """The bot is in these rooms no more, as far as it knows."""
        for room in rooms:
            if room in self._joined:
                self._joined.discard(room)
                self._presence.append((t_ns, room, ""))

    def _user_list(self, row: Row) -> None:
        self._user_lists.append(UserList(t_ns=row.t_ns, row=self._row, conn=row.conn, content=row.a))

    def _bot_error(self, row: Row) -> None:
        self._errors.append((row.t_ns, self._recorded.text(row.a)))

    # The result

    def view(self) -> BotView:
        bot = self._plan.ordinal
        self._numbers.joins += len(self._joins)
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
            joins=tuple(self._join_view(index, join) for index, join in enumerate(self._joins)),
            memberships=self._membership_views(),
            outages=tuple(
                Outage(
                    bot=bot, lost_ns=o.lost_ns, from_node=o.from_node, reason=o.reason,
                    back_ns=o.back_ns, to_node=o.to_node, back_conn=o.back_conn,
                )
                for o in self._outages
            ),
            missing_rooms=tuple(sorted(self._wanted - self._joined)),
            errors=tuple(self._errors),
            user_lists=tuple(self._user_lists),
            presence=tuple(self._presence),
        )  # fmt: skip

    def _join_view(self, index: int, join: _Join) -> Join:
        return Join(
            number=self._first_join + index,
            bot=self._plan.ordinal,
            room=join.room,
            conn=join.conn,
            node=join.node,
            invoked_ns=join.invoked_ns,
            row=join.row,
            cursor_epoch=join.cursor_epoch,
            cursor_seq=join.cursor_seq,
            accepted_ns=join.accepted_ns,
            accepted_row=join.accepted_row,
            epoch=join.epoch,
            seq=join.seq,
            recovered=join.recovered,
            error=join.error,
            membership=join.membership.number if join.membership is not None else -1,
        )

    def _membership_views(self) -> tuple[Membership, ...]:
        return tuple(
            Membership(
                number=member.number,
                bot=self._plan.ordinal,
                room=member.room,
                joined_ns=member.joined_ns,
                epoch=member.epoch,
                seq=member.seq,
                left_ns=member.left_ns,
                left_epoch=member.left_epoch,
                left_seq=member.left_seq,
            )
            for member in self._memberships
        )
