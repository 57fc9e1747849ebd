"""Makes runs for the judge's tests: a perfect little cluster and its bots, all in one clock and one thread.

What the bots see goes into `entries`, rows with their strings in place of ids, in the order of recording.
A test lets a good run happen, then breaks what it wants in the entries, and asks for the verdict.
"""

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.judge.judgement import judge
from harness.records.bots import CLIENT_QUIT, BotsMetrics
from harness.records.codec import write_json
from harness.records.folder import RunFolder
from harness.records.guarantees import IMPLEMENTED
from harness.records.history import (
    FLAG_COMPLETE,
    FLAG_DEFINITE,
    FLAG_DUPLICATE,
    FLAG_FROM_HISTORY,
    FLAG_RECOVERED,
    HistoryFile,
    Op,
    Row,
    write_history,
)
from harness.records.journal import FaultEntry, Journal, MemberEntry, MemberState
from harness.records.meta import Meta
from harness.records.plan import (
    BotPlan,
    ClusterPlan,
    Expectation,
    FaultPlan,
    Limits,
    PhasePlan,
    Plan,
    wire_name,
)
from harness.records.token import Token, make_text
from harness.records.verdict import Finding, Property, RunVerdict

RUN_ID = "0a1b2c3d"
ZERO_NS = 1_000_000_000_000
MS = 1_000_000
SNAPSHOT = 50
CUT = "transport: connection reset"


@dataclass(eq=False)
class Entry:
    """A row; strings and contents (dicts) stand where their ids will be."""

    t_ns: int
    op: Op
    bot: int = 0
    conn: int = 0
    flags: int = 0
    a: Any = 0
    b: Any = 0
    c: Any = 0
    d: Any = 0


@dataclass
class Bot:
    ordinal: int
    name: str
    rooms: tuple[str, ...]
    conn: int = 0
    node: str | None = None
    joined: set[str] = field(default_factory=set)
    cursors: dict[str, tuple[str, int]] = field(default_factory=dict)
    keys: int = 0
    producers: int = 1
    numbers: dict[str, int] = field(default_factory=dict)

    @property
    def producer(self) -> str:
        """The producer that it sends as: another one after each that it abandoned."""
        return self.name if self.producers == 1 else f"{self.name}.{self.producers}"


@dataclass
class Sent:
    bot: int
    key: int
    room: str
    text: str
    n: int
    producer: str = ""
    reply_to: dict[str, Any] | None = None
    attempts: int = 0
    committed: dict[str, Any] | None = None


