"""What a supervisor answers, whichever way the question came."""

import os
import signal
import threading

from harness import clock
from harness.backends.base import Backend
from harness.errors import HarnessError
from harness.records.journal import MemberState
from harness.records.plan import Role
from harness.supervisor.clusters import ClusterFolder
from harness.supervisor.control import Answer
from harness.supervisor.members import Members, plain
from harness.supervisor.records import ClusterStatus, Order

_END_S = 120.0  # An end that takes longer has failed.


class Answers:
    """Answers in the threads of those who ask."""

    def __init__(
        self,
        order: Order,
        backend: Backend,
        reason: str,
        members: Members,
        folder: ClusterFolder,
        control_url: str,
    ) -> None:
        self.folder = folder
        self.reason = reason
        self._order = order
        self._backend = backend
        self._members = members
        self._control_url = control_url
        self._began = clock.utc_now()
        self._closed = threading.Event()
        self._ended: tuple[str, ...] = ()
        self._failure: HarnessError | None = None

    def ask(self, command: str, member: str) -> Answer:
        """Answer; see `control.py` for the commands.

        Raises:
            UsageError: there is no such command or member.
            HarnessError: it could not be done.
        """
        match command:
            case "status":
                return {"status": plain(self.status())}
            case "down":
                return {"ended": list(self._down())}
        return {"member": plain(self._members.act(command, member))}

    def status(self) -> ClusterStatus:
        """Look at the cluster now."""
        members = self._members.statuses()
        return ClusterStatus(
            id=self._order.run_id,
            ready=bool(members) and all(member.state is MemberState.READY for member in members),
            backend=self._backend.name,
            reason=self.reason,
            delivery=self._order.cluster.delivery,
            since=self._began,
            supervisor=os.getpid(),
            control_url=self._control_url,
            access=str(self.folder.access),
            logs=str(self.folder.logs),
            members=members,
        )

    def node_urls(self) -> tuple[str, ...]:
        """Return where clients reach the nodes."""
        return tuple(
            member.url for member in self._backend.members() if member.role is Role.NODE and member.url
        )

    def _down(self) -> tuple[str, ...]:
        os.kill(os.getpid(), signal.SIGTERM)  # As anybody may who wants its end.
        if not self._closed.wait(_END_S):
            raise HarnessError(f"the cluster was not ended within {_END_S:g} s; its log is {self.folder.log}")
        if self._failure is not None:
            raise self._failure
        return self._ended

    def close(self, ended: tuple[str, ...], failure: HarnessError | None) -> None:
        """Everything was ended, or not: answer those who asked for it."""
        self._ended, self._failure = ended, failure
        self._closed.set()
