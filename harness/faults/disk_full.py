"""disk-full: the disk that Redis writes its log to has no space left.

With `appendfsync: always` Redis ends at its next write, since it cannot keep what it promises; that end is
the receipt. With other settings it goes on and refuses writes: no scenario can have the fault then.
"""

import time
from typing import ClassVar

from harness.backends import private_mounts
from harness.backends.base import Backend, Identity
from harness.clock import deadline_ns, left_s
from harness.errors import HarnessError
from harness.faults.base import Evidence, NotProven, Spec, Undo
from harness.faults.downtime import bring_back
from harness.faults.redis_console import answers
from harness.faults.together import spoken
from harness.records.plan import FaultPlan
from harness.scenario.keys import Reversible

EXIT_S = 5.0  # Redis ends at its next write, and we write as well.
_POLL_S = 0.05
# More than the last block of the disk can hold, and gone again at once.
_WRITE = ("SET", "wordaround:probe", "x" * 65536, "PX", "1")


class DiskFull:
    """Fills Redis's disk; later frees it and starts Redis again."""

    spec: ClassVar[Spec] = Spec(
        name="disk-full",
        summary="The disk of Redis's log is full: Redis, with `appendfsync: always`, ends at its next write.",
        keys=Reversible,
        mechanisms={
            "process": "a small tmpfs in a mount namespace, filled",
            "docker": "a small tmpfs volume, filled",
        },
        why_not={"attach": "the disk of an attached cluster is not ours to fill"},
        roles=("redis",),
        needs=("disk",),
        traits=("takes-down",),
        appendfsync="always",
    )

    @classmethod
    def available(cls, backend: str) -> str | None:
        """Try to mount a small disk, where members are processes; the engine can always."""
        return private_mounts.lacking() if backend == "process" else None

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        self._targets = plan.targets
        self._backend = backend
        self._before: dict[str, Identity] = {}

    def undo(self) -> Undo:
        """Return nothing to do: the disk is gone with the cluster."""
        return Undo(evidence={"free": "Redis's disk", "restart": ", ".join(self._targets)})

    def inject(self) -> Evidence:
        """Fill the disk.

        Raises:
            HarnessError: Redis is down already, or the disk cannot be filled.
        """
        for member in self._targets:
            identity = self._backend.identity(member)
            if identity is None:
                raise HarnessError(f"the disk of {member} was not filled: it was down already")
            self._before[member] = identity
        return self._backend.disk.fill()

    def prove(self) -> Evidence:
        """Write, and see Redis end of it.

        Raises:
            NotProven: it lives on.
        """
        for member in self._before:
            self._ends(member)
        return {
            "before": spoken({member: str(identity) for member, identity in self._before.items()}),
            "after": "down",
        }

    def _ends(self, member: str) -> None:
        deadline = deadline_ns(EXIT_S)
        while self._backend.identity(member) == self._before[member]:
            if not left_s(deadline):
                raise NotProven(
                    f"{member} lives on although its disk is full: with another appendfsync than `always` it "
                    "only refuses writes"
                )
            answers(self._backend, member, *_WRITE, within_s=0.5)
            time.sleep(_POLL_S)

    def heal(self) -> Evidence | None:
        """Free the disk, start Redis again where it ended, and see that it is ready and can write.

        Raises:
            HarnessError: it could not be started, or did not become ready.
            NotProven: it does not accept writes.
        """
        if not self._before:
            return None
        self._backend.disk.free()
        bring_back(self._backend, self._before)
        for member in self._before:
            if not answers(self._backend, member, *_WRITE, within_s=5.0):
                raise NotProven(f"{member} is back, but accepts no writes")
        after = {member: str(self._backend.identity(member) or "down") for member in self._before}
        return {"after": spoken(after), "write": "accepted"}
