"""The prepared view: a run's rows and journals as frozen things that checkers can reason about.

    content.py        what was sent and received          messages.py       attempts and outcomes
    sessions.py       stays of bots in the cluster        final_reads.py    what the nodes said last
    fault_windows.py  faults with their receipts          stories.py        all of it in words

Everything is known by bot ordinals and logical names; what belongs to other runs is counted and left
out. What makes no sense in the harness's own records is listed in `oddities`: it discredits the run,
never the cluster.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.checkers.bot_reader import read_bot
from harness.checkers.content import Received
from harness.checkers.fault_windows import FaultWindow, declared_outages, left_alive, read_windows
from harness.checkers.final_reads import STORE, TAIL, FinalRead, FinalReads, read_finals
from harness.checkers.messages import Message
from harness.checkers.recorded import Contents, Recorded, rows_by_bot
from harness.checkers.sender_reader import read_messages
from harness.checkers.sessions import BotView, Membership, Receipt
from harness.records.history import HistoryFile, Op
from harness.records.journal import FaultEntry, MemberEntry
from harness.records.meta import Meta
from harness.records.plan import Plan, wire_name

MessageId = tuple[int, int]  # bot ordinal, key


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
    messages: Mapping[MessageId, Message]
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
    def acknowledged(self) -> tuple[Message, ...]:
        """Every acknowledged message, by sender and key."""
        return tuple(message for message in self.messages.values() if message.acknowledged)

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

    def receipts(self) -> Iterator[Receipt]:
        """Yield every receipt of every bot, in the bot's receive order."""
        for bot in self.bots.values():
            yield from bot.receipts

    def memberships(self) -> Iterator[Membership]:
        """Yield every membership of every bot."""
        for bot in self.bots.values():
            yield from bot.memberships

    def message_of(self, content: Received) -> Message | None:
        """Return the message whose whole text this is; `None` for altered, unsent or foreign text."""
        if content.token is None:
            return None
        message = self.messages.get((content.token.bot, content.token.key))
        return message if message is not None and message.text == content.text else None

    def belongs(self, content: Received) -> MessageId | None:
        """Return whose message this is, if it came under the name of its own room."""
        message = self.message_of(content)
        if message is None or message.room != content.room:
            return None
        return (message.bot, message.key)

    @cached_property
    def received(self) -> Mapping[MessageId, frozenset[int]]:
        """The bots that got each message, in its room, by whatever way."""
        got: dict[MessageId, set[int]] = {}
        for receipt in self.receipts():
            whose = self.belongs(receipt.content)
            if whose is not None:
                got.setdefault(whose, set()).add(receipt.bot)
        return {whose: frozenset(bots) for whose, bots in got.items()}

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
        on_node = [window for window in active if node in window.plan.targets]
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
    contents = Contents(meta.run_id, plan.rooms, positions=plan.cluster.delivery == "durable")
    rows = rows_by_bot(histories)
    messages, oddities = _messages(plan, rows, meta.run_id)
    return View(
        plan=plan,
        meta=meta,
        bots={bot.ordinal: read_bot(bot, rows.get(bot.ordinal, ()), contents) for bot in plan.bots},
        messages=messages,
        finals=read_finals(rows.get(0, ()), contents),
        windows=read_windows(plan, faults),
        members=tuple(sorted(members, key=lambda entry: entry.t_ns)),
        torn={file.name: file.torn for file in histories if file.torn},
        silent=frozenset(bot.ordinal for bot in plan.bots if not rows.get(bot.ordinal)),
        foreign=_foreign(rows, contents),
        oddities=(*oddities, *_strangers(plan, rows)),
        last_ns=max((recorded.row.t_ns for own in rows.values() for recorded in own), default=0),
    )


def _messages(
    plan: Plan, rows: Mapping[int, Sequence[Recorded]], run_id: str
) -> tuple[dict[MessageId, Message], list[str]]:
    messages: dict[MessageId, Message] = {}
    oddities: list[str] = []
    for bot in plan.bots:
        own, odd = read_messages(bot.ordinal, rows.get(bot.ordinal, ()), run_id)
        messages.update(((message.bot, message.key), message) for message in own)
        oddities += odd
    return messages, oddities


def _foreign(rows: Mapping[int, Sequence[Recorded]], contents: Contents) -> int:
    return sum(
        recorded.row.op in (Op.DELIVERY, Op.FINAL_READ) and contents.received(recorded).foreign
        for own in rows.values()
        for recorded in own
    )


def _strangers(plan: Plan, rows: Iterable[int]) -> list[str]:
    known = {0, *(bot.ordinal for bot in plan.bots)}
    return [
        f"the history has rows of bot {bot}, which is not in the plan" for bot in rows if bot not in known
    ]
