"""A scenario as typed, frozen data: the one definition of its keys, their types and defaults.

`parse.py` makes it from YAML and says what is wrong with it, `docs/scenarios.md` explains every key.
Times are seconds. What depends on several keys at once is checked in `sense.py`.
"""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Tag

from harness.records import plan
from harness.scenario.values import (
    address,
    argument,
    choice,
    duration,
    guarantee,
    listed,
    name,
    node_url,
    rate,
    text,
    whole,
)

FaultName = Literal["kill"]
FAULT_NAMES: tuple[str, ...] = get_args(FaultName)  # harness/faults has one file for each

# A seed must survive JSON readers that know no integers but doubles.
LARGEST_SEED = 2**53 - 1
# The history keeps a bot's ordinal in 16 bits.
MOST_USERS = 2**16 - 1
MOST_NODES = 32

Duration = Annotated[float, duration()]
DurationOrZero = Annotated[float, duration(zero=True)]
Name = Annotated[str, name()]
GuaranteeName = Annotated[str, guarantee()]
RoleName = Annotated[Literal["node", "redis"], choice("node", "redis")]
Mode = Annotated[Literal["one", "all", "fixed", "percent"], choice("one", "all", "fixed", "percent")]


class Part(BaseModel):
    """What all parts of a scenario have in common: frozen, no conversions, no unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Redis(Part):
    """How Redis is started."""

    appendfsync: Annotated[Literal["always", "everysec", "no"], choice("always", "everysec", "no")] = "always"


class Cluster(Part):
    """The cluster to start: Redis and nodes `node-1` … `node-<nodes>`.

    `command` starts another program as each node, `ready` is the URL that answers 200 when it can serve.
    `attach` are the URLs of nodes that run already: nothing is started, and `nodes` is their number.
    """

    nodes: Annotated[int, whole(1, MOST_NODES)] = 3
    delivery: Annotated[Literal["durable", "pubsub"], choice("durable", "pubsub")] = "durable"
    redis: Redis = Redis()
    command: tuple[Annotated[str, argument()], ...] | None = None
    ready: Annotated[str, address()] | None = None
    attach: tuple[Annotated[str, node_url()], ...] | None = None


class Load(Part):
    """The bots and what they send, all together."""

    users: Annotated[int, whole(1, MOST_USERS)]
    messages_per_second: Annotated[float, rate(100_000)]
    rooms: Annotated[int, whole(1, MOST_USERS)] = 1
    spawn_rate: Annotated[float, rate(10_000)] = 25.0


class Phases(Part):
    """How long each phase lasts. Faults are injected in the chaos phase."""

    warmup: Duration
    steady: DurationOrZero
    chaos: DurationOrZero
    recovery: Duration


class Target(Part):
    """Which members a fault hits: one by its name, or some of a role.

    `value` is a number of members (mode fixed) or a percentage (mode percent); `exclude` names a member,
    or an earlier fault whose targets are left out.
    """

    name: Annotated[str, text()] | None = None
    role: RoleName | None = None
    mode: Mode | None = None
    value: Annotated[int, whole(1, 100)] | None = None
    exclude: Annotated[str, text()] | None = None


class Fault(Part):
    """One injection. `at` counts from the start of the chaos phase, `restart_after` from `at`."""

    id: Name
    fault: Annotated[
        FaultName, choice(*FAULT_NAMES, wanted=f"the name of a fault (there are: {listed(FAULT_NAMES)})")
    ]
    at: DurationOrZero
    target: Target
    restart_after: Duration | None = None


class Limits(Part):
    """Deadlines that guarantees are judged by; the defaults are those of the plan."""

    reconnection: Duration = plan.Limits().reconnection_s
    silent_cut_reconnection: Duration = plan.Limits().silent_cut_reconnection_s
    presence: Duration = plan.Limits().presence_s
    convergence: Duration = plan.Limits().convergence_s
    longest_wait: Duration = plan.Limits().longest_wait_s
    drain: Duration = plan.Limits().drain_s


class Expect(Part):
    """What the verdict will be when the cluster behaves as the author thinks."""

    verdict: Annotated[Literal["pass", "fail"], choice("pass", "fail")] = "pass"
    violates: tuple[GuaranteeName, ...] = ()
    may_violate: tuple[GuaranteeName, ...] = ()


def _word_or_list(value: object) -> str:
    return "list" if isinstance(value, tuple) else "word"


All = Annotated[Literal["all"], choice("all", wanted="all, or a list of guarantees")]
Checks = Annotated[
    Annotated[All, Tag("word")] | Annotated[tuple[GuaranteeName, ...], Tag("list")],
    Discriminator(_word_or_list),
]


class Scenario(Part):
    """A whole scenario. `seed` is `None` where it is to be drawn for each run."""

    version: Annotated[Literal[1], whole(1, 1)]
    name: Name
    description: Annotated[str, text()] = ""
    seed: Annotated[int, whole(0, LARGEST_SEED)] | None = None
    cluster: Cluster = Cluster()
    load: Load
    phases: Phases
    faults: tuple[Fault, ...]
    checks: Checks = "all"
    limits: Limits = Limits()
    expect: Expect = Expect()
