"""Who stands in the sequence diagram of a story, and what happens between them, in the order of time.

A diagram is small, so it shows a story's people and no crowd: whoever sent, the first of those who lack
something, one or two who do not. What it leaves out is counted; the operations below it tell all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.records.plan import Plan
from harness.records.verdict import Step, StepKind, Witness
from reports.spans import FaultRecord

BOTS_SHOWN = 4
NODES_SHOWN = 4
ROWS_SHOWN = 16
EDGES_SHOWN = 4
_S = 1_000_000_000
NEARBY_NS = 30 * _S  # as far as the stories themselves look for a fault
CONTEXT_NS = 2 * _S  # how a bot came to be where it is, before the first thing that happens

# What is kept where there is no room for all: what happened to the message, then to people, then their ways.
_RANK = dict.fromkeys(StepKind, 0) | {
    StepKind.CUT_OFF: 1,
    StepKind.RECEIVED: 1,
    StepKind.CONNECTED: 2,
    StepKind.JOINED: 2,
}
_SETTING = frozenset({StepKind.JOINED, StepKind.CONNECTED})  # how people came to where they are
_ENDINGS = frozenset({StepKind.NEVER, StepKind.LACKING})  # what the story comes to


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """A fault begins or is over."""

    record: FaultRecord
    begins: bool

    @property
    def words(self) -> str:
        """What is written at it: `kill node-2`, `kill node-2 is over`."""
        return self.record.label if self.begins else f"{self.record.label} is over"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One height of the diagram: steps of one moment and kind in different lanes, or the edge of a fault."""

    t_ns: int
    steps: tuple[Step, ...] = ()
    edge: Edge | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagram:
    """A story as lanes (names, from left to right) and rows (from top to bottom).

    `redis` is the name of the Redis lane, and `left_out` counts the steps that are not drawn.
    """

    lanes: tuple[str, ...]
    redis: str
    rows: tuple[Row, ...]
    left_out: int


def arranged(plan: Plan, faults: Sequence[FaultRecord], witness: Witness) -> Diagram | None:
    """Lay a story out; `None` where it has too few steps to be one."""
    steps = _in_scene(witness.steps)
    people = _people(plan, steps)
    shown = [step for step in steps if {step.source, step.target} - {""} <= people]
    shown = _within(shown, ROWS_SHOWN)
    if len(shown) < 2:
        return None
    edges = _edges(faults, shown[0].t_ns, shown[-1].t_ns)
    lanes = _lanes(plan, shown, [edge.record for _, edge in edges])
    rows = [*_rows(shown), *(Row(t_ns=t_ns, edge=edge) for t_ns, edge in edges)]
    return Diagram(
        lanes=lanes,
        redis=plan.cluster.redis,
        rows=tuple(sorted(rows, key=lambda row: (row.t_ns, row.edge is None))),
        left_out=len(witness.steps) - len(shown),
    )


def commits(plan: Plan, step: Step) -> str:
    """Return what an acknowledgement says of Redis: "position 17"; empty where it says nothing."""
    if step.kind is not StepKind.ACKNOWLEDGED or not step.target or plan.cluster.attach:
        return ""
    if step.position:
        return f"position {step.position:,}"
    return "published" if plan.cluster.delivery == "pubsub" and plan.cluster.command is None else ""


def _in_scene(steps: Sequence[Step]) -> list[Step]:
    """Leave out how people came to where they are, unless it belongs to what happens."""
    first = min((step.t_ns for step in steps if step.kind not in _SETTING | _ENDINGS), default=None)
    if first is None:
        return list(steps)
    return [step for step in steps if step.kind not in _SETTING or step.t_ns >= first - CONTEXT_NS]


def _people(plan: Plan, steps: Sequence[Step]) -> set[str]:
    """Return who is shown: those by whose steps the story is told come first."""
    rank = {StepKind.SEND: 0, StepKind.NEVER: 1, StepKind.LACKING: 1}
    ordered = sorted(steps, key=lambda step: (rank.get(step.kind, 2), step.t_ns))
    named = list(dict.fromkeys(name for step in ordered for name in (step.source, step.target) if name))
    nodes = [name for name in named if name in plan.cluster.nodes][:NODES_SHOWN]
    bots = [name for name in named if name not in plan.cluster.members]
    lacking = {step.source for step in steps if step.kind is StepKind.NEVER}
    some = [bot for bot in bots if bot in lacking][: BOTS_SHOWN // 2]
    others = [bot for bot in bots if bot not in lacking]
    return {plan.cluster.redis, *nodes, *some, *others[: BOTS_SHOWN - len(some)]}


def _within(steps: list[Step], most: int) -> list[Step]:
    """Keep what tells most, the earliest first."""
    kept = sorted(steps, key=lambda step: (_RANK[step.kind], step.t_ns))[:most]
    return sorted(kept, key=lambda step: step.t_ns)


def _edges(faults: Iterable[FaultRecord], first_ns: int, last_ns: int) -> list[tuple[int, Edge]]:
    edges = []
    for record in faults:
        for t_ns, begins in ((record.injected_ns, True), (record.over_ns, False)):
            if t_ns is not None and first_ns - NEARBY_NS <= t_ns <= last_ns + NEARBY_NS // 10:
                edges.append((t_ns, Edge(record=record, begins=begins)))
    nearest = sorted(edges, key=lambda edge: max(first_ns - edge[0], edge[0] - last_ns, 0))
    return nearest[:EDGES_SHOWN]


def _lanes(plan: Plan, steps: Sequence[Step], faults: Iterable[FaultRecord]) -> tuple[str, ...]:
    """Return senders, nodes, Redis, recipients; a member that a fault is on has a lane, too."""
    named = {name for step in steps for name in (step.source, step.target) if name}
    hit = [name for record in faults for name in (*record.targets, *record.peers)]
    room = max(0, NODES_SHOWN - len(named & set(plan.cluster.nodes)))
    nodes = named | set([name for name in hit if name in plan.cluster.nodes and name not in named][:room])
    redis = plan.cluster.redis
    with_redis = redis in named or redis in hit or any(commits(plan, step) for step in steps)
    bots = [n for step in steps for n in (step.source, step.target) if n and n not in plan.cluster.members]
    senders = {step.source for step in steps if step.kind is StepKind.SEND} or set(bots[:1])
    ordered = dict.fromkeys(bots)
    return (
        *(bot for bot in ordered if bot in senders),
        *(node for node in plan.cluster.nodes if node in nodes),
        *((redis,) if with_redis else ()),
        *(bot for bot in ordered if bot not in senders),
    )


def _rows(steps: Iterable[Step]) -> Iterable[Row]:
    """Put what never came to several onto one row; every other step has its own."""
    never = [step for step in steps if step.kind is StepKind.NEVER]
    yield from (Row(t_ns=step.t_ns, steps=(step,)) for step in steps if step.kind is not StepKind.NEVER)
    if never:
        yield Row(t_ns=never[-1].t_ns, steps=tuple(never))
