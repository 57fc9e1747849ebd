"""The process backend: Redis and the nodes as processes of this machine, on fixed ports of 127.0.0.1.

Every member is a process group of its own (see `process_group.py`). A member's slot holds what stays
over restarts; its lock is held by whoever starts or ends it, and nobody starts one after `close` began.
"""

import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from harness.backends.base import Identity, Member
from harness.backends.prepared import Prepared
from harness.backends.process_group import ProcessGroup, spoken_end
from harness.backends.process_layout import Layout, inherited
from harness.backends.process_links import LinkPorts, ProcessLinks
from harness.backends.process_needs import Needs
from harness.backends.process_resources import ProcessResources
from harness.backends.process_slot import Slot
from harness.backends.readiness import NotReady, tail_lines
from harness.backends.redis_binary import RedisBinary, find_redis_binary
from harness.clock import deadline_ns, left_s
from harness.errors import BackendUnavailable, HarnessError, MemberError
from harness.interrupts import undisturbed
from harness.labels import temporary_folder
from harness.records.plan import ClusterPlan, Role

_POLL_S = 0.02  # How often members that were asked to end are looked at.


def available() -> str | None:
    """Return `None` where there is a Redis to run, else why not."""
    try:
        find_redis_binary()
    except BackendUnavailable as error:
        return str(error)
    return None


