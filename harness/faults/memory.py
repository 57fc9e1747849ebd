"""memory: a member runs out of memory and is killed for it, in the middle of whatever it does.

It may hold little more than it holds already, and is then sent what it must hold, until it is ended. What is
sent is never finished: no request is made, and nothing of it is stored.
"""

import contextlib
import socket
import time
from typing import ClassVar
from urllib.parse import urlsplit

from harness.backends.base import Backend
from harness.clock import deadline_ns, left_s
from harness.errors import HarnessError
from harness.faults.base import Evidence, NotProven, Spec
from harness.faults.downtime import Downtime
from harness.faults.together import spoken, together
from harness.records.plan import FaultPlan, Role
from harness.scenario.keys import TakesDown

HEADROOM = 8 * 2**20  # Bytes above what it holds: small, but not its very next allocation.
KILLED_S = 20.0  # For filling the headroom, and the killer to see it.
_SENDERS = 50  # A server may hang up on one that sends too much; each is filled with less than that.
_BLOCK = 64 * 2**10
_PATIENCE_S = 0.5
_POLL_S = 0.02
# A header of 60 KB that is followed by others, and never by the end of them.
_HEADER = b"X-Ballast: " + b"x" * 60_000 + b"\r\n"
_REQUEST = b"GET / HTTP/1.1\r\nHost: wordaround\r\n" + 90 * _HEADER
# A command whose second word is long, and never comes to its end.
_COMMAND = b"*2\r\n$4\r\nPING\r\n$500000000\r\n" + 1024 * b"x" * 2**10


class Memory(Downtime):
    """Lets the targets run out of memory, and brings them back where the plan says so, without a limit."""

    spec: ClassVar[Spec] = Spec(
        name="memory",
        summary="The member runs out of memory, and is killed for it in the middle of whatever it does.",
        keys=TakesDown,
        mechanisms={
            "process": "killed when it holds more than it may",
            "docker": "the engine's memory limit, the kernel's OOM killer",
        },
        why_not={"attach": "the members of an attached cluster are not ours to limit"},
        traits=("takes-down",),
    )
    noun = "the kill"
    past = "run out of memory"

    @classmethod
    def available(cls, backend: str) -> str | None:
        """Ask the engine whether it has limits; whoever started a process can end it."""
        if backend != "docker":
            return None
        from harness.backends.docker_resources import limit_lacking  # It takes time to import.

        return limit_lacking("MemoryLimit")

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        super().__init__(plan, backend)
        self._held: dict[str, str] = {}
        self._ended_by: dict[str, str | None] = {}

    def take_down(self, member: str) -> None:
        """Limit its memory, and send it what it must hold, until it is gone.

        Raises:
            HarnessError: it could not be limited, or did not run out of memory.
        """
        _, held = self._backend.resources.usage(member)
        before = self._before[member]
        self._backend.resources.limit_memory(member, held + HEADROOM)
        deadline = deadline_ns(KILLED_S)
        with contextlib.ExitStack() as senders:
            for _ in range(_SENDERS):
                if self._backend.identity(member) != before or not left_s(deadline):
                    break
                self._send(member, senders)
            while self._backend.identity(member) == before:
                if not left_s(deadline):
                    raise HarnessError(f"{member} did not run out of memory within {KILLED_S:g} s")
                time.sleep(_POLL_S)
        self._ended_by[member] = self._backend.resources.ended_for_memory(member)
        self._held[member] = f"{held} bytes before, {held + HEADROOM} allowed"

    def _send(self, member: str, senders: contextlib.ExitStack) -> None:
        """Connect, send what never ends, and stay connected; that the member ends meanwhile is wanted."""
        target = next(each for each in self._backend.members() if each.name == member)
        address = urlsplit(target.url or "")
        with contextlib.suppress(OSError):
            sender = senders.enter_context(
                socket.create_connection((address.hostname, address.port), timeout=_PATIENCE_S)
            )
            sender.sendall(_COMMAND if target.role is Role.REDIS else _REQUEST)

    def prove(self) -> Evidence:
        """As of every downtime, and what each target held, and who ended it for that.

        Raises:
            NotProven: a target did not go down, or for another reason.
        """
        evidence = super().prove()
        ended_by = {member: how for member, how in self._ended_by.items() if how is not None}
        if otherwise := ", ".join(sorted(self._ended_by.keys() - ended_by)):
            raise NotProven(f"{otherwise} is down, but nothing says that it was killed for what it held")
        return {**evidence, "held": spoken(self._held), "ended by": spoken(ended_by)}

    def heal(self) -> Evidence | None:
        """End the limits, and go on as of every downtime; one that cannot be ended keeps nobody down.

        Raises:
            HarnessError: a limit could not be ended; the others were, and all targets were started.
        """
        try:
            together(lambda member: self._backend.resources.limit_memory(member, None), self._before)
        finally:
            evidence = super().heal()
        return evidence
