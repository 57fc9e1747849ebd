"""The plan: a scenario with every choice made. Pure data, equal for equal scenario and seed.

Times are seconds from the start of the load (the beginning of the warm-up) as floats. Names of rooms
and bots are logical; on the wire they carry the run's id (`wire_name`), so that two runs on one
cluster never meet.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from harness.records.steady import SteadyBound

MOST_BOTS = 2**16 - 1  # for whom the history has a column of 16 bits


class Role(StrEnum):
    """What a member of the cluster is."""

    NODE = "node"
    REDIS = "redis"


# What costs something, or changes how members are started, and is there only where a fault of the plan needs
# it: links that can be cut and slowed, a clock that can be shifted, a disk of Redis's own that can be filled.
Need = Literal["links", "clock", "disk"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterPlan:
    """The cluster to start: `redis` and `node-1` … `node-<nodes>`."""

    nodes: tuple[str, ...]
    delivery: Literal["durable", "pubsub"]
    appendfsync: Literal["always", "everysec", "no"]
    retention: int | None = None  # messages that a room keeps; `None`: all of a run
    command: tuple[str, ...] | None = None  # starts each node, with placeholders; `None`: our own node
    ready: str | None = None  # the URL that answers 200 when a node can serve; `None`: its `/ready`
    attach: tuple[str, ...] = ()  # the URLs of nodes that run already: nothing is started
    needs: tuple[Need, ...] = ()  # what must be prepared for the faults when members are started

    @property
    def redis(self) -> str:
        """The name of the Redis member."""
        return "redis"

    @property
    def members(self) -> tuple[str, ...]:
        """Every member, Redis first: the order in which they start. Of what is attached: the nodes alone."""
        return self.nodes if self.attach else (self.redis, *self.nodes)


@dataclass(frozen=True, kw_only=True, slots=True)
class BotPlan:
    """One bot: who it is, where it begins, what it sends."""

    ordinal: Annotated[int, Field(ge=1, le=MOST_BOTS)]  # the `bot` column of the history
    name: str  # "bot-07"
    rooms: tuple[str, ...]  # logical names
    first_node: str  # the node it connects to first
    start_at_s: float  # after the bots' process is told to spawn
    messages_per_second: float  # this bot's own rate, over all its rooms
    seed: int  # of the bot's own random stream (pauses, backoff, texts)
    reply_share: float = 0.0  # of its messages that answer what it heard last in the room
    roam_every_s: float | None = None  # about how often it leaves a room and joins it again; `None`: it stays
    roam_until_s: float = 0.0  # after the load's beginning; from then on it stays


@dataclass(frozen=True, kw_only=True, slots=True)
class PhasePlan:
    """A phase of the run; `[start_s, end_s)`."""

    name: Literal["warmup", "steady", "chaos", "recovery"]
    start_s: float
    end_s: float


CLIENTS = "clients"  # the bots, where they are one side of a link

Setting = bool | int | float | str | tuple[str, ...] | None

Trait = Literal[
    "takes-down",  # its targets' processes end
    "comes-back",  # it heals by itself, right after it was proven
    "destroys-log",  # acknowledged messages may be gone after it
    "cuts-silently",  # connections go silent instead of being closed
    "cuts-off",  # it closes its targets' connections with its peers (without any: with clients), who go on
    "degrades",  # its targets go on serving, slower or worse: no outage, and nobody is held by it
]


@dataclass(frozen=True, kw_only=True, slots=True)
class AfterPlan:
    """The moment at which a fault begins that waits for another one: `delay_s` after its event."""

    id: str
    event: Literal["injected", "healed"]
    delay_s: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultPlan:
    """One planned injection. What a scenario repeats, or does to each member in turn, is several of them.

    `at_s` is the time of the inject; with `after` it is the earliest that it can be, and that event decides.
    A reversible fault is healed `duration_s` after its inject. `restart_after_s` belongs to faults that take
    a member down: the harness brings it back that much later, as part of the plan; `None` leaves it down.
    `settings` are the fault's own keys as the scenario has them, `traits` what the judge must know of it.
    `seed` is for what the fault itself draws while it lasts (jitter).
    """

    id: str
    fault: str  # the fault's name: "kill"
    at_s: float
    targets: tuple[str, ...]  # member names
    after: AfterPlan | None = None
    duration_s: float | None = None
    restart_after_s: float | None = None
    peers: tuple[str, ...] = ()  # the other ends of the links that it is about: member names, or CLIENTS
    settings: dict[str, Setting] = field(default_factory=dict)
    traits: tuple[Trait, ...] = ()
    seed: int = 0

    @property
    def heal_after_s(self) -> float | None:
        """When it is healed, in seconds after its inject; `None`: never, as planned."""
        if self.duration_s is not None:
            return self.duration_s
        return 0.0 if "comes-back" in self.traits else self.restart_after_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Deadlines that guarantees are judged by, in seconds."""

    reconnection_s: float = 5.0
    silent_cut_reconnection_s: float = 12.0
    presence_s: float = 20.0
    convergence_s: float = 10.0
    longest_wait_s: float = 8.0
    drain_s: float = 15.0  # after the load stops: resends, catching up, final reads
    max_unavailable: int | None = None  # members that may be so at once; more, and the run is aborted


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """What the scenario says that the verdict will be."""

    verdict: Literal["pass", "fail"] = "pass"
    violates: tuple[str, ...] = ()
    may_violate: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Everything that a run will do, decided before anything starts."""

    scenario: str
    description: str
    seed: int
    cluster: ClusterPlan
    rooms: tuple[str, ...]
    bots: tuple[BotPlan, ...]
    messages_per_second: float  # of all bots together
    phases: tuple[PhasePlan, ...]
    faults: tuple[FaultPlan, ...]
    checks: tuple[str, ...]  # names of guarantees, in the order of the report
    checks_named: bool  # the scenario listed them one by one: none of them may be n/a
    limits: Limits
    expect: Expectation
    steady_state: tuple[SteadyBound, ...] = ()
    by_hand: bool = False  # its bots came and went by the user's hand (`wordaround load`)

    def __post_init__(self) -> None:
        """Refuse what is no plan.

        Raises:
            ValueError: it has no phase, so that there is no load.
        """
        if not self.phases:
            raise ValueError("a plan has a phase at least")

    @property
    def load_s(self) -> float:
        """Seconds from the start of the load to its stop."""
        return self.phases[-1].end_s


def wire_name(name: str, run_id: str) -> str:
    """Return the name that a room or user of this run has on the wire: `room-1.3fa9c2d1`."""
    return f"{name}.{run_id}"


def logical_name(wire: str, run_id: str) -> str | None:
    """Undo `wire_name`; `None` for a name that is not of this run."""
    name, _, suffix = wire.rpartition(".")
    return name if name and suffix == run_id else None
