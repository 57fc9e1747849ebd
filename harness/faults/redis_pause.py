"""redis-pause: for a while Redis answers nobody, or executes no writes (CLIENT PAUSE), as in a failover.

Unlike `pause` the process lives on: it accepts connections and reads, it only does not execute. Redis itself
ends the pause when its time is over, so nothing stays behind whoever dies. A pause of writes can be ended
early; one of all commands holds back CLIENT UNPAUSE as well, so that its heal waits for its end.
"""

from typing import Annotated, ClassVar, Literal

from harness.backends.base import Backend
from harness.clock import NS, deadline_ns, left_s, now_ns
from harness.errors import HarnessError
from harness.faults.base import Evidence, NotProven, Spec, Undo
from harness.faults.redis_console import answers, console
from harness.faults.together import spoken, together
from harness.records.plan import FaultPlan
from harness.scenario.keys import Reversible, told
from harness.scenario.values import choice

SILENCE_S = 0.3  # How long a probe waits for an answer that must not come; a healthy Redis needs 1 ms.
GRACE_S = 5.0  # For an answer after the pause: what was held back is executed first.
# Writes nothing where it runs, but counts as a write, which a pause of writes holds back.
PROBES = {"all": ("PING",), "write": ("DEL", "wordaround:probe")}

Commands = Annotated[Literal["all", "write"], choice("all", "write")]


class RedisPauseKeys(Reversible):
    """Which commands are held back."""

    commands: Annotated[
        Commands, told("What is held back: `all` commands, or only those that may `write`.")
    ] = "all"


class RedisPause:
    """Pauses Redis for the duration. The proof is a command of our own that does not come back meanwhile."""

    spec: ClassVar[Spec] = Spec(
        name="redis-pause",
        summary="Redis holds back all commands, or all writes, for a while (CLIENT PAUSE).",
        keys=RedisPauseKeys,
        mechanisms={"process": "CLIENT PAUSE", "docker": "CLIENT PAUSE"},
        why_not={"attach": "the Redis of an attached cluster is not ours to command"},
        roles=("redis",),
    )

    @classmethod
    def available(cls, backend: str) -> str | None:
        """Every Redis that we accept has the command."""
        return None

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        if plan.duration_s is None:
            raise HarnessError(f"fault {plan.id}: {plan.fault} wants a duration, after which Redis goes on")
        self._targets = plan.targets
        self._duration_s = plan.duration_s
        self._commands = str(plan.settings.get("commands", "all"))
        self._backend = backend
        self._ends_ns: dict[str, int] = {}  # when Redis goes on by itself

    def undo(self) -> Undo:
        """Return nothing to do: Redis ends the pause by itself."""
        return Undo(evidence={"ends": f"by itself {self._duration_s:g} s after the inject"})

    def inject(self) -> Evidence:
        """Pause Redis.

        Raises:
            HarnessError: Redis does not answer, or refuses.
        """
        together(self._pause, self._targets)
        return {"paused": f"{self._commands} commands for {self._duration_s:g} s"}

    def _pause(self, member: str) -> None:
        milliseconds = max(1, round(self._duration_s * 1000))
        with console(self._backend, member) as connected:
            self._ends_ns[member] = deadline_ns(self._duration_s)
            connected.execute_command("CLIENT", "PAUSE", str(milliseconds), self._commands.upper())

    def prove(self) -> Evidence:
        """See that a command does not come back.

        Raises:
            NotProven: it did, or Redis has ended.
        """
        return {"probe": spoken(together(self._holds_back, self._ends_ns))}

    def _holds_back(self, member: str) -> str:
        probe = PROBES[self._commands]
        within_s = min(SILENCE_S, self._duration_s / 2)
        if self._backend.identity(member) is None:
            raise NotProven(f"{member} is down, not paused")
        if answers(self._backend, member, *probe, within_s=within_s):
            raise NotProven(f"{member} answered {probe[0]} although its clients are paused")
        return f"no answer to {probe[0]} within {within_s:g} s"

    def heal(self) -> Evidence | None:
        """End the pause, or wait for its end, and see that Redis answers again.

        Raises:
            NotProven: it does not.
        """
        if not self._ends_ns:
            return None
        return {"answered": spoken(together(self._goes_on, self._ends_ns))}

    def _goes_on(self, member: str) -> str:
        within_s = left_s(self._ends_ns[member]) + GRACE_S
        asked_ns = now_ns()
        for words in (("CLIENT", "UNPAUSE"), PROBES[self._commands]):
            if not answers(self._backend, member, *words, within_s=within_s):
                raise NotProven(f"{member} did not answer {' '.join(words)} within {within_s:.1f} s")
        return f"{(now_ns() - asked_ns) / NS:.3f} s after it was asked to go on"
