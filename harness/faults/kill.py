"""kill: SIGKILL to a member, which gets no chance to say goodbye; the harness may start it again later."""

from typing import ClassVar

from harness.backends.base import Backend, Identity
from harness.clock import NS, now_ns
from harness.errors import HarnessError
from harness.faults.base import Evidence, NotProven, Spec, Undo
from harness.records.plan import FaultPlan
from harness.scenario.keys import TakesDown

READY_TIMEOUT_S = 30.0  # For a member that was started again; long, since the judge has its own limits.


class Kill:
    """Kills all targets, and brings them back where the plan says so.

    The proof is the identity: what lived before is gone, and what lives after the heal is another
    incarnation. `before` and `after` in the evidence are identities, or `down`.
    """

    spec: ClassVar[Spec] = Spec(
        name="kill",
        summary="SIGKILL: no goodbye to anyone, nothing flushed.",
        keys=TakesDown,
        mechanisms={"process": "SIGKILL to the process group", "docker": "SIGKILL by the engine"},
        why_not={"attach": "the members of an attached cluster are not ours to kill"},
        traits=("takes-down",),
    )

    @classmethod
    def available(cls, backend: str) -> str | None:
        """Whoever started a process can kill it."""
        return None

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        self._targets = plan.targets
        self._comes_back = plan.restart_after_s is not None
        self._backend = backend
        self._before: dict[str, Identity] = {}  # who lived when its turn came
        self._killed: list[str] = []  # whose kill was carried out
        self._killed_ns = 0

    def undo(self) -> Undo:
        """Return whom to start again."""
        back = ", ".join(self._targets) if self._comes_back else "nobody: down is what is planned"
        return Undo(evidence={"restart": back})

    def inject(self) -> Evidence:
        """Kill the targets, one right after the other.

        Raises:
            HarnessError: a target was down already, or could not be killed.
        """
        for member in self._targets:
            identity = self._backend.identity(member)
            if identity is None:
                raise HarnessError(f"{member} could not be killed: it was down already")
            self._before[member] = identity
            self._backend.kill(member)
            self._killed.append(member)
        self._killed_ns = now_ns()
        return {"before": self._spoken(dict(self._before))}

    def prove(self) -> Evidence:
        """See that no target is the process that it was.

        Raises:
            NotProven: one still is.
        """
        after = self._identities()
        for member in self._killed:
            if after[member] == self._before[member]:
                raise NotProven(f"{member} is still alive as it was before the kill ({after[member]})")
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
        for member in self._before:
            if self._backend.identity(member) is None:
                self._backend.restart(member)
        for member in self._before:
            self._backend.wait_ready(member, timeout_s=READY_TIMEOUT_S)
        after = self._identities()
        for member in self._killed:
            if after[member] in (None, self._before[member]):
                raise NotProven(
                    f"{member} did not come back as a new process: {after[member] or 'it is down'}"
                )
        ready_s = (now_ns() - restarted_ns) / NS
        down_s = (restarted_ns - self._killed_ns) / NS
        times = {"restarted": f"{down_s:.3f} s after the kill"} if self._killed_ns else {}
        return {**self._evidence(after), **times, "ready": f"{ready_s:.3f} s after the restart"}

    def _identities(self) -> dict[str, Identity | None]:
        return {member: self._backend.identity(member) for member in self._before}

    def _evidence(self, after: dict[str, Identity | None]) -> dict[str, str]:
        return {"before": self._spoken(dict(self._before)), "after": self._spoken(after)}

    @staticmethod
    def _spoken(identities: dict[str, Identity | None]) -> str:
        """One target: its identity alone; several: each after its name."""
        words = {member: str(identity or "down") for member, identity in identities.items()}
        if len(words) == 1:
            return next(iter(words.values()))
        return "; ".join(f"{member}: {identity}" for member, identity in words.items())
