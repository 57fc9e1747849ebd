"""A scenario as typed, frozen data: the one definition of its keys, their types and defaults.

`parse.py` makes it from YAML and says what is wrong with it, `docs/scenarios.md` explains every key. What
faults have in common is in `keys.py`, what each has beside that in its own file. Times are seconds.
What depends on several keys at once is checked in `sense.py`.
"""

import functools
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Tag, create_model

from harness.faults.registry import FAULTS
from harness.records import plan
from harness.scenario.keys import Duration, DurationOrZero, FaultKeys, GuaranteeName, Name, Part, Text
from harness.scenario.steady import SteadyProbe
from harness.scenario.values import address, argument, choice, listed, node_url, rate, whole

FAULT_NAMES = tuple(FAULTS)  # harness/faults has one file for each

# A seed must survive JSON readers that know no integers but doubles.
LARGEST_SEED = 2**53 - 1
# The history keeps a bot's ordinal in 16 bits.
MOST_USERS = 2**16 - 1
MOST_NODES = 32


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

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return self.nodes if self.attach is None else len(self.attach)


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


_ANY_FAULT = "any"
_fault_name = choice(*FAULT_NAMES, wanted=f"the name of a fault (there are: {listed(FAULT_NAMES)})")


class AnyFault(FaultKeys):
    """What can be said of a fault whose name is wrong or missing: what they all have in common."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    fault: Annotated[Literal["any"], _fault_name]


def _model_of(name: str) -> type[FaultKeys]:
    """Return the keys of one fault, `fault` being its name and no other."""
    keys = FAULTS[name].spec.keys
    fault: Any = (Annotated[Literal[name], choice(name)], ...)
    title = "".join(word.title() for word in name.split("-"))
    return create_model(title, __base__=keys, __doc__=FAULTS[name].spec.summary, fault=fault)


FAULT_MODELS: dict[str, type[FaultKeys]] = {name: _model_of(name) for name in FAULT_NAMES}


def fault_model(data: object) -> type[FaultKeys]:
    """Return the model that the plain data of a fault has to meet."""
    return FAULT_MODELS.get(_tag(data), AnyFault)


def _tag(data: object) -> str:
    name = data.get("fault") if isinstance(data, Mapping) else getattr(data, "fault", None)
    return name if isinstance(name, str) and name in FAULT_MODELS else _ANY_FAULT


if TYPE_CHECKING:  # The union is made from the registry, which a type checker cannot follow.
    Fault = FaultKeys
else:
    _tagged = [Annotated[model, Tag(name)] for name, model in FAULT_MODELS.items()]
    Fault = Annotated[
        functools.reduce(operator.or_, _tagged, Annotated[AnyFault, Tag(_ANY_FAULT)]), Discriminator(_tag)
    ]


class Limits(Part):
    """Deadlines that guarantees are judged by; the defaults are those of the plan."""

    reconnection: Duration = plan.Limits().reconnection_s
    silent_cut_reconnection: Duration = plan.Limits().silent_cut_reconnection_s
    presence: Duration = plan.Limits().presence_s
    convergence: Duration = plan.Limits().convergence_s
    longest_wait: Duration = plan.Limits().longest_wait_s
    drain: Duration = plan.Limits().drain_s
    max_unavailable: Annotated[int, whole(0, MOST_NODES)] | None = None


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
    description: Text = ""
    seed: Annotated[int, whole(0, LARGEST_SEED)] | None = None
    cluster: Cluster = Cluster()
    load: Load
    phases: Phases
    steady_state: tuple[SteadyProbe, ...] = ()
    faults: tuple[Fault, ...]
    checks: Checks = "all"
    limits: Limits = Limits()
    expect: Expect = Expect()
