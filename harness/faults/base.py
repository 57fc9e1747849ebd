"""What a fault is: one file, a specification and four verbs (docs/adding-a-fault.md).

A fault is only done to a cluster through its backend; it never talks to the bots. The executor
(`harness/faults/executor.py`) calls the verbs in order, keeps the journal, and guarantees the heal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, runtime_checkable

from harness.backends.abilities import Evidence
from harness.backends.base import Backend
from harness.records.plan import FaultPlan, Need, Trait
from harness.scenario.keys import FaultKeys

__all__ = ["Cancellable", "Evidence", "Fault", "NotProven", "Spec", "Undo"]


class NotProven(Exception):
    """`prove` or `heal` did not see the effect that it must see; the message says what was seen instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Undo:
    """What would have to be undone, as it is journaled and synced before the inject.

    `commands` are argument lists that end the fault when the harness itself is dead: whoever cleans up runs
    them in order. What goes away with the cluster's own processes, containers and folders needs none.
    """

    evidence: Evidence
    commands: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """What scenarios, documents and the judge must know of a fault.

    `keys` is what a scenario says of it: a subclass of `Reversible`, `OneShot` or `TakesDown`; what it adds
    to those goes into `FaultPlan.settings` under the same name. `mechanisms` says for each backend that has
    the fault how it is done there, in a few words; `why_not` says for the others why they have not.
    """

    name: str
    summary: str  # one sentence: what is done to the target
    keys: type[FaultKeys]
    mechanisms: Mapping[str, str]  # by backend: process, docker, attach
    why_not: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[str, ...] = ("node", "redis")  # whom it can hit
    needs: tuple[Need, ...] = ()
    traits: tuple[Trait, ...] = ()
    of_its_own: bool = False  # each may be something else, so that two may hold one member
    appendfsync: Literal["always"] | None = None  # the one setting of Redis's log with which it is proven


class Fault(Protocol):
    """One planned injection; made anew for each, so it may keep what `inject` learned."""

    spec: ClassVar[Spec]

    @classmethod
    def available(cls, backend: str) -> str | None:
        """Try whether this machine can do it on the backend, without a cluster; `None`, or what is missing.

        Asked only for backends that have a mechanism, and before anything is started.
        """

    def __init__(self, plan: FaultPlan, backend: Backend) -> None: ...

    def undo(self) -> Undo:
        """Return what would have to be undone, for the journal; called and synced before `inject`."""

    def inject(self) -> Evidence:
        """Do it; return once it is done."""

    def prove(self) -> Evidence:
        """See with own eyes that it bit.

        Raises:
            NotProven: it did not.
        """

    def heal(self) -> Evidence | None:
        """End it and see that it is over (for a kill: the member is back and ready).

        Returns `None` where there is nothing to heal. Idempotent; safe after a failed `inject`.

        Raises:
            NotProven: it is not over.
        """


@runtime_checkable
class Cancellable(Protocol):
    """A fault whose verbs may take long, and can be cut short from another thread when the run is over."""

    def cancel(self) -> None:
        """End the verb that is under way, which then fails; a heal that comes later works. Idempotent."""
