"""Makes run folders as the runner and the judge would leave them: for the tests of the reports.

The cluster is simulated in the plainest way: bots send in turn, every bot of the room receives; while
the killed node is down its bots are cut off, come back elsewhere after some tenths of a second, and (in
a durable run) receive by resume what they missed. What the records say is what the reports must show.
"""

import json
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from harness.records.codec import write_json
from harness.records.folder import RunFolder
from harness.records.history import FLAG_FROM_HISTORY, Op, Row, write_history
from harness.records.journal import FaultEntry, Journal, MemberEntry, MemberState
from harness.records.meta import Meta
from harness.records.metrics import NodeFigures, Sample, SampleWriter
from harness.records.plan import (
    AfterPlan,
    BotPlan,
    ClusterPlan,
    Expectation,
    FaultPlan,
    Limits,
    PhasePlan,
    Plan,
)
from harness.records.verdict import (
    Finding,
    Property,
    Quantiles,
    Reconnection,
    ReconnectionStats,
    RunVerdict,
    SendStats,
    Stats,
    Step,
    StepKind,
    Verdict,
    Witness,
)

S = 1_000_000_000
ZERO = 5_000 * S  # load_began_ns
NODES = ("node-1", "node-2", "node-3")
KILL, DOWN_FOR = 11.0, 5.9
LOAD = 26.0
RUN_ID = "3fa9c2d1"

