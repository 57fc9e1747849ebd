"""cpu: a member gets only a share of a core, as on a machine that is too small or too full."""

import time
from dataclasses import dataclass
from typing import Annotated, ClassVar

from harness.backends.base import Backend
from harness.clock import NS, deadline_ns, left_s, now_ns
from harness.faults.base import Evidence, NotProven, Spec, Undo
from harness.faults.demand import demand
from harness.faults.downtime import READY_TIMEOUT_S
from harness.faults.together import spoken, together
from harness.records.plan import FaultPlan
from harness.scenario.keys import Reversible, told
from harness.scenario.values import rate

MOST_CORES = 0.5  # More than this a proof might not make a member want on a busy machine.
WINDOW_S = 1.0  # How long one measurement takes.
SLACK = 1.25  # How far above its share a window may be: quotas and clocks have a grain.
GRAIN_S = 0.05  # The same, in seconds of CPU.
PATIENCE_S = 10.0  # For a window in which it is seen; a busy machine may not even give the share.


class CpuKeys(Reversible):
    """How little the target gets."""

    cores: Annotated[
        Annotated[float, rate(MOST_CORES)], told("The share of one core that the target may use, up to 0.5.")
    ]


class Cpu:
    """Limits the targets' CPU. The proof: asked for more, they use their share and are made to wait."""

    spec: ClassVar[Spec] = Spec(
        name="cpu",
        summary="The member gets no more than a share of a core.",
        keys=CpuKeys,
        mechanisms={"process": "stopped and continued in turn (SIGSTOP)", "docker": "the engine's CPU quota"},
        why_not={"attach": "the members of an attached cluster are not ours to limit"},
        traits=("degrades",),
    )

    @classmethod
    def available(cls, backend: str) -> str | None:
        """Ask the engine whether it has quotas; signals are there wherever processes are."""
        if backend != "docker":
            return None
        from harness.backends.docker_resources import limit_lacking  # It takes time to import.

        return limit_lacking("CpuCfsQuota")

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        self._targets = plan.targets
        self._cores = float(str(plan.settings["cores"]))
        self._backend = backend
        self._limited = False

    def undo(self) -> Undo:
        """Return nothing to do: the limit ends with the members, and what keeps it with the run."""
        return Undo(evidence={"unlimited": ", ".join(self._targets)})

    def inject(self) -> Evidence:
        """Limit the targets.

        Raises:
            HarnessError: one is down, or cannot be limited.
        """
        self._limited = True
        together(lambda member: self._backend.resources.limit_cpu(member, self._cores), self._targets)
        return {"limit": f"{self._cores:g} cores"}

    def prove(self) -> Evidence:
        """Ask for much, and see that the limit holds it back to what is allowed.

        Raises:
            NotProven: a target used more than its share, or wanted so little that nothing was held back.
        """
        return {"used": spoken(together(self._is_held, self._targets))}

    def _is_held(self, member: str) -> str:
        deadline = deadline_ns(PATIENCE_S)
        with demand(self._backend, member):
            while True:
                seen = self._seen(member)
                if seen.used_s > self._cores * seen.window_s * SLACK + GRAIN_S:
                    raise NotProven(f"{member} used {seen}: more than {self._cores:g} cores")
                if seen.held_back:
                    return str(seen)
                if not left_s(deadline):
                    raise NotProven(f"{member} wanted only {seen}: {self._cores:g} cores are enough for it")

    def heal(self) -> Evidence | None:
        """End the limit, and see that a target that is asked for much is held back no more.

        Raises:
            NotProven: it is.
        """
        if not self._limited:
            return None
        together(lambda member: self._backend.resources.limit_cpu(member, None), self._targets)
        return {"used": spoken(together(self._is_free, self._targets))}

    def _is_free(self, member: str) -> str:
        """Wait for more than the share; a machine that has no more shows at least that nothing waits."""
        self._backend.wait_ready(member, timeout_s=READY_TIMEOUT_S)
        deadline = deadline_ns(PATIENCE_S)
        with demand(self._backend, member):
            while True:
                seen = self._seen(member)
                if seen.held_back:
                    raise NotProven(f"{member} is still held back: it used {seen}")
                if seen.used_s > self._cores * seen.window_s * SLACK or not left_s(deadline):
                    return str(seen)

    def _seen(self, member: str) -> "_Seen":
        resources = self._backend.resources
        began_ns, (before_s, _), held_back = now_ns(), resources.usage(member), resources.held_back(member)
        time.sleep(WINDOW_S)
        return _Seen(
            held_back=resources.held_back(member) - held_back,
            used_s=resources.usage(member)[0] - before_s,
            window_s=(now_ns() - began_ns) / NS,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """What a member used in a window of time, and how often it was held back in it."""

    used_s: float
    window_s: float
    held_back: int

    def __str__(self) -> str:
        return f"{self.used_s:.2f} s of CPU in {self.window_s:.2f} s, held back {self.held_back} times"
