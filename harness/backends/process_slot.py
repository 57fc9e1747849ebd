"""A member of a cluster of processes, over all its incarnations."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.backends.base import Member
from harness.backends.process_group import ProcessGroup
from harness.backends.readiness import LOOPBACK, wait_http_ready, wait_redis_ready
from harness.errors import HarnessError, MemberError
from harness.records.plan import Role


@dataclass(kw_only=True, slots=True, eq=False)
class Slot:
    """What stays over restarts; `group` is the newest incarnation, alive or not.

    `lock` is held by whoever starts or ends it.
    """

    member: Member
    port: int
    command: tuple[str, ...]
    environment: dict[str, str]
    folder: Path  # its own, for what it writes
    working_folder: Path
    log: Path
    group: ProcessGroup | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """The member's name."""
        return self.member.name

    @property
    def lives(self) -> bool:
        """Whether its process does."""
        group = self.group
        return group is not None and group.lives

    def living(self, done: str) -> ProcessGroup:
        """Return the living incarnation, which is to be `done` something to.

        Raises:
            HarnessError: there is none.
        """
        if self.group is None or not self.lives:
            raise HarnessError(f"{self.name} cannot be {done}: it is down already")
        return self.group

    def spawn(self) -> ProcessGroup:
        """Start the next incarnation, on the same port.

        Raises:
            HarnessError: the last one lives.
            MemberError: the port was taken meanwhile, or the command cannot be run.
        """
        if self.group is not None:
            if self.lives:
                raise HarnessError(f"{self.name} was not started: it is alive ({self.group.identity})")
            self.group.end()  # It may have ended by itself, and left something of its group.
        self._require_port()
        try:
            self.group = ProcessGroup(
                self.command, folder=self.working_folder, environment=self.environment, log=self.log
            )
        except OSError as error:
            raise MemberError(f"{self.name} could not be started: {error}", member=self.name) from error
        return self.group

    def wait_ready(self, *, timeout_s: float, alive: Callable[[], bool]) -> None:
        """Wait until the node's `ready_url` answers 200, or Redis answers PING.

        Raises:
            NotReady: `alive` said no, or `timeout_s` passed.
        """
        if self.member.role is Role.NODE:
            wait_http_ready(self.member.ready_url, timeout_s=timeout_s, alive=alive)
        else:
            wait_redis_ready(LOOPBACK, self.port, timeout_s=timeout_s, alive=alive)

    def ended(self) -> str:
        """End what is left of it; return why that could not be done, "" where it could."""
        with self.lock:
            try:
                if self.group is not None:
                    self.group.end()
            except HarnessError as error:
                return f"{self.name}: {error}"
        return ""

    def _require_port(self) -> None:
        """Make sure that a server can listen on the port; connections that are closing do not matter."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, self.port))
                probe.listen(1)
            except OSError as error:
                raise MemberError(
                    f"{self.name} was not started: its port {self.port} of {LOOPBACK} is taken by another "
                    f"program ({error.strerror}); run again, a new run chooses other ports",
                    member=self.name,
                ) from error
