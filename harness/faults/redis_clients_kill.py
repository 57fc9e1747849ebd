"""redis-clients-kill: Redis hangs up on its clients (CLIENT KILL), as a proxy before it that is restarted."""

import time
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from harness.backends.base import Backend
from harness.clock import deadline_ns, left_s
from harness.errors import HarnessError
from harness.faults.base import Evidence, NotProven, Spec, Undo
from harness.faults.redis_console import Console, console
from harness.faults.together import spoken, together
from harness.records.plan import FaultPlan
from harness.scenario.keys import OneShot, told
from harness.scenario.values import choice

BACK_S = 15.0  # Nodes connect again within a second; who has not by then is not coming.
_POLL_S = 0.02

ClientType = Annotated[Literal["normal", "pubsub"], choice("normal", "pubsub")]


class ClientsKillKeys(OneShot):
    """Whose connections are cut."""

    type: Annotated[
        ClientType,
        told("Whose connections are cut: `normal` (those of commands) or `pubsub` (those of subscribers)."),
    ] = "normal"


class RedisClientsKill:
    """Cuts all connections of one type. The proof is that their ids are gone from Redis's own list."""

    spec: ClassVar[Spec] = Spec(
        name="redis-clients-kill",
        summary="Redis closes all its clients' connections of one type, normal or pub/sub (CLIENT KILL).",
        keys=ClientsKillKeys,
        mechanisms={"process": "CLIENT KILL TYPE", "docker": "CLIENT KILL TYPE"},
        why_not={"attach": "the Redis of an attached cluster is not ours to command"},
        roles=("redis",),
        traits=("comes-back",),
    )

    @classmethod
    def available(cls, backend: str) -> str | None:
        """Every Redis has the command."""
        return None

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        self._targets = plan.targets
        self._type = str(plan.settings.get("type", "normal"))
        self._backend = backend
        self._killed: dict[str, frozenset[int]] = {}  # the ids of the connections that were to be cut

    def undo(self) -> Undo:
        """Return nothing: who was hung up on connects again."""
        return Undo(evidence={"reconnect": "the clients, by themselves"})

    def inject(self) -> Evidence:
        """Cut the connections.

        Raises:
            HarnessError: Redis does not do it, or has no such client: then nothing would be tested.
        """
        counted = together(self._cut, self._targets)
        return {
            "killed": spoken({member: f"{count} {self._type} clients" for member, count in counted.items()})
        }

    def _cut(self, member: str) -> int:
        with console(self._backend, member) as connected:
            there = self._ids(connected)
            if not there:
                raise HarnessError(f"{member} has no {self._type} client whose connection could be cut")
            self._killed[member] = there
            return int(connected.execute_command("CLIENT", "KILL", "TYPE", self._type, "SKIPME", "yes"))

    def prove(self) -> Evidence:
        """See that the ids are gone; Redis gives none twice.

        Raises:
            NotProven: a connection that was to be cut is still there.
        """
        together(self._are_gone, self._killed)
        gone = {member: f"{len(ids)} of {len(ids)} ids" for member, ids in self._killed.items()}
        return {"type": self._type, "gone": spoken(gone)}

    def _are_gone(self, member: str) -> None:
        with console(self._backend, member) as connected:
            if left := self._killed[member] & self._ids(connected):
                raise NotProven(
                    f"{len(left)} of {len(self._killed[member])} clients were not cut off {member}"
                )

    def heal(self) -> Evidence | None:
        """Wait until clients of the type are connected again.

        Raises:
            NotProven: none came back.
        """
        if not self._killed:
            return None
        back = together(self._come_back, self._killed)
        return {"back": spoken({member: f"{count} {self._type} clients" for member, count in back.items()})}

    def _come_back(self, member: str) -> int:
        deadline = deadline_ns(BACK_S)
        with console(self._backend, member) as connected:
            while not (back := self._ids(connected) - self._killed[member]):
                if not left_s(deadline):
                    raise NotProven(f"no {self._type} client came back to {member} within {BACK_S:g} s")
                time.sleep(_POLL_S)
        return len(back)

    def _ids(self, connected: Console) -> frozenset[int]:
        """Return the ids of all clients of the type but ourselves."""
        own = int(connected.client_id())
        listed: list[Mapping[str, str]] = connected.client_list(_type=self._type)
        return frozenset(int(client["id"]) for client in listed) - {own}
