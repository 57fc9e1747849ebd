"""redis-data-loss: Redis dies and comes back without the end of its log, or without all of it.

It is the one fault that declares `destroys-log`: acknowledged messages past what survived are excused, where
everybody who resumes there is told so.
"""

from typing import Annotated, ClassVar

from harness.backends.base import Backend
from harness.faults.base import Evidence, NotProven, Spec
from harness.faults.downtime import Downtime
from harness.faults.redis_console import console
from harness.faults.together import spoken
from harness.records.plan import FaultPlan
from harness.scenario.keys import OneShot, told
from harness.scenario.values import whole


class DataLossKeys(OneShot):
    """How much is lost."""

    keep: Annotated[
        Annotated[int, whole(0, 99)],
        told("What survives of the log, in percent of its bytes, from its beginning."),
    ] = 0


class RedisDataLoss(Downtime):
    """Kills Redis, cuts its log, and starts it again. The proof is how much of the log was cut off."""

    spec: ClassVar[Spec] = Spec(
        name="redis-data-loss",
        summary="Redis is killed, loses its log or the end of it, and is started again.",
        keys=DataLossKeys,
        mechanisms={
            "process": "SIGKILL, and its log cut",
            "docker": "SIGKILL, and its log cut",
        },
        why_not={"attach": "the Redis of an attached cluster is not ours to damage"},
        roles=("redis",),
        traits=("takes-down", "comes-back", "destroys-log"),
    )
    noun = "the kill"
    past = "killed"

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        super().__init__(plan, backend)
        self._keep = float(str(plan.settings.get("keep", 0))) / 100
        self._entries: dict[str, int] = {}  # of all streams, before
        self._cut: dict[str, Evidence] = {}

    def take_down(self, member: str) -> None:
        """Count what it holds, SIGKILL it, and cut its log."""
        self._entries[member] = self._stream_entries(member)
        self._backend.kill(member)
        self._cut[member] = self._backend.disk.truncate_log(keep=self._keep)

    def prove(self) -> Evidence:
        """See that Redis is down, and that its log is shorter than it was.

        Raises:
            NotProven: it is not, or there was nothing to cut off.
        """
        for member, cut in self._cut.items():
            if cut["log"] == cut["kept"]:
                raise NotProven(f"{member} lost nothing of its log ({cut['log']})")
        lost = {member: f"{cut['kept']} of {cut['log']}" for member, cut in self._cut.items()}
        return {**super().prove(), "kept": spoken(lost)}

    def heal(self) -> Evidence | None:
        """Start Redis again with what is left; tell how many entries of streams that is."""
        healed = super().heal()
        if healed is None:
            return None
        entries = {
            member: f"{before} before, {self._stream_entries(member)} after"
            for member, before in self._entries.items()
        }
        return {**healed, "stream entries": spoken(entries)}

    def _stream_entries(self, member: str) -> int:
        with console(self._backend, member) as connected:
            return sum(connected.xlen(stream) for stream in connected.scan_iter(count=1000, _type="STREAM"))