class World:
    """The run. Bots and rooms are created joined to nothing; `start` brings everyone in."""

    def __init__(
        self,
        *,
        bots: int = 3,
        nodes: int = 3,
        rooms: int = 1,
        delivery: str = "durable",
        faults: Iterable[FaultPlan] = (),
        expect: Expectation | None = None,
        checks: tuple[str, ...] = IMPLEMENTED,
        checks_named: bool = False,
    ) -> None:
        self.rooms = tuple(f"room-{i}" for i in range(1, rooms + 1))
        self.nodes = tuple(f"node-{i}" for i in range(1, nodes + 1))
        self.durable = delivery == "durable"
        self.bots = {i: Bot(i, f"bot-{i:02d}", self.rooms) for i in range(1, bots + 1)}
        self.plan = Plan(
            scenario="made-up",
            description="A run for a test.",
            seed=7,
            cluster=ClusterPlan(nodes=self.nodes, delivery=delivery, appendfsync="always"),  # type: ignore[arg-type]
            rooms=self.rooms,
            bots=tuple(
                BotPlan(
                    ordinal=bot.ordinal,
                    name=bot.name,
                    rooms=bot.rooms,
                    first_node=self.nodes[bot.ordinal % nodes],
                    start_at_s=0.0,
                    messages_per_second=1.0,
                    seed=bot.ordinal,
                )
                for bot in self.bots.values()
            ),
            messages_per_second=float(bots),
            phases=(PhasePlan(name="steady", start_s=0.0, end_s=60.0),),
            faults=tuple(faults),
            checks=checks,
            checks_named=checks_named,
            limits=Limits(),
            expect=expect or Expectation(),
        )
        self.meta = Meta(
            run_id=RUN_ID,
            backend="process",
            backend_reason="a test",
            command="wordaround run made-up",
            began=datetime(2026, 1, 1, tzinfo=UTC),
            began_ns=ZERO_NS - 1000 * MS,
            load_began_ns=ZERO_NS,
        )
        self.now_ns = ZERO_NS - 900 * MS
        self.entries: list[Entry] = []
        self.faults: list[FaultEntry] = []
        self.members: list[MemberEntry] = []
        self.logs: dict[str, list[dict[str, Any]]] = {room: [] for room in self.rooms}
        self.epochs = dict.fromkeys(self.rooms, "e1")
        self.down: set[str] = set()
        self.sent: dict[tuple[int, int], Sent] = {}
        self.lag_ms: float | None = 3.0
        self.torn = 0
        self.versions = dict.fromkeys(self.rooms, 0)
        self._pid = 100
        for member in self.plan.cluster.members:
            self._see(member, MemberState.READY)
        self.now_ns = ZERO_NS

    # Time and rows

    def wait(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1_000_000_000)

    def record(self, op: Op, bot: int = 0, **operands: Any) -> Entry:
        self.now_ns += MS
        conn = operands.pop("conn", self.bots[bot].conn if bot else 0)
        entry = Entry(t_ns=self.now_ns, op=op, bot=bot, conn=conn, **operands)
        self.entries.append(entry)
        return entry

    def wire(self, room: str) -> str:
        return wire_name(room, RUN_ID)

    # Members and faults

    def _see(self, member: str, state: MemberState) -> None:
        self._pid += 1
        identity = "" if state is MemberState.DOWN else f"pid {self._pid} started {self._pid}"
        role = "redis" if member == "redis" else "node"
        self.now_ns += MS
        self.members.append(
            MemberEntry(t_ns=self.now_ns, member=member, role=role, state=state, identity=identity)
        )

    def _step(self, fault: FaultPlan, step: str, **evidence: str) -> None:
        self.now_ns += MS
        self.faults.append(
            FaultEntry(
                t_ns=self.now_ns,
                done_ns=self.now_ns + MS,
                fault_id=fault.id,
                fault=fault.fault,
                step=step,  # type: ignore[arg-type]
                targets=fault.targets,
                evidence=evidence,
            )
        )
        self.now_ns += MS

    def kill(self, fault_id: str = "crash") -> None:
        """Inject the planned kill: the node dies, its bots are cut off."""
        fault = next(fault for fault in self.plan.faults if fault.id == fault_id)
        self._step(fault, "injected")
        for target in fault.targets:
            self.down.add(target)
            self._see(target, MemberState.DOWN)
        self._step(fault, "proved", before="pid 1", after="down")
        for bot in self.bots.values():
            if bot.node in fault.targets:
                self.lose(bot.ordinal)

    def restart(self, fault_id: str = "crash") -> None:
        """Heal it."""
        fault = next(fault for fault in self.plan.faults if fault.id == fault_id)
        for target in fault.targets:
            self.down.discard(target)
            self._see(target, MemberState.READY)
        self._step(fault, "healed")
        self._step(fault, "heal_proved", before="pid 1", after="pid 2")

    def inject(self, fault_id: str) -> None:
        """Inject a planned fault that ends no process."""
        fault = next(fault for fault in self.plan.faults if fault.id == fault_id)
        self._step(fault, "injected")
        self._step(fault, "proved", seen="its effect")

    def heal(self, fault_id: str) -> None:
        """Heal such a fault."""
        fault = next(fault for fault in self.plan.faults if fault.id == fault_id)
        self._step(fault, "healed")
        self._step(fault, "heal_proved", seen="its end")

    # Bots

    def start(self) -> None:
        for plan in self.plan.bots:
            self.connect(plan.ordinal, plan.first_node)
            self.join_all(plan.ordinal)

    def living(self) -> list[str]:
        return [node for node in self.nodes if node not in self.down]

    def connect(self, bot: int, node: str | None = None) -> None:
        me = self.bots[bot]
        me.conn += 1
        me.node = node or self.living()[(bot + me.conn) % len(self.living())]
        me.joined.clear()
        self.record(Op.CONNECT, bot, a=me.node)

    def lose(self, bot: int, reason: str = CUT) -> None:
        me = self.bots[bot]
        rooms = sorted(me.joined)
        me.node = None
        me.joined.clear()
        self.record(Op.DISCONNECT, bot, a=reason)
        for room in rooms:
            self.tell(room)

    def tell(self, room: str) -> None:
        """Send everyone in a room the list of its users, right after what changed it."""
        self.versions[room] += 1
        users = [
            {"user": wire_name(other.name, RUN_ID), "node": other.node, "state": "online"}
            for other in self.bots.values()
            if room in other.joined
        ]
        for other in self.bots.values():
            if room in other.joined:
                content = {
                    "room": self.wire(room),
                    "epoch": "p1",
                    "version": self.versions[room],
                    "users": users,
                }
                content = copy.deepcopy(content)
                self.entries.append(
                    Entry(
                        t_ns=self.now_ns + 1, op=Op.USER_LIST, bot=other.ordinal, conn=other.conn, a=content
                    )
                )

    def come_back(self, bot: int) -> None:
        self.connect(bot)
        self.join_all(bot)

    def everyone_back(self) -> None:
        for me in self.bots.values():
            if me.node is None:
                self.come_back(me.ordinal)

    def join_all(self, bot: int) -> None:
        for room in self.bots[bot].rooms:
            self.join(bot, room)

    def join(self, bot: int, room: str = "room-1", *, acknowledged: bool = True) -> None:
        """Join: with the cursor if there is one; resume, or a snapshot."""
        me = self.bots[bot]
        cursor = me.cursors.get(room) if self.durable else None
        self.record(
            Op.JOIN,
            bot,
            a=self.wire(room),
            b=cursor[0] if cursor else None,
            c=cursor[1] + 1 if cursor else 0,
        )
        log, epoch = self.logs[room], self.epochs[room] if self.durable else None
        recovered = cursor is not None
        messages = (log[cursor[1] :] if cursor else log[-SNAPSHOT:]) if self.durable else []
        flags = FLAG_RECOVERED if recovered else 0
        self.record(Op.HISTORY, bot, flags=flags, a=self.wire(room), b=epoch, c=len(messages))
        for message in messages:
            self.receive(bot, message, from_history=True)
        if not acknowledged:
            return
        head = len(log) if self.durable else 0
        self.record(Op.JOIN_OK, bot, flags=flags, a=self.wire(room), b=epoch, c=head)
        if self.durable:
            me.cursors[room] = (self.epochs[room], head)
        me.joined.add(room)
        self.tell(room)

    def leave(self, bot: int, room: str = "room-1", *, answered: bool = True) -> None:
        me = self.bots[bot]
        self.record(Op.LEAVE, bot, a=self.wire(room))
        head = len(self.logs[room]) if self.durable else 0
        epoch = self.epochs[room] if self.durable else None
        if answered:
            self.record(Op.LEAVE_OK, bot, a=self.wire(room), b=epoch, c=head)
        me.joined.discard(room)
        me.cursors.pop(room, None)
        self.tell(room)

    def receive(self, bot: int, message: dict[str, Any], *, from_history: bool = False) -> Entry:
        flags = FLAG_FROM_HISTORY if from_history else 0
        room = message["room"].rpartition(".")[0]
        if self.durable and room in self.bots[bot].rooms:
            self.bots[bot].cursors[room] = (message["epoch"], message["seq"])
        return self.record(Op.DELIVERY, bot, flags=flags, a=dict(message))

    # Messages

    def send(
        self, bot: int, room: str = "room-1", *, answers: dict[str, Any] | None = None, **how: Any
    ) -> Sent:
        """Send a new message, which may answer a committed one; `how` as in `attempt`."""
        me = self.bots[bot]
        me.keys += 1
        me.numbers[room] = me.numbers.get(room, 0) + 1
        text = make_text(Token(RUN_ID, bot, me.keys), f"word {me.keys}")
        sent = Sent(bot, me.keys, room, text, me.numbers[room], me.producer)
        if answers is not None and self.durable:
            sent.reply_to = {"epoch": answers["epoch"], "seq": answers["seq"]}
        self.sent[bot, me.keys] = sent
        self.attempt(sent, **how)
        return sent

    def attempt(
        self,
        sent: Sent,
        *,
        answer: str = "ok",
        lands: bool = True,
        before_commit: Callable[[], None] = lambda: None,
        before_answer: Callable[[], None] = lambda: None,
    ) -> None:
        """One attempt; the cluster commits it once, whatever number of attempts land.

        `answer`: ok, lost, late (lost, then acknowledged after all), definite, indefinite, none.
        """
        sent.attempts += 1
        content = {"room": self.wire(sent.room), "text": sent.text, "producer": sent.producer, "n": sent.n}
        if sent.reply_to is not None:
            content["reply_to"] = sent.reply_to
        self.record(Op.SEND, sent.bot, a=content, b=sent.attempts, c=sent.key)
        again = sent.committed is not None
        if answer == "definite":
            self._refuse(sent, "text_too_long: at most 8 KiB", FLAG_DEFINITE)
            return
        before_commit()
        if lands and (not again or not self.durable):
            self.commit(sent)
        before_answer()
        if answer == "indefinite":
            self._refuse(sent, "result_expired", 0)
        if answer in ("lost", "late"):
            self.record(Op.SEND_LOST, sent.bot, a=sent.key, b=sent.attempts, c="no answer within 5 s")
        if answer in ("ok", "late"):
            self.acknowledge(sent, duplicate=again)

    def _refuse(self, sent: Sent, error: str, flags: int) -> None:
        self.record(Op.SEND_FAILED, sent.bot, flags=flags, a=sent.key, b=sent.attempts, c=error)

    def refused_for_good(self, sent: Sent) -> None:
        """The sender learns that nobody can tell what became of it, and gives it up."""
        self._refuse(sent, "result_expired: nobody knows", 0)

    def acknowledge(self, sent: Sent, *, duplicate: bool = False) -> None:
        assert sent.committed is not None
        self.record(
            Op.SEND_OK,
            sent.bot,
            flags=FLAG_DUPLICATE if duplicate else 0,
            a=sent.key,
            b=sent.attempts,
            c=sent.committed["epoch"],
            d=sent.committed["seq"] or 0,
        )

    def commit(self, sent: Sent) -> None:
        log, me = self.logs[sent.room], self.bots[sent.bot]
        message = {
            "room": self.wire(sent.room),
            "epoch": self.epochs[sent.room] if self.durable else None,
            "seq": len(log) + 1 if self.durable else None,
            "producer": sent.producer,
            "n": sent.n,
            "user": wire_name(me.name, RUN_ID),
            "text": sent.text,
            "sent_at": 1.5,
            "node": me.node or "node-1",
        }
        if sent.reply_to is not None:
            message["reply_to"] = sent.reply_to
        sent.committed = message
        log.append(message)
        for other in self.bots.values():
            if sent.room in other.joined:
                self.receive(other.ordinal, message)

    def announce(self, bot: int, room: str = "room-1") -> None:
        """Tell a bot that is joined of a new epoch: a snapshot of what holds now."""
        snapshot = self.logs[room][-SNAPSHOT:]
        self.record(Op.HISTORY, bot, a=self.wire(room), b=self.epochs[room], c=len(snapshot))
        for message in snapshot:
            self.receive(bot, message, from_history=True)
        self.bots[bot].cursors[room] = (self.epochs[room], len(self.logs[room]))

    def lose_end(self, room: str, count: int, epoch: str) -> None:
        """The log loses its last messages, a new epoch opens, and all who are joined are told."""
        del self.logs[room][-count:]
        self.epochs[room] = epoch
        for bot in self.bots.values():
            if room in bot.joined:
                self.announce(bot.ordinal, room)

    def pipeline(self, bot: int, room: str = "room-1") -> tuple[Sent, Sent]:
        """Send two messages, the second before anything came of the first."""
        first, second = (self.send(bot, room, answer="none", lands=False) for _ in range(2))
        for sent in (first, second):
            self.commit(sent)
            self.acknowledge(sent)
        return first, second

    def talk(self, count: int) -> None:
        """Everyone who is in a room says something, in turn; each fifth answers what was said last."""
        for i in range(count):
            room = self.rooms[i % len(self.rooms)]
            speakers = [bot.ordinal for bot in self.bots.values() if room in bot.joined]
            if speakers:
                last = self.logs[room][-1] if self.logs[room] and i % 5 == 4 else None
                self.send(speakers[i % len(speakers)], room, answers=last)

    # The end

    def finish(self) -> None:
        """Stop the load, read every node twice, and let the bots go."""
        self.meta = replace(self.meta, load_ended_ns=self.now_ns)
        kills = [fault for fault in self.plan.faults if fault.fault == "kill"]
        gone = {t for fault in kills if fault.restart_after_s is None for t in fault.targets}
        for number in (1, 2):
            for node in self.nodes:
                if node not in gone:
                    self.read(node, number)
        for bot in self.bots.values():
            if bot.node is not None:
                self.record(Op.DISCONNECT, bot.ordinal, a=CLIENT_QUIT)
        self.meta = replace(self.meta, ended_ns=self.now_ns)

    def read(self, node: str, number: int) -> None:
        for room in self.rooms:
            for source in ("store", "tail"):
                for message in self.logs[room]:
                    self.record(Op.FINAL_READ, a=dict(message), b=node, c=source, d=number)
                self.record(
                    Op.FINAL_READ_END, flags=FLAG_COMPLETE, a=self.wire(room), b=node, c=source, d=number
                )

    # What a test breaks

    def find(self, op: Op, where: Callable[[Entry], bool] = lambda entry: True) -> list[Entry]:
        return [entry for entry in self.entries if entry.op is op and where(entry)]

    def deliveries(self, sent: Sent, bot: int | None = None) -> list[Entry]:
        return self.find(Op.DELIVERY, lambda e: e.a["text"] == sent.text and bot in (None, e.bot))

    def listed(self, sent: Sent, node: str | None = None, source: str | None = None) -> list[Entry]:
        return self.find(
            Op.FINAL_READ,
            lambda e: e.a["text"] == sent.text and node in (None, e.b) and source in (None, e.c),
        )

    def drop(self, entries: Iterable[Entry]) -> None:
        gone = {id(entry) for entry in entries}
        self.entries = [entry for entry in self.entries if id(entry) not in gone]

    def insert_after(self, entry: Entry, **changes: Any) -> Entry:
        """Repeat an entry, changed, right behind itself."""
        new = copy.deepcopy(entry)
        for name, value in changes.items():
            setattr(new, name, value)
        self.entries.insert(self.entries.index(entry) + 1, new)
        return new

    # The verdict

    def save(self, path: Path) -> RunFolder:
        """Write the run as a folder, as the runner leaves one."""
        folder = RunFolder(path)
        for sub in (folder.history, folder.metrics, folder.logs):
            sub.mkdir(parents=True)
        write_json(folder.plan, self.plan)
        write_json(folder.meta, self.meta)
        for file in self.histories():
            texts = [text for text in file.strings if text is not None]
            write_history(folder.history, file.name, file.rows, texts)
        with Journal(folder.faults) as faults, Journal(folder.members) as members:
            for entry in self.faults:
                faults.append(entry)
            for seen in self.members:
                members.append(seen)
        metrics = BotsMetrics(max_lag_ms=9.0, p99_lag_ms=3.0, samples=500, load_s=1.0, cpu_s=0.5, rows=1)
        write_json(folder.metrics / "bots.json", metrics)
        return folder

    def histories(self) -> tuple[HistoryFile, ...]:
        bots = [entry for entry in self.entries if entry.bot]
        reader = [entry for entry in self.entries if not entry.bot]
        return (_file("bots-1", bots, self.torn), _file("reader", reader))

    def judge(self) -> RunVerdict:
        return judge(
            plan=self.plan,
            meta=self.meta,
            histories=self.histories(),
            faults=tuple(self.faults),
            members=tuple(self.members),
            generator_lag_ms=self.lag_ms,
        )