SENTENCES = {
    "acked-durable": "An acknowledged message is in the room's log on every node after recovery.",
    "complete-delivery": "Every recipient entitled to an acknowledged message has received it by the end.",
    "no-duplicates": "Nobody receives a message twice, and no message has two places in the log.",
    "integrity": "Nobody receives what nobody sent, or what belongs to another room.",
    "total-order": "All recipients and all nodes agree on one order per room.",
    "gapless-resume": "Who resumes misses nothing, or is told honestly that it cannot resume.",
    "reconnection": "Every bot that lost its connection is back in its rooms within the deadline.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A run folder and the records that lie in it."""

    folder: RunFolder
    plan: Plan
    meta: Meta
    verdict: RunVerdict
    rows: tuple[Row, ...]


def at(seconds: float) -> int:
    """Return the monotonic stamp of a moment of the load."""
    return ZERO + round(seconds * S)


def make_plan(
    *, delivery: str = "durable", expect: Expectation | None = None, scenario: str = "node-kill"
) -> Plan:
    bots = tuple(
        BotPlan(
            ordinal=i,
            name=f"bot-{i:02}",
            rooms=(f"room-{i % 3 + 1}",),
            first_node=NODES[i % 3],
            start_at_s=i * 0.03,
            messages_per_second=2.0,
            seed=1000 + i,
        )
        for i in range(1, 31)
    )
    phases = (("warmup", 0.0, 3.0), ("steady", 3.0, 8.0), ("chaos", 8.0, 20.0), ("recovery", 20.0, 26.0))
    return Plan(
        scenario=scenario,
        description="One of three nodes is killed under load and comes back five seconds later.",
        seed=4711,
        cluster=ClusterPlan(nodes=NODES, delivery=delivery, appendfsync="always"),
        rooms=("room-1", "room-2", "room-3"),
        bots=bots,
        messages_per_second=60.0,
        phases=tuple(PhasePlan(name=name, start_s=a, end_s=b) for name, a, b in phases),
        faults=(
            FaultPlan(
                id="crash",
                fault="kill",
                at_s=KILL,
                targets=("node-2",),
                restart_after_s=5.0,
                traits=("takes-down",),
            ),
        ),
        checks=tuple(SENTENCES),
        checks_named=False,
        limits=Limits(),
        expect=expect or Expectation(),
    )


class Simulated:
    """The history of a run of the plan, and the figures that a judge would take from it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.random = random.Random(plan.seed)
        self.strings: dict[str, int] = {}
        self.rows: list[Row] = []
        self.ways: list[Reconnection] = []
        self.caught_up = {bot.ordinal: 0 for bot in plan.bots}
        self.sent = self.acked = self.delivered = self.missed = 0
        self.back = {bot.ordinal: KILL for bot in plan.bots}
        self._connect()
        self._send()
        self._finish()

    def _string(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.strings) + 1)

    def _row(self, seconds: float, op: Op, **columns: int) -> None:
        self.rows.append(Row(t_ns=at(seconds), op=op, **columns))

    def _connect(self) -> None:
        for bot in self.plan.bots:
            self._row(
                -1.2 + bot.start_at_s, Op.CONNECT, bot=bot.ordinal, conn=1, a=self._string(bot.first_node)
            )
            if bot.first_node == "node-2":
                self._cut(bot)

    def _cut(self, bot: BotPlan) -> None:
        lost = KILL + 0.01 + self.random.random() * 0.01
        back = lost + 0.08 + self.random.random() ** 2 * 0.7
        to = self.random.choice(("node-1", "node-3"))
        self.back[bot.ordinal] = back
        self._row(lost, Op.DISCONNECT, bot=bot.ordinal, conn=1, a=self._string("transport closed"))
        self._row(back - 0.01, Op.CONNECT, bot=bot.ordinal, conn=2, a=self._string(to))
        self.ways.append(
            Reconnection(
                bot=bot.name,
                fault_id="crash",
                lost_ns=at(lost),
                back_ns=at(back),
                from_node="node-2",
                to_node=to,
                reason="transport closed",
            )
        )

    def _away(self, ordinal: int, seconds: float) -> bool:
        return KILL <= seconds < self.back[ordinal]

    def _send(self) -> None:
        for i in range(round(60 * LOAD)):
            sender = self.plan.bots[i % 30]
            when = i / 60 + self.random.random() * 0.01
            text = f"~{i:06x}~ and nothing but words"
            key, wire = i // 30 + 1, f"{sender.rooms[0]}.{RUN_ID}"
            content = self._string(json.dumps({"room": wire, "text": text}))
            self._row(when, Op.SEND, bot=sender.ordinal, conn=1, a=content, b=1, c=key)
            self.sent += 1
            acked = when + 0.0015 + self.random.expovariate(900)
            if self._away(sender.ordinal, when):
                again = self.back[sender.ordinal] + 0.001
                self._row(again, Op.SEND, bot=sender.ordinal, conn=2, a=content, b=2, c=key)
                acked = again + 0.003
            self._row(acked, Op.SEND_OK, bot=sender.ordinal, conn=1, a=key, b=1)
            self.acked += 1
            self._deliver(sender.rooms[0], wire, text, acked)

    def _deliver(self, room: str, wire: str, text: str, acked: float) -> None:
        delivery = self._string(json.dumps({"room": wire, "text": text, "user": "x", "seq": 1}))
        for bot in self.plan.bots:
            if room not in bot.rooms:
                continue
            if not self._away(bot.ordinal, acked):
                self._row(
                    acked + 0.001 + self.random.expovariate(700), Op.DELIVERY, bot=bot.ordinal, a=delivery
                )
            elif self.plan.cluster.delivery == "durable":
                resumed = self.back[bot.ordinal] - 0.002
                self._row(resumed, Op.DELIVERY, bot=bot.ordinal, a=delivery, flags=FLAG_FROM_HISTORY)
                self.caught_up[bot.ordinal] += 1
            else:
                self.missed += 1
                continue
            self.delivered += 1

    def _finish(self) -> None:
        names = {bot.name: bot.ordinal for bot in self.plan.bots}
        self.ways = [replace(way, caught_up=self.caught_up[names[way.bot]]) for way in self.ways]
        self.rows.sort(key=lambda row: row.t_ns)

    @property
    def stats(self) -> Stats:
        lengths = sorted((way.back_ns - way.lost_ns) / 1e6 for way in self.ways if way.back_ns is not None)
        return Stats(
            sends=SendStats(
                attempted=self.sent + 5, acked=self.acked, rejected=3, indeterminate=2, recovered=1
            ),
            deliveries=self.delivered,
            reconnections=ReconnectionStats(
                count=len(lengths), p50_ms=lengths[len(lengths) // 2], max_ms=lengths[-1]
            ),
            ack_latency_ms=Quantiles(count=self.acked, p50=2.4, p90=4.2, p99=6.7, max=812.4),
            delivery_latency_ms=Quantiles(count=self.delivered, p50=3.9, p90=6.8, p99=12.1, max=815.0),
            longest_wait_ms=1012.0,
        )


def properties(**changes: Property) -> tuple[Property, ...]:
    """Return a passing finding for each guarantee; `complete_delivery=…` replaces one."""
    passing = {
        name: Property(
            name=name,
            verdict=Verdict.PASS,
            sentence=sentence,
            checked=4_680 + i,
            counted="acknowledged messages × nodes" if i == 0 else "deliveries",
        )
        for i, (name, sentence) in enumerate(SENTENCES.items())
    }
    return tuple((passing | {key.replace("_", "-"): p for key, p in changes.items()}).values())


def lost_steps(i: int) -> tuple[Step, ...]:
    """Return the steps of a story: who sent, who received, who was cut off and never did."""
    acked, sender, lost = KILL + i * 0.02, f"bot-{i:02}", f"bot-{i + 9:02}"
    told = (
        (0.4, StepKind.JOINED, "node-2", lost, "joined, without a cursor"),
        (KILL + 0.01, StepKind.CUT_OFF, lost, "node-2", "cut off: transport closed"),
        (acked - 0.003, StepKind.SEND, sender, "node-1", f"message {20 + i} to room-1"),
        (acked, StepKind.ACKNOWLEDGED, "node-1", sender, f"message {20 + i} acknowledged"),
        (acked + 0.001, StepKind.RECEIVED, "node-3", "bot-30", f"{sender}'s message {20 + i}, live"),
        (LOAD + 1, StepKind.NEVER, "bot-04", "", f"message {20 + i} never came"),
        (LOAD + 1, StepKind.NEVER, lost, "", f"message {20 + i} never came"),
    )
    return tuple(
        Step(t_ns=at(t), kind=kind, source=source, target=target, label=label)
        for t, kind, source, target, label in told
    )


def lost_messages(simulated: Simulated) -> Property:
    """Return what complete-delivery says of a run in which messages were lost."""
    witnesses = tuple(
        Witness(
            story=f"bot-{i:02}'s message {20 + i} was acknowledged by node-1 at {KILL + i * 0.02:.2f} s, "
            f"{i * 0.02:.2f} s after node-2 was killed; bots 04 and {i + 9:02} never received it",
            operations=(
                f"{KILL + i * 0.02 - 0.003:.3f} s  bot-{i:02} → node-1  send_message room-1 ~00{i:02x}~",
                f"{KILL + i * 0.02:.3f} s  bot-{i:02} ← node-1  acknowledged",
                f"{LOAD + 1:.3f} s  bot-04 joined to room-1, has not received ~00{i:02x}~",
            ),
            t_ns=at(KILL + i * 0.02),
            steps=lost_steps(i),
        )
        for i in range(1, 33)
    )
    return Property(
        name="complete-delivery",
        verdict=Verdict.FAIL,
        sentence=SENTENCES["complete-delivery"],
        checked=15_600,
        counted="messages × recipients",
        violations=simulated.missed,
        excused=0,
        witnesses=witnesses,
    )


COVERAGE = (
    Finding(
        name="fault crash",
        verdict=Verdict.PASS,
        evidence="pid 4712 was gone after 3 ms; pid 4790 serves since",
    ),
    Finding(
        name="traffic around the faults",
        verdict=Verdict.PASS,
        evidence="660 acknowledged before, 354 attempted",
    ),
    Finding(
        name="reconnections forced", verdict=Verdict.PASS, evidence="10 of 10 bots on node-2 had to reconnect"
    ),
    Finding(name="load generator", verdict=Verdict.PASS, evidence="its loop was never more than 4 ms late"),
)
LIFECYCLE = (
    Finding(name="healthy start", verdict=Verdict.PASS, evidence="4 members ready after 1.9 s"),
    Finding(name="recovered", verdict=Verdict.PASS, evidence="node-2 ready again 0.9 s after its restart"),
    Finding(
        name="drained", verdict=Verdict.PASS, evidence="every send resolved 0.02 s after the load stopped"
    ),
    Finding(name="final reads", verdict=Verdict.PASS, evidence="two equal rounds on 3 nodes"),
)


def passing(runs: Path) -> Made:
    """A durable run in which nothing was lost."""
    plan = make_plan()
    simulated = Simulated(plan)
    return sampled(save(runs, plan, simulated, _verdict(plan, simulated, Verdict.PASS, properties())))


def many_faults(runs: Path) -> Made:
    """A run with a pause, a repeated fault, one on links, and a command that names no target."""
    plan = make_plan(scenario="many-faults")
    more = [
        FaultPlan(id="coma", fault="pause", at_s=2.0, targets=("node-1",), duration_s=2.0),
        FaultPlan(
            id="cut",
            fault="partition",
            at_s=5.0,
            targets=("node-3",),
            peers=("redis",),
            duration_s=2.0,
            traits=("cuts-silently",),
        ),
        *(
            FaultPlan(
                id=f"storm#{i}",
                fault="reconnect-storm",
                at_s=18.0 + i,
                targets=("node-3",),
                peers=("clients",),
            )
            for i in (1, 2)
        ),
        FaultPlan(
            id="own",
            fault="command",
            at_s=18.0,
            targets=(),
            after=AfterPlan(id="crash", event="healed"),
            duration_s=3.0,
        ),
    ]
    plan = replace(plan, faults=(*plan.faults, *more))
    simulated = Simulated(plan)
    made = save(runs, plan, simulated, _verdict(plan, simulated, Verdict.PASS, properties()))
    with Journal(made.folder.faults) as journal:
        for fault in more:
            for step, when in (("injected", 0.0), ("proved", 0.1), ("healed", 2.0), ("heal_proved", 2.1)):
                stamp = at(fault.at_s + when)
                journal.append(
                    FaultEntry(
                        t_ns=stamp,
                        done_ns=stamp,
                        fault_id=fault.id,
                        fault=fault.fault,
                        step=step,
                        targets=fault.targets,
                    )
                )
    with Journal(made.folder.members) as journal:
        for when, state in ((2.0, MemberState.PAUSED), (4.0, MemberState.READY)):
            journal.append(_member(when, "node-1", "node", state, "pid 4711"))
    return made


def expected_failing(runs: Path) -> Made:
    """A pub/sub run that loses what its scenario says that it may lose."""
    expect = Expectation(verdict="fail", violates=("complete-delivery",), may_violate=("gapless-resume",))
    plan = make_plan(delivery="pubsub", expect=expect, scenario="pubsub-node-kill")
    simulated = Simulated(plan)
    order = _not_applicable("total-order", "a pub/sub cluster gives messages no positions")
    found = properties(complete_delivery=lost_messages(simulated), total_order=order)
    return save(runs, plan, simulated, _verdict(plan, simulated, Verdict.FAIL, found))


def unexpected_failing(runs: Path) -> Made:
    """A durable run in which messages were lost all the same."""
    plan = make_plan()
    simulated = Simulated(replace(plan, cluster=replace(plan.cluster, delivery="pubsub")))
    found = properties(complete_delivery=lost_messages(simulated))
    verdict = _verdict(plan, simulated, Verdict.FAIL, found)
    why = ("complete-delivery was violated; the scenario expects every guarantee to hold",)
    return sampled(save(runs, plan, simulated, replace(verdict, as_expected=False, unexpected=why)))


def unknown(runs: Path) -> Made:
    """A run that broke off and proves nothing: one bot never came back, the final reads are missing."""
    plan = make_plan()
    simulated = Simulated(plan)
    simulated.ways[0] = replace(simulated.ways[0], back_ns=None, to_node=None, caught_up=0)
    reason = "bot-01 was not joined at the end"
    found = properties(
        complete_delivery=replace(properties()[1], verdict=Verdict.UNKNOWN, reason=reason, checked=15_000)
    )
    verdict = replace(
        _verdict(plan, simulated, Verdict.UNKNOWN, found),
        as_expected=False,
        unexpected=("the final reads were not done",),
        lifecycle=(
            *LIFECYCLE[:3],
            Finding(name="final reads", verdict=Verdict.FAIL, evidence="node-3 did not answer"),
        ),
    )
    return save(runs, plan, simulated, verdict)


def _not_applicable(name: str, reason: str) -> Property:
    return Property(
        name=name,
        verdict=Verdict.NOT_APPLICABLE,
        sentence=SENTENCES[name],
        checked=0,
        counted="",
        reason=reason,
    )


def _verdict(plan: Plan, simulated: Simulated, word: Verdict, found: tuple[Property, ...]) -> RunVerdict:
    return RunVerdict(
        verdict=word,
        expected=plan.expect.verdict,
        as_expected=word.value == plan.expect.verdict,
        scenario=plan.scenario,
        seed=plan.seed,
        backend="process",
        properties=found,
        coverage=COVERAGE,
        lifecycle=LIFECYCLE,
        stats=simulated.stats,
        reconnections=tuple(simulated.ways),
    )


def make_meta(plan: Plan) -> Meta:
    return Meta(
        run_id=RUN_ID,
        backend="process",
        backend_reason="no Docker engine answers at the default socket",
        command=f"wordaround run {plan.scenario} --seed {plan.seed} --backend process",
        began=datetime(2025, 11, 23, 14, 2, 11, tzinfo=UTC),
        began_ns=at(-4.1),
        load_began_ns=ZERO,
        load_ended_ns=at(LOAD),
        ended_ns=at(LOAD + 1.3),
        versions={"wordaround": "0.1.0", "python": "3.11.2", "valkey": "9.1.0", "flask-socketio": "5.6.1"},
        machine={"system": "Linux 6.1 x86_64", "cores": "2", "memory": "8 GiB"},
    )


def save(
    runs: Path, plan: Plan, simulated: Simulated, verdict: RunVerdict, *, meta: Meta | None = None
) -> Made:
    """Write everything that a run leaves behind."""
    meta = meta or make_meta(plan)
    folder = RunFolder.create(runs, began=meta.began, scenario="made", seed=plan.seed)
    for path, record in ((folder.plan, plan), (folder.meta, meta), (folder.verdict, verdict)):
        write_json(path, record)
    write_history(folder.history, "bots-0", simulated.rows, simulated.strings)
    _write_journals(folder)
    folder.scenario.write_text(
        f"version: 1\nname: {plan.scenario}\nseed: 4711\nfaults:\n  - {{fault: kill}}\n"
    )
    for member in plan.cluster.members:
        lines = [f"14:02:{i:02} INFO {member} line {i} of its log" for i in range(30)]
        (folder.logs / f"{member}.log").write_text("\n".join(lines) + "\n")
    return Made(folder=folder, plan=plan, meta=meta, verdict=verdict, rows=tuple(simulated.rows))


def sampled(made: Made) -> Made:
    """Give every member samples, one a second; the killed node has none while it is down."""
    whole = samples("pid 4710 started 123456", -2, 27)
    write_samples(made.folder, "redis", [replace(one, node=None) for one in whole])
    for node, cpu in zip(NODES, (0.21, 0.34, 0.27), strict=True):
        name = f"pid 47{NODES.index(node) + 11} started 123456"
        found = samples(name, -2, 27, cpu)
        if node == "node-2":
            found = [*samples(name, -2, 11, cpu), *samples("pid 4790 started 124111", 17, 27, cpu * 2)]
        write_samples(made.folder, node, found)
    return made


def samples(identity: str, first_s: int, last_s: int, cpu: float = 0.2) -> list[Sample]:
    """Return what one incarnation of a node used, second by second."""
    return [
        Sample(
            t_ns=at(second),
            identity=identity,
            cpu=None if second == first_s else cpu,
            memory=50_000_000 + second,
            node=NodeFigures(connections=max(0, second), tail_lag=0, buffered_bytes=2_000),
        )
        for second in range(first_s, last_s)
    ]


def write_samples(folder: RunFolder, member: str, found: list[Sample]) -> None:
    """Write them as the harness would."""
    writer = SampleWriter(folder.metrics, member)
    for sample in found:
        writer.append(sample)
    writer.close()


def _write_journals(folder: RunFolder) -> None:
    with Journal(folder.members) as journal:
        for member, role in (("redis", "redis"), *((node, "node") for node in NODES)):
            for when, state in ((-3.9, MemberState.STARTING), (-2.2, MemberState.READY)):
                journal.append(
                    _member(
                        when,
                        member,
                        role,
                        state,
                        f"pid 47{NODES.index(member) + 11}" if role == "node" else "pid 4710",
                    )
                )
        for when, state, pid in (
            (KILL + 0.1, MemberState.DOWN, ""),
            (KILL + 5.0, MemberState.STARTING, "pid 4790"),
            (KILL + 5.6, MemberState.NOT_READY, "pid 4790"),
            (KILL + DOWN_FOR, MemberState.READY, "pid 4790"),
        ):
            journal.append(_member(when, "node-2", "node", state, pid))
    with Journal(folder.faults) as journal:
        for when, took, step, evidence in (
            (KILL - 0.004, 0.0, "undo", {"to undo": "start node-2 again"}),
            (KILL, 0.003, "injected", {"signal": "SIGKILL to group 4712"}),
            (KILL + 0.003, 0.012, "proved", {"before": "pid 4712 started 123456", "after": "no process"}),
            (KILL + 5.0, 0.02, "healed", {"started": "pid 4790 started 124111"}),
            (KILL + 5.02, DOWN_FOR - 5.02, "heal_proved", {"ready": "GET /ready is 200"}),
        ):
            journal.append(
                FaultEntry(
                    t_ns=at(when),
                    done_ns=at(when + took),
                    fault_id="crash",
                    fault="kill",
                    step=step,
                    targets=("node-2",),
                    evidence=evidence,
                )
            )


def _member(when: float, member: str, role: str, state: MemberState, identity: str) -> MemberEntry:
    named = f"{identity} started 123456" if identity else ""
    return MemberEntry(t_ns=at(when), member=member, role=role, state=state, identity=named)
