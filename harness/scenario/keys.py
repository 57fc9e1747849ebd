"""The keys that all faults have in common, and the kinds of values that scenarios are made of.

What a fault wants beside them it says in its own file (`harness/faults/`), in a subclass of one of these.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.scenario.values import choice, duration, guarantee, name, text, whole

MOST_REPEATS = 1000

Duration = Annotated[float, duration()]
DurationOrZero = Annotated[float, duration(zero=True)]
Name = Annotated[str, name()]
Text = Annotated[str, text()]
GuaranteeName = Annotated[str, guarantee()]
RoleName = Annotated[Literal["node", "redis"], choice("node", "redis")]
SideName = Annotated[Literal["node", "redis", "client"], choice("node", "redis", "client")]
Mode = Annotated[
    Literal["one", "all", "fixed", "percent", "each"], choice("one", "all", "fixed", "percent", "each")
]
Event = Annotated[Literal["injected", "healed"], choice("injected", "healed")]


class Part(BaseModel):
    """What all parts of a scenario have in common: frozen, no conversions, no unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Target(Part):
    """Which members a fault hits: one by its name, or some of a role.

    `value` is a number of members (mode fixed) or a percentage (mode percent); `exclude` names a member,
    or an earlier fault whose targets are left out. `each` hits all of them, one after the other.
    """

    name: Text | None = None
    role: RoleName | None = None
    mode: Mode | None = None
    value: Annotated[int, whole(1, 100)] | None = None
    exclude: Text | None = None


class Side(Part):
    """The other ends of the links that a fault is about: a member by its name, or all of a role."""

    name: Text | None = None
    role: SideName | None = None


class After(Part):
    """Another fault's event, and how long after it."""

    id: Name
    event: Event = "injected"
    delay: DurationOrZero = 0.0


class Repeat(Part):
    """How often a fault comes (the first time included), how far apart, and by how much that varies."""

    times: Annotated[int, whole(2, MOST_REPEATS)]
    every: Duration
    jitter: DurationOrZero = 0.0


class FaultKeys(Part):
    """What every fault has. `at` counts from the start of the chaos phase; `after` stands in its place."""

    id: Name
    fault: Text
    at: DurationOrZero | None = None
    after: After | None = None
    repeat: Repeat | None = None
    target: Target

    @classmethod
    def findings(cls, valid: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield what does not fit together among the keys that are valid on their own: which key, and why."""
        yield from ()


class Reversible(FaultKeys):
    """A fault that lasts for a while and is healed."""

    duration: Duration


class OneShot(FaultKeys):
    """A fault that happens in one moment, and leaves nothing to heal, or heals by itself."""


class TakesDown(FaultKeys):
    """A fault that takes its targets down; they are started again `restart_after` it, or stay down."""

    restart_after: Duration | None = None


DirectionName = Annotated[Literal["both", "to", "from"], choice("both", "to", "from")]


class Links(Part):
    """What faults on links say: which ends they have beside the target, and in which direction they bite.

    `direction` is seen from the target: `to` is what it sends to the other ends.
    """

    from_: Annotated[Side | None, Field(alias="from")] = None
    direction: DirectionName = "both"


class ReversibleOnLinks(Reversible, Links):
    """A reversible fault on the links between its target and everyone else, or those that `from` names."""
