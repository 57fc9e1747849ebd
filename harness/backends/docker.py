"""The docker backend: Redis and the nodes as containers, on a network of the run's own.

A member is one container for the whole run: a restart starts the same container again, so that its
address, its published port and its data stay. Inside the network Redis is .10 and node-i is .10 + i;
clients reach nodes at ports that are published on 127.0.0.1 and chosen by us, since the engine would
choose others after a restart.

Nothing may be created after `close` has looked for what to remove. So whatever creates or starts
something passes a gate that `close` shuts first, and runs in a thread of our pool, where Ctrl-C cannot
tear it apart half-way.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import docker
import redis
from docker.errors import NotFound

from harness.backends.base import Identity, Member
from harness.backends.docker_container import ContainerCable, Slot, create_container, lay_out, object_name
from harness.backends.docker_engine import RUN_LABEL, Leavings, connect, engine_errors, run_labels
from harness.backends.docker_links import DockerLinks
from harness.backends.docker_log import ContainerLog
from harness.backends.docker_needs import Needs
from harness.backends.docker_network import create_network
from harness.backends.docker_resources import DockerResources
from harness.backends.gate import Gate
from harness.backends.images import Images, ensure_images, lacking
from harness.backends.prepared import Prepared
from harness.backends.readiness import LOOPBACK, NotReady, tail_lines, wait_http_ready, wait_redis_ready
from harness.clock import deadline_ns, left_s
from harness.errors import HarnessError, MemberError
from harness.records.plan import ClusterPlan, Role

_THREADS = 64  # Made as needed; waits for members must not keep `close` from its work.
_GONE_S = 10  # The engine's own word that a killed container ended comes within milliseconds.
_POLL_S = 0.05  # How often the engine is asked whether a container that was asked to end has ended.
_FREEZE_S = 5.0
# The freezer of version 1 of control groups gives up where processes start or get little CPU meanwhile. Its
# authors leave it to whoever asks to ask again (opencontainers/runc#4388).
_TRY_AGAIN = "unable to freeze"
_QUIET_S = 45.0  # Longer than one call to the engine may take.


def available() -> str | None:
    """Return `None` where an engine answers and the images are there or can be had, else why not."""
    try:
        return lacking()
    except HarnessError as error:
        return str(error)


class DockerBackend(Prepared):
    """A cluster of containers (see `harness.backends.base.Backend`)."""

    name = "docker"

    def __init__(
        self,
        *,
        say: Callable[[str], None] = lambda line: None,
        node_source: Path | None = None,
        ready_timeout_s: float = 30.0,
        grace_s: int = 3,
        node_settings: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a backend; nothing is created yet, and no engine is asked.

        `say` is told when an image is pulled or built, which takes long.
        `node_source` is the build context of the nodes' image (default: the installed `cluster`),
        `ready_timeout_s` what each member has to become ready at the start, `grace_s` what the nodes
        have to end on SIGTERM before they get SIGKILL, `node_settings` further variables of every node's
        environment.
        """
        self._tell = say
        self._node_source = node_source
        self._ready_timeout_s = ready_timeout_s
        self._grace_s = grace_s
        self._node_settings = dict(node_settings or {})
        self._run_id = ""
        self._slots: dict[str, Slot] = {}
        self._versions: dict[str, str] = {}
        self._client: docker.DockerClient | None = None
        self._cluster_links: DockerLinks | None = None
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="docker")
        self._gate = Gate()
        self._close_lock = threading.Lock()
        self._closed = False

    # --- starting ----------------------------------------------------------------------------------------

    def start(self, cluster: ClusterPlan, *, run_id: str, logs: Path) -> tuple[Member, ...]:
        """Start Redis, then all nodes at once, and wait until everybody is ready.

        Raises:
            BackendUnavailable: no engine answers, or an image can be neither pulled nor built.
            MemberError: a member died, did not become ready, or its port was taken.
        """
        if self._run_id:
            raise HarnessError("this cluster was started already; another one needs a backend of its own")
        self._run_id = run_id
        self._client = connect()
        images = ensure_images(self._client, say=self._say, source=self._node_source)
        self._create(cluster, images, logs)
        redis, *nodes = self._slots.values()
        for together in ([redis], nodes):
            self._all(self._launch, together)
            self._all(self._wait_ready, together, self._ready_timeout_s)
        self._versions = self._ask_versions(images)
        return self.members()

    def _say(self, line: str) -> None:
        self._gate.check()
        self._tell(line)

    def _create(self, cluster: ClusterPlan, images: Images, logs: Path) -> None:
        needs = Needs(
            self._engine,
            cluster,
            images,
            run_id=self._run_id,
            gate=self._gate,
            say=self._say,
            alive=lambda member: self.identity(member) is not None,
        )
        volume = self._pool.submit(self._create_volume, cluster.redis, needs.volume_options)
        subnet = self._pool.submit(self._create_network).result()
        volume.result()
        slots = lay_out(cluster, images, subnet=subnet, run_id=self._run_id, logs=logs)
        self._slots = {slot.name: slot for slot in slots}
        for node in cluster.nodes:
            self._slots[node].environment.update(self._node_settings)
        self._pool.submit(self._outfit, needs).result()

    def _outfit(self, needs: Needs) -> None:
        """Create the members' containers, and what the plan needs beside them."""
        self._clock = needs.clock(self._slots)
        disk = self._pool.submit(needs.disk, self._slots)
        self._all(self._create_container, self._slots.values())
        self._links = self._cluster_links = needs.links(self._slots)
        self._disk = disk.result()
        self._resources = DockerResources(self._api, lambda member: self._slot(member).container)

    def _create_network(self) -> IPv4Network:
        with self._gate.step():
            return create_network(self._api, name=self._network, run_id=self._run_id)

    def _create_volume(self, of: str, options: dict[str, str] | None) -> None:
        name = object_name(self._run_id, of)
        with self._gate.step(), engine_errors(f"create the volume {name}"):
            self._api.create_volume(
                name, driver="local", driver_opts=options, labels=run_labels(self._run_id)
            )

    def _create_container(self, slot: Slot) -> None:
        with self._gate.step():
            create_container(self._api, slot, run_id=self._run_id, network=self._network)

    @property
    def _network(self) -> str:
        return object_name(self._run_id, "network")

    def _launch(self, slot: Slot) -> None:
        try:
            with self._gate.step(), engine_errors(f"start {slot.name}"):
                self._start(slot)
        except HarnessError as error:
            if "address already in use" in str(error) or "already allocated" in str(error):
                raise MemberError(
                    f"{slot.name} could not start: another program took port {slot.port} of {LOOPBACK} "
                    "meanwhile; end that program, or run again with other ports",
                    member=slot.name,
                ) from error
            raise MemberError(str(error), member=slot.name, log_tail=self.log_tail(slot.name)) from error
        if slot.log is not None:
            slot.log.follow()

    def _start(self, slot: Slot) -> None:
        cable = ContainerCable(self._api, slot, self._network)
        if self._cluster_links is None:
            cable.start()
        else:
            self._cluster_links.start(slot.name, cable)

    def _all(self, work: Callable[..., None], slots: Iterable[Slot], *more: Any) -> None:
        """Do it for all at once; the first failure is raised as soon as it happens."""
        futures: list[Future[None]] = [self._pool.submit(work, slot, *more) for slot in slots]
        for done in wait(futures, return_when=FIRST_EXCEPTION).done:
            done.result()

    # --- while it runs -----------------------------------------------------------------------------------

    @property
    def run_id(self) -> str:
        """The run that it was started for; empty before."""
        return self._run_id

    def members(self) -> tuple[Member, ...]:
        """Return the members, Redis first; nothing before `start`."""
        return tuple(slot.member for slot in self._slots.values())

    def identity(self, member: str) -> Identity | None:
        """Return the identity of the living member's container; `None` when it is not running."""
        state = self._state(member)
        if not state.get("Running"):
            return None
        return Identity(
            kind="container",
            host_pid=state["Pid"],
            started=state["StartedAt"],
            container=self._slot(member).container[:12],
        )

    def _state(self, member: str) -> dict[str, Any]:
        """Return the engine's word on the member's container; nothing when there is none any more."""
        slot = self._slot(member)
        if self._closed or not slot.container:
            return {}
        try:
            with engine_errors(f"inspect {member}"):
                return dict(self._api.inspect_container(slot.container)["State"])
        except HarnessError as error:
            if isinstance(error.__cause__, NotFound):  # Removed by hand, or by `close`.
                return {}
            raise

    def kill(self, member: str) -> None:
        """SIGKILL the member's container; returns when the engine says that it has ended.

        Raises:
            HarnessError: there is no such member, it is down already, or it does not end.
        """
        container = self._living(member, "killed")
        with engine_errors(f"kill {member}"):
            self._api.kill(container, signal="SIGKILL")
            self._api.wait(container, timeout=_GONE_S)

    def terminate(self, member: str, *, timeout_s: float) -> None:
        """SIGTERM to the member's first process; returns when the engine says that the container has ended.

        Raises:
            HarnessError: there is no such member, it is down already, or still alive after `timeout_s`.
        """
        container = self._living(member, "asked to end")
        with engine_errors(f"ask {member} to end"):
            self._api.kill(container, signal="SIGTERM")
        self.resume(member)  # A frozen process takes no signal.
        deadline = deadline_ns(timeout_s)
        while self.identity(member) is not None:
            if not left_s(deadline):
                raise HarnessError(f"{member} is still alive {timeout_s:g} s after SIGTERM")
            time.sleep(_POLL_S)

    def pause(self, member: str) -> None:
        """Freeze all processes of the member's container.

        Raises:
            HarnessError: there is no such member, it is down, or the engine cannot freeze it.
        """
        container = self._living(member, "paused")
        deadline = deadline_ns(_FREEZE_S)
        while not self.paused(member):
            try:
                with engine_errors(f"pause {member}"):
                    self._api.pause(container)
            except HarnessError as error:
                if _TRY_AGAIN not in str(error) or not left_s(deadline):
                    raise
                time.sleep(_POLL_S)
            else:
                return

    def resume(self, member: str) -> None:
        """Thaw the member's container; no harm where it runs or is down.

        Raises:
            HarnessError: there is no such member, or the engine cannot thaw it.
        """
        if not self.paused(member):
            return
        try:
            with engine_errors(f"unpause {member}"):
                self._api.unpause(self._slot(member).container)
        except HarnessError:
            if self.paused(member):
                raise
            # The engine was faster: it thaws by itself whom it is told to send a signal to.

    def paused(self, member: str) -> bool:
        """Return whether the member lives and the engine says that its container is frozen."""
        state = self._state(member)
        return bool(state.get("Running") and state.get("Paused"))

    def _living(self, member: str, done: str) -> str:
        """Return the living member's container."""
        if self.identity(member) is None:
            raise HarnessError(f"{member} cannot be {done}: it is down already")
        return self._slot(member).container

    def restart(self, member: str) -> None:
        """Start the same container again: same address, same port, for Redis the same data.

        Raises:
            HarnessError: there is no such member, it is alive, or its port was taken meanwhile.
        """
        slot = self._slot(member)
        if self.identity(member) is not None:
            raise HarnessError(f"{member} cannot be started: it is alive")
        self._gate.check()
        self._pool.submit(self._launch, slot).result()

    def wait_ready(self, member: str, *, timeout_s: float) -> None:
        """Wait until the node's `/ready` is 200, or Redis answers PING.

        Raises:
            MemberError: it ended or was not ready in time; has its last log lines.
        """
        self._wait_ready(self._slot(member), timeout_s)

    def _wait_ready(self, slot: Slot, timeout_s: float) -> None:
        def alive() -> bool:
            return self.identity(slot.name) is not None

        try:
            if slot.member.role is Role.REDIS:
                wait_redis_ready(LOOPBACK, slot.port, timeout_s=timeout_s, alive=alive)
            else:
                wait_http_ready(f"{slot.member.url}/ready", timeout_s=timeout_s, alive=alive)
        except NotReady as error:
            raise MemberError(
                f"{slot.name} (container {slot.container[:12]} of {slot.image}) is not ready: {error.reason}",
                member=slot.name,
                log_tail=self.log_tail(slot.name),
            ) from error

    def log_tail(self, member: str, lines: int = 15) -> tuple[str, ...]:
        """Return the member's last log lines: the engine's, or the file's when the container is gone."""
        slot = self._slot(member)
        if self._closed or not slot.container:
            return tail_lines(slot.log_path, lines)
        try:
            with engine_errors(f"hand out the log of {member}"):
                tail: bytes = self._api.logs(slot.container, stdout=True, stderr=True, tail=lines)
        except HarnessError as error:
            if isinstance(error.__cause__, NotFound):  # `close` was faster.
                return tail_lines(slot.log_path, lines)
            raise
        return tuple(tail.decode("utf-8", "replace").splitlines())

    def versions(self) -> dict[str, str]:
        """Return the versions of engine, Redis and images, as they were when the cluster became ready."""
        return dict(self._versions)

    # --- the end -----------------------------------------------------------------------------------------

    def close(self, *, at_once: bool = False) -> None:
        """Stop and remove all that carries the run's label; complete the logs. Idempotent.

        Raises:
            HarnessError: something could not be removed, or a log is incomplete; says all that failed.
        """
        with self._close_lock:
            if self._closed:
                return
            quiet = self._gate.shut(_QUIET_S)
            if self._client is not None:
                self._remove_everything(quiet, grace_s=0 if at_once else self._grace_s)
            self._pool.shutdown(wait=True)
            if self._client is not None:
                self._client.close()
            self._closed = True

    def _remove_everything(self, quiet: bool, *, grace_s: int) -> None:
        leavings = Leavings(self._api, self._run_id, self._pool)
        if not quiet:
            leavings.errors.append(f"a step of the start is still under way after {_QUIET_S:g} s")
        if grace_s:
            nodes = [slot.name for slot in self._slots.values() if slot.member.role is Role.NODE]
            leavings.stop(nodes, grace_s=grace_s)
        leavings.stop([slot.name for slot in self._slots.values()], grace_s=0)
        leavings.errors += self._complete_logs()
        leavings.remove()
        if leavings.errors:
            raise HarnessError(
                f"not everything of the run {self._run_id} could be removed from Docker: "
                f"{'; '.join(leavings.errors)}. To remove its containers by hand: docker rm --force "
                f"--volumes $(docker ps --all --quiet --filter label={RUN_LABEL}={self._run_id})"
            )

    def _complete_logs(self) -> list[str]:
        """Complete all logs, all at once; return what could not be done."""
        logs = [slot.log for slot in self._slots.values() if slot.log is not None]
        return [error for error in self._pool.map(_completed, logs) if error]

    @property
    def _api(self) -> docker.APIClient:
        return self._engine.api

    @property
    def _engine(self) -> docker.DockerClient:
        if self._client is None:
            raise HarnessError("this cluster was not started")
        return self._client

    def _slot(self, member: str) -> Slot:
        slot = self._slots.get(member)
        if slot is None:
            raise HarnessError(
                f"there is no member {member!r}; there are {', '.join(self._slots) or 'none yet'}"
            )
        return slot

    def _ask_versions(self, images: Images) -> dict[str, str]:
        redis_url = next(slot.member.url for slot in self._slots.values() if slot.member.role is Role.REDIS)
        with engine_errors("tell its version"):
            engine = str(self._api.version()["Version"])
        return {
            "docker engine": engine,
            "redis": _redis_version(redis_url or ""),
            "redis image": images.redis,
            "node image": images.node,
            "python image": images.python,
        }


def _completed(log: ContainerLog) -> str:
    try:
        log.complete()
    except HarnessError as error:
        return str(error)
    return ""


def _redis_version(url: str) -> str:
    with redis.Redis.from_url(url, socket_timeout=5.0) as client:
        return str(client.info("server")["redis_version"])
