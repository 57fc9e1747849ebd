"""cpu: a member gets only a share of a core, as on a machine that is too small or too full."""

import time
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
FREE_S = 10.0  # How long the heal waits for a window above the share.


class CpuKeys(Reversible):
    """How little the target gets."""

    cores: Annotated[
        Annotated[float, rate(MOST_CORES)], told("The share of one core that the target may use, up to 0.5.")
    ]


class Cpu:
    """Limits the targets' CPU. The proof is what they use while they are asked for more."""

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
        """Signals and quotas are there wherever the backends are."""
        return None

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
        """Ask for much, and see that little is used.

        Raises:
            NotProven: a target used more than its share, or wanted so little that nothing was held back.
        """
        return {"used": spoken(together(self._is_held, self._targets))}

    def _is_held(self, member: str) -> str:
        with demand(self._backend, member):
            used_s, window_s = self._used(member)
        share_s = self._cores * window_s
        seen = f"{used_s:.2f} s of CPU in {window_s:.2f} s"
        if used_s > share_s * SLACK + GRAIN_S:
            raise NotProven(f"{member} used {seen}, more than {self._cores:g} cores")
        if used_s < share_s / SLACK - GRAIN_S:
            raise NotProven(f"{member} wanted only {seen}: {self._cores:g} cores held nothing back")
        return seen

    def heal(self) -> Evidence | None:
        """End the limit, and see that a target that is asked for much uses more than its share.

        Raises:
            NotProven: it does not.
        """
        if not self._limited:
            return None
        together(lambda member: self._backend.resources.limit_cpu(member, None), self._targets)
        return {"used": spoken(together(self._is_free, self._targets))}

    def _is_free(self, member: str) -> str:
        self._backend.wait_ready(member, timeout_s=READY_TIMEOUT_S)
        deadline = deadline_ns(FREE_S)
        with demand(self._backend, member):
            while True:
                used_s, window_s = self._used(member)
                seen = f"{used_s:.2f} s of CPU in {window_s:.2f} s"
                if used_s > self._cores * window_s * SLACK:
                    return seen
                if not left_s(deadline):
                    raise NotProven(f"{member} still used only {seen} after its limit was ended")

    def _used(self, member: str) -> tuple[float, float]:
        """Return the CPU that the member uses in a window, and the length of that, in seconds."""
        began_ns, (before_s, _) = now_ns(), self._backend.resources.usage(member)
        time.sleep(WINDOW_S)
        after_s, _ = self._backend.resources.usage(member)
        return after_s - before_s, (now_ns() - began_ns) / NS