CRASH = FaultPlan(
    id="crash", fault="kill", at_s=1.0, targets=("node-2",), restart_after_s=5.0, traits=("takes-down",)
)


MOMENT = FaultPlan(
    id="moment", fault="redis-clients-kill", at_s=1.0, targets=("redis",), traits=("comes-back",)
)


def quiet(**options: Any) -> World:
    """Return a finished good run without faults: 30 messages."""
    world = World(**options)
    world.start()
    world.talk(30)
    world.finish()
    return world


def stormy(*, finish: bool = True, **options: Any) -> World:
    """Return a good run in which node-2 is killed and comes back."""
    options.setdefault("bots", 4)
    world = World(faults=(CRASH,), **options)
    world.start()
    world.talk(30)
    world.kill()
    world.talk(6)
    world.everyone_back()
    world.talk(24)
    world.restart()
    world.talk(30)
    if finish:
        world.finish()
    return world


def found(verdict: RunVerdict, name: str) -> Property:
    return next(prop for prop in verdict.properties if prop.name == name)


def finding(verdict: RunVerdict, name: str) -> Finding:
    return next(f for f in (*verdict.coverage, *verdict.lifecycle) if f.name == name)


def failed(verdict: RunVerdict) -> set[str]:
    return {prop.name for prop in verdict.properties if prop.verdict == "fail"}


def _file(name: str, entries: list[Entry], torn: int = 0) -> HistoryFile:
    ids: dict[str, int] = {}
    rows = [Row(**dict(_row(entry, ids))) for entry in entries]
    return HistoryFile.of_rows(name=name, strings=(None, *ids), rows=rows, torn=torn)


def _row(entry: Entry, ids: dict[str, int]) -> Iterator[tuple[str, Any]]:
    yield from (("t_ns", entry.t_ns), ("op", entry.op), ("bot", entry.bot), ("conn", entry.conn))
    yield "flags", entry.flags
    for name in "abcd":
        value = getattr(entry, name)
        if isinstance(value, dict | list):
            value = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if isinstance(value, str):
            value = ids.setdefault(value, len(ids) + 1)
        yield name, 0 if value is None else value
