"""What a fault is: one file, four verbs.

A fault is only done to a cluster through its backend; it never talks to the bots. The executor
(`harness/faults/executor.py`) calls the verbs in order, keeps the journal, and guarantees the heal.
"""

from collections.abc import Mapping
from typing import Protocol

from harness.backends.base import Backend
from harness.records.plan import FaultPlan

Evidence = Mapping[str, str]  # what was seen, for people and for the receipt


class NotProven(Exception):
    """`prove` or `heal` did not see the effect that it must see; the message says what was seen instead."""


class Fault(Protocol):
    """One planned injection; made anew for each, so it may keep what `inject` learned."""

    @classmethod
    def available(cls, backend: str) -> str | None:
        """Return `None` where this fault works on the backend, else what is missing."""

    def __init__(self, plan: FaultPlan, backend: Backend) -> None: ...

    def undo(self) -> Evidence:
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
