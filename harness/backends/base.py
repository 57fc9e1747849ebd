"""The one small interface that runner and faults use to handle members."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.backends.abilities import Clock, Disk, Links, Resources
from harness.records.plan import ClusterPlan, Role


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A member of a started cluster.

    `url` is where clients of this machine reach a node (`http://127.0.0.1:PORT`), and stays the same
    over restarts; for Redis it is `redis://127.0.0.1:PORT/0`, or `None` where the host cannot reach it.
    `direct` is where the harness itself reaches it, past what faults do to links; `None`: as clients do.
    `ready` is what a node answers with 200 when clients can be served; `None`: its `/ready`.
    `called` is the name that a node has for itself and among its peers; `None`: `name` is.
    """

    name: str
    role: Role
    url: str | None
    direct: str | None = None
    ready: str | None = None
    called: str | None = None

    @property
    def ready_url(self) -> str:
        """Where a node is asked whether it is ready."""
        return self.ready or f"{self.own_url}/ready"

    @property
    def own_url(self) -> str | None:
        """Where the harness reaches it: who watches and who reads at the end must not suffer from a fault."""
        return self.direct or self.url


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Which incarnation of a member is alive: two that are equal are the same start of it.

    `host_pid` is the process's id as this machine sees it; `started` is the kernel's or the engine's own
    word for when it began (never our clock), so that a reused pid is not mistaken for the old process.
    """

    kind: str  # "process" | "container" | "attached"
    host_pid: int  # 0 where it is attached: its process is out of sight
    started: str  # of an attached node: the incarnation that it says it is, if any
    container: str = ""  # the container's short id

    def __str__(self) -> str:
        if self.kind == "attached":
            return f"attached, incarnation {self.started}" if self.started else "attached"
        of = f"container {self.container} " if self.container else ""
        return f"{of}pid {self.host_pid} started {self.started}"


class Backend(Protocol):
    """Starts, watches, kills and removes the members of one cluster.

    All methods block, carry their own deadlines and raise a `HarnessError` that says what, where and
    how to mend it. All but `start` may be called from several threads. `close` is idempotent, works
    at any moment (also while `start` runs or after it failed), and leaves nothing behind.
    """

    @property
    def name(self) -> str:
        """`process`, `docker` or `attach`."""

    @property
    def run_id(self) -> str:
        """The run that it was started for; empty before."""

    def start(self, cluster: ClusterPlan, *, run_id: str, logs: Path) -> tuple[Member, ...]:
        """Start Redis, then the nodes, until all are ready; logs go to `logs/<member>.log`.

        Raises:
            MemberError: a member died or did not become ready; has its last log lines.
        """

    def members(self) -> tuple[Member, ...]:
        """Return the members, Redis first."""

    def identity(self, member: str) -> Identity | None:
        """Return the identity of the living member, `None` when it is down. Cheap: asked 4 times a second."""

    def kill(self, member: str) -> None:
        """SIGKILL the member (process: its whole group) and wait until it is gone."""

    def terminate(self, member: str, *, timeout_s: float) -> None:
        """Ask the member to end (SIGTERM) and wait until it is gone.

        Raises:
            HarnessError: it is down already, or still alive after `timeout_s`.
        """

    def pause(self, member: str) -> None:
        """Stop the member where it stands (processes: SIGSTOP to the group; containers: the freezer)."""

    def resume(self, member: str) -> None:
        """Let a paused member go on. Idempotent."""

    def paused(self, member: str) -> bool:
        """Return whether the kernel or the engine says that the living member stands still."""

    def restart(self, member: str) -> None:
        """Start a member that is down again, same name and addresses; returns once it was launched."""

    def wait_ready(self, member: str, *, timeout_s: float) -> None:
        """Wait until the member is ready (node: its `ready_url` answers 200; Redis: answers PING)."""

    def log_tail(self, member: str, lines: int = 15) -> tuple[str, ...]:
        """Return the member's last log lines."""

    def versions(self) -> dict[str, str]:
        """Return the versions of what members run on (`redis`, `docker engine`, images), for `meta.json`."""

    def close(self, *, at_once: bool = False) -> None:
        """Stop and remove everything; make sure that the logs are complete in the run folder.

        Nodes are asked to go and get a few seconds for it, unless `at_once`: where nobody is connected any
        more and nothing is to be read from them, a farewell would only take time.
        """

    @property
    def links(self) -> Links:
        """Cuts and slows links. Raises a `HarnessError` where that cannot be had."""

    @property
    def clock(self) -> Clock:
        """Shifts clocks; as `links`."""

    @property
    def disk(self) -> Disk:
        """Redis's disk; as `links`."""

    @property
    def resources(self) -> Resources:
        """Limits on CPU and memory; as `links`."""
