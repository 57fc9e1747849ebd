"""What kill, stop and restart have in common: targets go down, are proven down, and are brought back.

The proof is the identity: what lived before is gone, and what lives after the heal is another incarnation.
`before` and `after` in the evidence are identities, or `down`.
"""

import threading
from collections.abc import Iterable
from typing import ClassVar

from harness.backends.base import Backend, Identity
from harness.clock import NS, now_ns
from harness.errors import HarnessError
from harness.faults.base import Evidence, NotProven, Spec, Undo
from harness.faults.together import spoken, together
from harness.records.plan import FaultPlan

READY_TIMEOUT_S = 30.0  # For a member that was started again; long, since the judge has its own limits.

_STARTING = threading.Lock()  # Heals run side by side; a member that two of them miss is started once.

NOT_OURS = {"attach": "the members of an attached cluster are not ours to end"}


class Downtime:
    """Takes all targets down at once, and brings them back where the plan says so.

    A subclass says how one of them is taken down (`take_down`), and how that is called in sentences.
    """

    spec: ClassVar[Spec]
    noun: ClassVar[str]  # "the kill"
    past: ClassVar[str]  # "killed"

    @classmethod
    def available(cls, backend: str) -> str | None:
        """Whoever started a process can end it."""
        return None

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        self._targets = plan.targets
        self._comes_back = plan.heal_after_s is not None
        self._backend = backend
        self._before: dict[str, Identity] = {}  # who lived when it was to go down
        self._down: list[str] = []  # who was taken down without an error
        self._down_ns = 0

    def take_down(self, member: str) -> None:
        """End the living member; return when it is gone."""
        raise NotImplementedError

    def undo(self) -> Undo:
        """Return whom to start again."""
        back = ", ".join(self._targets) if self._comes_back else "nobody: down is what is planned"
        return Undo(evidence={"restart": back})

    def inject(self) -> Evidence:
        """Take the targets down, all at once.

        Raises:
            HarnessError: a target was down already, or could not be taken down; the others were.
        """
        together(self._hit, self._targets)
        self._down_ns = now_ns()
        return {"before": self._spoken(self._ordered(self._before))}

    def _hit(self, member: str) -> None:
        identity = self._backend.identity(member)
        if identity is None:
            raise HarnessError(f"{member} could not be {self.past}: it was down already")
        self._before[member] = identity
        self.take_down(member)
        self._down.append(member)

    def prove(self) -> Evidence:
        """See that no target is the process that it was.

        Raises:
            NotProven: one still is.
        """
        after = self._identities()
        for member in self._down:
            if after[member] == self._before[member]:
                raise NotProven(f"{member} is still alive as it was before {self.noun} ({after[member]})")
        return self._evidence(after)

    def heal(self) -> Evidence | None:
        """Start the targets again and see that they are ready, as other incarnations than before.

        Raises:
            NotProven: a target is the same incarnation as before, or down again.
            HarnessError: a target could not be started, or did not become ready.
        """
        if not self._comes_back or not self._before:
            return None
        restarted_ns = now_ns()
        bring_back(self._backend, self._ordered(self._before))
        after = self._identities()
        for member in self._down:
            if after[member] in (None, self._before[member]):
                raise NotProven(
                    f"{member} did not come back as a new process: {after[member] or 'it is down'}"
                )
        ready_s = (now_ns() - restarted_ns) / NS
        down_s = (restarted_ns - self._down_ns) / NS
        times = {"restarted": f"{down_s:.3f} s after {self.noun}"} if self._down_ns else {}
        return {**self._evidence(after), **times, "ready": f"{ready_s:.3f} s after the restart"}

    def _ordered(self, identities: dict[str, Identity]) -> dict[str, Identity]:
        """Return them in the order of the targets: threads note them in any."""
        return {member: identities[member] for member in self._targets if member in identities}

    def _identities(self) -> dict[str, Identity | None]:
        return {member: self._backend.identity(member) for member in self._ordered(self._before)}

    def _evidence(self, after: dict[str, Identity | None]) -> dict[str, str]:
        return {"before": self._spoken(self._ordered(self._before)), "after": self._spoken(after)}

    @staticmethod
    def _spoken(identities: dict[str, Identity] | dict[str, Identity | None]) -> str:
        return spoken({member: str(identity or "down") for member, identity in identities.items()})


def bring_back(backend: Backend, members: Iterable[str]) -> None:
    """Start those of the members that are down, all together, and wait until all are ready.

    Raises:
        HarnessError: one could not be started, or did not become ready.
    """
    wanted = tuple(members)
    with _STARTING:
        for member in wanted:
            if backend.identity(member) is None:
                backend.restart(member)
    for member in wanted:
        backend.wait_ready(member, timeout_s=READY_TIMEOUT_S)
