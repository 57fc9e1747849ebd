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
DirectionName = Annotated[Literal["both", "to", "from"], choice("both", "to", "from")]
Event = Annotated[Literal["injected", "healed"], choice("injected", "healed")]


class Part(BaseModel):
    """What all parts of a scenario have in common: frozen, no conversions, no unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def told(text: str, **more: Any) -> Any:
    """Say what a key means: to editors (JSON Schema) and in docs/scenarios.md."""
    return Field(description=text, **more)


class Target(Part):
    """Which members a fault hits: one by its name, or some of a role."""

    name: Annotated[Text | None, told("A member: `redis`, `node-1` … Goes with no other key.")] = None
    role: Annotated[RoleName | None, told("The members to choose from.")] = None
    mode: Annotated[
        Mode | None,
        told(
            "How many of them; needed with `role`. Which ones is drawn from the seed. `each` is all of them, "
            "one after the other: the next when the one before is back."
        ),
    ] = None
    value: Annotated[
        Annotated[int, whole(1, 100)] | None,
        told(
            "Needed with `fixed` (how many members) and `percent` (of those to choose from, rounded up); "
            "goes with nothing else."
        ),
    ] = None
    exclude: Annotated[
        Text | None,
        told(
            "Whom to leave out: a member by its name, or all that an earlier fault in the list hits, "
            "by its id."
        ),
    ] = None


class Side(Part):
    """The other ends of the links that a fault is about: a member by its name, or all of a role."""

    name: Annotated[Text | None, told("A member: `redis`, `node-1` …")] = None
    role: Annotated[SideName | None, told("All of a role; `client` is everyone who is no member.")] = None


class After(Part):
    """Another fault's event, and how long after it."""

    id: Annotated[Name, told("A fault that is listed before this one.")]
    event: Annotated[
        Event,
        told(
            "`injected`: it was done and proven (where it comes several times, the first time). `healed`: "
            "it is over (the last time)."
        ),
    ] = "injected"
    delay: Annotated[DurationOrZero, told("How long after that.")] = 0.0


class Repeat(Part):
    """How often a fault comes, how far apart, and by how much that varies."""

    times: Annotated[int, whole(2, MOST_REPEATS), told("How often in all, the first time included.")]
    every: Annotated[Duration, told("From one to the next.")]
    jitter: Annotated[DurationOrZero, told("Each but the first is up to so much later.")] = 0.0


class FaultKeys(Part):
    """What every fault has."""

    id: Annotated[Name, told("Its own name in this scenario; not the name of a member.")]
    fault: Annotated[Text, told("What is done: the name of a fault.")]
    at: Annotated[
        DurationOrZero | None, told("When, counted from the start of the chaos phase, and within it.")
    ] = None
    after: Annotated[After | None, told("In the place of `at`: another fault's event.")] = None
    repeat: Annotated[
        Repeat | None,
        told("It comes several times, each time with targets drawn anew, as `<id>#1`, `<id>#2` …"),
    ] = None
    target: Annotated[Target, told("Whom it hits.")]

    @classmethod
    def findings(cls, valid: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield what does not fit together among the keys that are valid on their own: which key, and why."""
        yield from ()


class Reversible(FaultKeys):
    """A fault that lasts for a while and is healed."""

    duration: Annotated[Duration, told("How long it lasts; healing is implied, and proven.")]


class OneShot(FaultKeys):
    """A fault that happens in one moment, and leaves nothing to heal, or heals by itself."""


class TakesDown(FaultKeys):
    """A fault that takes its targets down; they are started again later, or stay down."""

    restart_after: Annotated[
        Duration | None,
        told("How long after its beginning the members are started again; without it they stay down."),
    ] = None


class Links(Part):
    """What faults on links say: which ends they have beside the target."""

    from_: Annotated[
        Side | None, told("The other ends of the links; without it all members and clients.", alias="from")
    ] = None


class OneShotOnLinks(OneShot, Links):
    """A fault of one moment on the links between its target and everyone else, or those that `from` names."""


class ReversibleOnLinks(Reversible, Links):
    """A reversible fault on the links between its target and everyone else, or those that `from` names."""

    direction: Annotated[
        DirectionName,
        told("Seen from the target: `to` is what it sends to the other ends, `from` what it gets from them."),
    ] = "both"