class ProcessBackend(Prepared):
    """A cluster of local processes (see `harness.backends.base.Backend`)."""

    name = "process"

    def __init__(
        self,
        *,
        node_command: tuple[str, ...] = (sys.executable, "-m", "cluster"),
        find_redis: Callable[[], RedisBinary] = find_redis_binary,
        ready_timeout_s: float = 30.0,
        grace_s: float = 3.0,
        node_settings: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a backend; nothing is started or created yet.

        `ready_timeout_s` is what each member has to become ready at the start, `grace_s` what the
        nodes, and then Redis, have to end on SIGTERM before they get SIGKILL, `node_settings` further
        variables of every node's environment.
        """
        self._node_command = node_command
        self._find_redis = find_redis
        self._ready_timeout_s = ready_timeout_s
        self._grace_s = grace_s
        self._run_id = ""
        self._node_settings = dict(node_settings or {})
        self._slots: dict[str, Slot] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._redis_binary: RedisBinary | None = None
        self._needs: Needs | None = None
        self._limits: ProcessResources | None = None
        self._proxies: ProcessLinks | None = None  # only where the plan needs links that can be cut
        self._preparing = threading.Lock()
        self._closing = threading.Event()

    def start(self, cluster: ClusterPlan, *, run_id: str, logs: Path) -> tuple[Member, ...]:
        """Start Redis, then all nodes at once, and wait until everybody is ready.

        Raises:
            BackendUnavailable: there is no Redis to run.
            MemberError: a member died or did not become ready; has its last log lines.
        """
        undisturbed(self._prepare, cluster, run_id, logs)
        redis, *nodes = self._slots.values()
        if self._proxies is not None:
            self._proxies.listen({slot.name: slot.port for slot in self._slots.values()})
        for together in ([redis], nodes):
            undisturbed(self._launch, together)
            self._wait_all(together)
        if self._proxies is not None:
            self._proxies.wait_serving(timeout_s=self._ready_timeout_s)
        return self.members()

    @property
    def run_id(self) -> str:
        """The run that it was started for; empty before."""
        return self._run_id

    def members(self) -> tuple[Member, ...]:
        """Return the members, Redis first; nothing before `start`."""
        return tuple(slot.member for slot in self._slots.values())

    def identity(self, member: str) -> Identity | None:
        """Return the identity of the living member; `None` when it is down (a zombie is down).

        Raises:
            HarnessError: there is no such member, or what carries its links has ended.
        """
        if self._proxies is not None:
            self._proxies.check()
        group = self._slot(member).group
        return group.identity if group is not None and group.lives else None

    def kill(self, member: str) -> None:
        """SIGKILL the member's group; returns when the kernel has ended every process in it.

        Raises:
            HarnessError: there is no such member, it is down already, or the kernel does not end it.
        """
        slot = self._slot(member)
        with slot.lock:
            slot.living("killed").end()

    def terminate(self, member: str, *, timeout_s: float) -> None:
        """SIGTERM to the member's group; returns when the member has ended and nothing of its group is left.

        Raises:
            HarnessError: there is no such member, it is down already, or still alive after `timeout_s`.
        """
        slot = self._slot(member)
        with slot.lock:
            group = slot.living("asked to end")
            group.terminate()
            deadline = deadline_ns(timeout_s)
            while group.lives:
                if not left_s(deadline):
                    raise HarnessError(f"{member} is still alive {timeout_s:g} s after SIGTERM")
                if self._closing.is_set():
                    raise HarnessError(f"{member} was not waited for any longer: the cluster is being closed")
                time.sleep(_POLL_S)
            group.end()

    def pause(self, member: str) -> None:
        """SIGSTOP to the member's group; returns when every process in it stands still.

        Raises:
            HarnessError: there is no such member, it is down, or a process of it does not stop.
        """
        slot = self._slot(member)
        with slot.lock:
            group = slot.living("paused")
            if self._limits is not None:
                self._limits.let_be(member)  # Else it would let the member go on.
            group.pause()

    def resume(self, member: str) -> None:
        """SIGCONT to the member's group; no harm where it runs or is down."""
        slot = self._slot(member)
        with slot.lock:
            if slot.group is not None:
                slot.group.resume()
            if self._limits is not None:
                self._limits.see_to(member)

    def paused(self, member: str) -> bool:
        """Return whether the member lives and the kernel says that all its processes are stopped."""
        group = self._slot(member).group
        if self._limits is not None and self._limits.throttles(member):
            return False  # It stands still for moments.
        return group is not None and group.lives and group.stands

    def restart(self, member: str) -> None:
        """Start a member that is down again, on its old port and, for Redis, on its old data.

        Raises:
            HarnessError: there is no such member, it is alive, or its port was taken meanwhile.
        """
        undisturbed(self._launch, [self._slot(member)])

    def wait_ready(self, member: str, *, timeout_s: float) -> None:
        """Wait until the node's `ready_url` answers 200, or Redis answers PING.

        Raises:
            MemberError: it ended or was not ready in time; has its last log lines.
        """
        slot = self._slot(member)
        try:
            slot.wait_ready(timeout_s=timeout_s, alive=lambda: slot.lives)
        except NotReady as error:
            raise self._not_ready(slot, error.reason) from error

    def log_tail(self, member: str, lines: int = 15) -> tuple[str, ...]:
        """Return the member's last log lines; the log goes on over restarts."""
        return tail_lines(self._slot(member).log, lines)

    def versions(self) -> dict[str, str]:
        """Return the versions of Redis and of the Python that our own nodes run on."""
        return {"redis": str(self._redis()), "python": platform.python_version()}

    def close(self, *, at_once: bool = False) -> None:
        """End the nodes, then Redis: SIGTERM, a grace period, SIGKILL; or SIGKILL alone. Remove Redis's data.

        A call that was cut short can be repeated: it goes on with whoever is left.

        Raises:
            HarnessError: the kernel does not end a process; everything else was done.
        """
        self._closing.set()
        with self._preparing:
            slots = tuple(self._slots.values())
        if self._limits is not None:
            self._limits.close()
        nodes = [slot for slot in slots if slot.member.role is Role.NODE]
        if not at_once:
            self._ask_to_go(nodes)
            self._ask_to_go([slot for slot in slots if slot not in nodes])
        errors = [error for slot in slots if (error := slot.ended())]
        if self._proxies is not None:
            self._proxies.close()
        if self._needs is not None:
            self._needs.close()
        if self._folder is not None:
            self._folder.cleanup()
        if errors:
            raise HarnessError("; ".join(errors))

    def _prepare(self, cluster: ClusterPlan, run_id: str, logs: Path) -> None:
        with self._preparing:
            if self._slots or self._closing.is_set():
                raise HarnessError("this backend was used already; another cluster needs one of its own")
            self._run_id = run_id
            self._folder = temporary_folder(run_id)
            folder = Path(self._folder.name)
            ports = LinkPorts.chosen(cluster) if "links" in cluster.needs else LinkPorts()
            slots = Layout(
                cluster=cluster,
                ports=ports,
                environment=inherited(run_id),
                redis=self._redis(),
                node_command=self._node_command,
                node_settings=self._node_settings,
                folder=folder,
                logs=logs,
            ).slots()
            logs.mkdir(parents=True, exist_ok=True)
            for slot in slots:
                slot.folder.mkdir()
            if ports:
                self._links = self._proxies = ProcessLinks(
                    cluster, ports, folder=folder, log=logs / "links.log", run_id=run_id
                )
            self._slots = {slot.name: slot for slot in slots}
            self._prepare_needs(cluster, Path(self._folder.name))

    def _prepare_needs(self, cluster: ClusterPlan, folder: Path) -> None:
        data = self._slots[cluster.redis].folder
        environment = inherited(self._run_id)
        self._needs = Needs(
            cluster, folder=folder, data=data, environment=environment, group_of=self._group_of
        )
        for slot in self._slots.values():
            slot.command = self._needs.command(slot.name, slot.command)
        self._disk, self._clock = self._needs.disk, self._needs.clock
        self._resources = self._limits = ProcessResources(
            self._group_of, environment=environment, folder=folder
        )

    def _group_of(self, member: str) -> ProcessGroup | None:
        return self._slot(member).group

    def _redis(self) -> RedisBinary:
        if self._redis_binary is None:
            self._redis_binary = self._find_redis()
        return self._redis_binary

    def _slot(self, member: str) -> Slot:
        if member not in self._slots:
            known = ", ".join(self._slots) or "none was started"
            raise HarnessError(f"the cluster has no member {member!r} (its members: {known})")
        return self._slots[member]

    def _launch(self, slots: Iterable[Slot]) -> None:
        for slot in slots:
            self._launch_one(slot)

    def _launch_one(self, slot: Slot) -> None:
        with slot.lock:
            if self._closing.is_set():
                raise HarnessError(f"{slot.name} was not started: the cluster is being closed")
            group = slot.spawn()
            if self._proxies is not None:
                self._proxies.started(slot.name, group.pid)
            if self._limits is not None:
                self._limits.see_to(slot.name)

    def _wait_all(self, slots: list[Slot]) -> None:
        """Wait for members that start together; one that dies ends the wait for all."""
        for slot in slots:
            try:
                slot.wait_ready(
                    timeout_s=self._ready_timeout_s, alive=lambda: all(each.lives for each in slots)
                )
            except NotReady as error:
                guilty = next((each for each in slots if not each.lives), slot)
                raise self._not_ready(guilty, error.reason) from error

    def _not_ready(self, slot: Slot, reason: str) -> HarnessError:
        if self._closing.is_set():
            return HarnessError(f"{slot.name} was not waited for any longer: the cluster is being closed")
        with slot.lock:
            if slot.group is not None and not slot.lives:
                reason = f"it {spoken_end(slot.group.end())} before it was ready"
        return MemberError(
            f"{slot.name} (port {slot.port}) did not become ready: {reason}. Its log says why: {slot.log}",
            member=slot.name,
            log_tail=tail_lines(slot.log, 15),
        )

    def _ask_to_go(self, slots: list[Slot]) -> None:
        """Ask all, and give them time."""
        for slot in slots:
            with slot.lock:
                if slot.group is not None:
                    slot.group.terminate()
        deadline = deadline_ns(self._grace_s)
        while left_s(deadline) and any(slot.lives for slot in slots):
            time.sleep(_POLL_S)
