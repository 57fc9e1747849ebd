"""The prepared view: a run's rows and journals as frozen things that checkers can reason about.

    recorded.py       all events under one numbering      sessions.py       stays of bots in the cluster
    contents.py       what was received, each once        final_reads.py    what the nodes said last
    sends.py          messages, attempts and answers      fault_windows.py  faults with their receipts
    receipts.py       who received what, and how          stories.py        all of it in words

The first four on the left are columns: a run has millions of receipts, and a checker looks at them with
array operations, room by room. Records for people (`Message`, `Receipt`, `Received`) are made of a row when
a witness needs one, and never before.

Everything is known by bot ordinals and logical names; what belongs to other runs is counted and left
out. What makes no sense in the harness's own records is listed in `oddities`: it discredits the run,
never the cluster.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.checkers.bot_reader import Mark, Numbers, read_bot
from harness.checkers.content import Received
from harness.checkers.contents import Contents, read_contents
from harness.checkers.fault_windows import FaultWindow, declared_outages, held, left_alive, read_windows
from harness.checkers.final_reads import STORE, TAIL, FinalRead, FinalReads, read_finals
from harness.checkers.messages import Message
from harness.checkers.names import Names
from harness.checkers.receipts import VIAS, Receipts, read_receipts
from harness.checkers.recorded import SENDS, Recorded, record
from harness.checkers.sends import Messages
from harness.checkers.sends_reader import read_messages
from harness.checkers.sessions import BotView, Join, Membership, Receipt
from harness.records.history import HistoryFile, Op, Row
from harness.records.journal import FaultEntry, MemberEntry
from harness.records.meta import Meta
from harness.records.plan import Plan, wire_name

if TYPE_CHECKING:
    from harness.checkers.positions import Places


@dataclass(frozen=True, kw_only=True, slots=True)
class Unsettled:
    """A final read that is missing or not settled."""

    source: str
    phrase: str


@dataclass(frozen=True, kw_only=True)
class View:
    """All that the checkers look at.

    `foreign` counts received contents of other runs; `torn` has the bytes that are missing at the ends of
    history files; `silent` are the bots of which there is no row at all.
    """

    plan: Plan
    meta: Meta
    bots: Mapping[int, BotView]
    names: Names
    recorded: Recorded
    messages: Messages
    contents: Contents
    receipts: Receipts
    finals: FinalReads
    windows: tuple[FaultWindow, ...]
    members: tuple[MemberEntry, ...]
    torn: Mapping[str, int]
    silent: frozenset[int]
    foreign: int
    oddities: tuple[str, ...]
    last_ns: int

    @property
    def durable(self) -> bool:
        """Whether the cluster promises positions, idempotent sends and resume."""
        return self.plan.cluster.delivery == "durable"

    @property
    def zero_ns(self) -> int:
        """Time zero of every time in a story."""
        return self.meta.load_began_ns if self.meta.load_began_ns is not None else self.meta.began_ns

    @cached_property
    def acknowledged(self) -> NDArray[np.int64]:
        """Every acknowledged message, by sender and key."""
        return np.flatnonzero(self.messages.acknowledged)

    @cached_property
    def places(self) -> "Places":
        """All places of messages in the rooms' logs."""
        from harness.checkers.positions import Places

        return Places(self)

    @cached_property
    def suspects(self) -> tuple[slice, ...]:
        """The stays in which places do not simply rise (`rising.py`)."""
        from harness.checkers.rising import suspects

        return tuple(suspects(self))

    @cached_property
    def joins(self) -> tuple[Join, ...]:
        """All joins by their numbers."""
        return tuple(join for bot in self.bots.values() for join in bot.joins)

    @cached_property
    def membership_of_join(self) -> NDArray[np.int64]:
        """The membership of each join; one more entry, -1, for no join."""
        return np.array([*(join.membership for join in self.joins), -1], np.int64)

    @cached_property
    def alive(self) -> tuple[str, ...]:
        """The members that the plan leaves alive."""
        return left_alive(self.plan)

    @cached_property
    def final_nodes(self) -> tuple[str, ...]:
        """The nodes that the plan leaves alive: those whose final reads count."""
        return tuple(node for node in self.plan.cluster.nodes if node in self.alive)

    @cached_property
    def outages(self) -> tuple[FaultWindow, ...]:
        """The declared outages."""
        return declared_outages(self.plan, self.windows)

    @cached_property
    def unsettled(self) -> tuple[str, ...]:
        """What is missing of the final reads, a phrase each; empty: they are complete."""
        return tuple(read.phrase for read in self._unsettled)

    @cached_property
    def unsettled_stores(self) -> tuple[str, ...]:
        """The same of the store reads alone, which tell what is in the log."""
        return tuple(read.phrase for read in self._unsettled if read.source == STORE)

    @cached_property
    def _unsettled(self) -> tuple[Unsettled, ...]:
        if not self.final_nodes:
            return (Unsettled(source=STORE, phrase="there is no node that could be read"),)
        missing = [
            Unsettled(source=source, phrase=f"{node} was not read for {room} ({source})")
            for source in (STORE, TAIL)
            for node in self.final_nodes
            for room in self.plan.rooms
            if self.finals.get(node, room, source) is None
        ]
        missing += [
            Unsettled(source=read.source, phrase=f"{read.node}, {read.room}, {read.source}: {read.why_not}")
            for read in self.finals.reads.values()
            if read.node in self.final_nodes and not read.settled
        ]
        return tuple(missing)

    @cached_property
    def lost_evidence(self) -> tuple[str, ...]:
        """What is missing of the history, a phrase each."""
        torn = [f"the history of {name} is torn: {size} bytes left out" for name, size in self.torn.items()]
        return (*torn, *(f"there is no history of {self.name(bot)}" for bot in sorted(self.silent)))

    def stores(self, room: str) -> Iterator[FinalRead]:
        """Yield the final store reads of a room on the nodes that count."""
        for node in self.final_nodes:
            read = self.finals.get(node, room, STORE)
            if read is not None:
                yield read

    def memberships(self) -> Iterator[Membership]:
        """Yield every membership of every bot."""
        for bot in self.bots.values():
            yield from bot.memberships

    def message(self, number: int) -> Message:
        """Return one message, for a witness."""
        return self.messages.story(number)

    def content(self, number: int) -> Received:
        """Return one content, for a witness."""
        return self.contents.parse(number)

    def receipt(self, number: int) -> Receipt:
        """Return one receipt, for a witness."""
        table, content = self.receipts, int(self.receipts.content[number])
        event = self.recorded.event(int(table.row[number]))
        bot, conn = int(event["bot"]), int(event["conn"])
        return Receipt(
            t_ns=int(event["t_ns"]),
            row=int(table.row[number]),
            bot=bot,
            conn=conn,
            node=self.messages.nodes.get((bot, conn), ""),
            via=VIAS[int(table.via[number])],
            join=int(table.join[number]),
            message=int(self.contents.message[content]),
            content=self.content(content),
        )

    def room_number(self, room: str) -> int:
        """Return the number of a room."""
        return self.names.rooms.number(room)

    @cached_property
    def members_of_rooms(self) -> Mapping[int, Mapping[int, Sequence[Membership]]]:
        """All memberships, by room and bot."""
        found: dict[int, dict[int, list[Membership]]] = defaultdict(lambda: defaultdict(list))
        for membership in self.memberships():
            found[self.room_number(membership.room)][membership.bot].append(membership)
        return {room: dict(by_bot) for room, by_bot in found.items()}

    def messages_of(self, room: int) -> NDArray[np.int64]:
        """Return all messages of a room, by sender and key."""
        first, last = np.searchsorted(self._by_room[1], [room, room + 1])
        return self._by_room[0][first:last]

    @cached_property
    def _by_room(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = np.argsort(self.messages.room, kind="stable")
        return order, self.messages.room[order]

    @cached_property
    def rank(self) -> NDArray[np.int32]:
        """Return which of its room's messages each content is, -1 for one that belongs to nobody there."""
        ranks = np.full(len(self.messages) + 1, -1, np.int32)
        for room in np.unique(self.messages.room).tolist():
            own = self.messages_of(room)
            ranks[own] = np.arange(len(own))
        found: NDArray[np.int32] = ranks[self.contents.owner]
        return found

    @cached_property
    def answer_epoch(self) -> NDArray[np.int64]:
        """Return the number of the epoch that each answer names, -1 where it names none."""
        ids, places = np.unique(self.messages.answers.text, return_inverse=True)
        numbers = [self.names.epoch(self.recorded.string(i)) for i in ids.tolist()]
        return np.array(numbers, np.int64)[places] if len(ids) else np.empty(0, np.int64)

    def conn_of(self, receipts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the connections by which these came."""
        return self.recorded.column("conn", self.receipts.row[receipts].astype(np.int64))

    @cached_property
    def told(self) -> NDArray[np.bool_]:
        """Return the contents that a bot received, or a final read lists under the room that it read."""
        told = np.zeros(len(self.contents), np.bool_)
        for piece in self.receipts.pieces():
            told[self.receipts.content[piece]] = True
        for read in self.finals.reads.values():
            own = read.contents
            told[own[self.contents.room[own] == self.room_number(read.room)]] = True
        return told

    def who_received(self, contents: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the receipts, in their order, of the contents that are marked."""
        if not contents.any():
            return np.empty(0, np.int64)
        pieces = self.receipts.pieces()
        return np.concatenate(
            [np.flatnonzero(contents[self.receipts.content[piece]]) + piece.start for piece in pieces]
        )

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """Which messages anyone received, or any final read lists, under their own rooms."""
        seen = np.zeros(len(self.messages), np.bool_)
        seen[self.contents.owner[self.contents.owner >= 0]] = True
        return seen

    def name(self, bot: int) -> str:
        """Return a bot's name."""
        view = self.bots.get(bot)
        return view.name if view is not None else f"bot {bot}"

    def wire_user(self, bot: int) -> str:
        """Return the name under which a bot's messages travel."""
        return wire_name(self.name(bot), self.meta.run_id)

    def window_at(self, t_ns: int, node: str) -> FaultWindow | None:
        """Return the fault that was active at a moment, one on the node before any other."""
        active = [window for window in self.windows if window.covers(t_ns)]
        on_node = [window for window in active if node in held(self.plan.cluster, window.plan)]
        return next(iter(on_node or active), None)


def prepare(
    *,
    plan: Plan,
    meta: Meta,
    histories: Sequence[HistoryFile],
    faults: Sequence[FaultEntry],
    members: Sequence[MemberEntry],
) -> View:
    """Build the view. Never raises on what the histories hold."""
    known = {bot.ordinal: bot.name for bot in plan.bots}
    recorded = record(histories, known)
    names = Names(meta.run_id, plan.rooms)
    _name_epochs(recorded, names)
    rows = _rows_by_bot(recorded, known)
    bots, marks = _bots(plan, rows, recorded, names)
    nodes = {(c.bot, c.conn): c.node for bot in bots.values() for c in bot.connections}
    messages = read_messages(recorded, names, known, nodes)
    durable = plan.cluster.delivery == "durable"
    contents = read_contents(recorded, names, messages, known, positions=durable)
    receipts = read_receipts(recorded, contents, names, tuple(known), marks)
    finals = read_finals(recorded, contents, names)
    return View(
        plan=plan,
        meta=meta,
        bots=bots,
        names=names,
        recorded=recorded,
        messages=messages,
        contents=contents,
        receipts=receipts,
        finals=finals,
        windows=read_windows(plan, faults),
        members=tuple(sorted(members, key=lambda entry: entry.t_ns)),
        torn={file.name: file.torn for file in histories if file.torn},
        silent=frozenset(known) - recorded.bots,
        foreign=receipts.foreign + finals.foreign,
        oddities=(*messages.oddities, *_strangers(recorded, known)),
        last_ns=recorded.last_ns,
    )


def _name_epochs(recorded: Recorded, names: Names) -> None:
    """Number every epoch that is named outside of contents."""
    named = recorded.taken.of(Op.JOIN, Op.JOIN_OK, Op.LEAVE_OK, Op.HISTORY).events["b"]
    acks = recorded.taken.of(Op.SEND_OK).events["c"]
    for string_id in np.unique(np.concatenate([named, acks])).tolist():
        names.epoch(recorded.string(string_id))


def _rows_by_bot(recorded: Recorded, known: Mapping[int, str]) -> Mapping[int, list[tuple[int, Row]]]:
    """Return the few rows that say where bots are, each bot's in the order of recording."""
    found: dict[int, list[tuple[int, Row]]] = defaultdict(list)
    sends = np.isin(recorded.taken.events["op"], [int(op) for op in SENDS])
    rows, events = recorded.taken.row[~sends].tolist(), recorded.taken.events[~sends].tolist()
    for number, (t_ns, op, flags, bot, conn, a, b, c, d) in zip(rows, events, strict=True):
        if bot in known:
            row = Row(t_ns=t_ns, op=Op(op), flags=flags, bot=bot, conn=conn, a=a, b=b, c=c, d=d)
            found[bot].append((number, row))
    return found


def _bots(
    plan: Plan, rows: Mapping[int, list[tuple[int, Row]]], recorded: Recorded, names: Names
) -> tuple[dict[int, BotView], dict[int, list[Mark]]]:
    numbers = Numbers()
    bots, marks = {}, {}
    for bot in plan.bots:
        bots[bot.ordinal], marks[bot.ordinal] = read_bot(
            bot, rows.get(bot.ordinal, ()), recorded, names, numbers
        )
    return bots, marks


def _strangers(recorded: Recorded, known: Mapping[int, str]) -> list[str]:
    return [
        f"the history has rows of bot {bot}, which is not in the plan"
        for bot in sorted(recorded.bots - known.keys() - {0})
    ]
