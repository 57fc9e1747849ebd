"""The Docker engine: how it is reached, its errors as sentences, and all that a run made, by its label.

Everything that a run makes carries `wordaround=1` and `wordaround.run=<run id>`; containers also carry
`wordaround.member=<name>`. What is removed is found by the run's label alone: names are for people.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from typing import Any
from urllib.parse import urlsplit

import docker
from docker.constants import MINIMUM_DOCKER_API_VERSION
from docker.errors import APIError, DockerException
from urllib3.exceptions import HTTPError as TransportError

from harness.errors import BackendUnavailable, HarnessError

MEMBER_LABEL = "wordaround.member"
RUN_LABEL = "wordaround.run"

ENGINE_ERRORS = (DockerException, TransportError, OSError)  # requests' errors are OSErrors.

_CALL_S = 30  # One call to the engine; none that we make waits for anything longer than a start.
_CONNECTIONS = 64  # At the same time: each follower of a log holds one.
_LOCAL_HOSTS = ("localhost", "localunixsocket", "localnpipe", "127.0.0.1", "::1")


def run_labels(run_id: str) -> dict[str, str]:
    """Return the labels of everything that the run makes."""
    return {"wordaround": "1", RUN_LABEL: run_id}


def connect(*, timeout_s: int = _CALL_S, host: str = "") -> docker.DockerClient:
    """Connect to the engine at `host`, or that the environment or Docker's own configuration names.

    Raises:
        BackendUnavailable: none answers, or it is on another machine.
    """
    environment = {**os.environ, "DOCKER_HOST": host} if host else None
    _probe(timeout_s, environment)
    return docker.from_env(timeout=timeout_s, max_pool_size=_CONNECTIONS, environment=environment)


def _probe(timeout_s: int, environment: dict[str, str] | None) -> None:
    """Raise if no engine answers on this machine, without leaving a connection open."""
    try:
        # With a version it does not connect by itself; the question for the engine's own has none.
        probe = docker.from_env(
            timeout=timeout_s, version=MINIMUM_DOCKER_API_VERSION, environment=environment
        )
        with contextlib.closing(probe):
            _refuse_other_machines(urlsplit(str(probe.api.base_url)).hostname or "")
            _knock(probe.api, timeout_s)
            probe.version(api_version=False)
    except ENGINE_ERRORS as error:
        raise BackendUnavailable(
            f"no Docker engine answers ({_first_cause(error)}); {_mend(error)}"
        ) from error


def _knock(api: docker.APIClient, timeout_s: int) -> None:
    """Connect to the engine's Unix socket, where it has one, and hang up.

    The SDK forgets to close a socket that cannot be connected; Python warns of it somewhere else later.
    """
    path = getattr(api.get_adapter(str(api.base_url)), "socket_path", None)
    if path is not None:
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.settimeout(timeout_s)
            try:
                knocking.connect(path)
            except OSError as error:
                error.filename = path  # So that the message says where.
                raise


def _refuse_other_machines(host: str) -> None:
    if host not in _LOCAL_HOSTS:
        raise BackendUnavailable(
            f"the Docker engine is on another machine ({host}), where ports published on 127.0.0.1 cannot be "
            "reached from here; unset DOCKER_HOST or choose a local context"
        )


def _first_cause(error: BaseException) -> str:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(error) or repr(error)


def _mend(error: BaseException) -> str:
    if "Permission denied" in str(error):
        return "this user may not speak to it: add the user to the group `docker`, or use --backend process"
    return "start it, or use --backend process"


def spoken(error: BaseException) -> str:
    """Return what the engine said, or what went wrong on the way to it."""
    if isinstance(error, APIError) and error.explanation:
        return str(error.explanation).strip()
    return str(error) or repr(error)


@contextlib.contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn the engine's errors into a `HarnessError`: "Docker could not <doing>: …"."""
    try:
        yield
    except ENGINE_ERRORS as error:
        raise HarnessError(f"Docker could not {doing}: {spoken(error)}") from error


def labelled_objects(api: docker.APIClient) -> Iterator[tuple[str, str]]:
    """Yield the run's id and the container's state ("" for others) of all that any run made.

    Raises:
        HarnessError: the engine does not say.
    """
    ours = {"label": RUN_LABEL}
    with engine_errors("list what carries our label"):
        containers = api.containers(all=True, filters=ours)
        others = [*api.networks(filters=ours), *(api.volumes(filters=ours).get("Volumes") or ())]
    for container in containers:
        yield container["Labels"][RUN_LABEL], container["State"]
    for thing in others:
        yield thing["Labels"][RUN_LABEL], ""


class Leavings:
    """What a run made in the engine, found by its label, and the one way to remove it.

    Nothing that fails stops the rest: errors are collected in `errors`, sentences for people.
    """

    def __init__(self, api: docker.APIClient, run_id: str, pool: Executor) -> None:
        self.errors: list[str] = []
        self._api = api
        self._filter = {"label": f"{RUN_LABEL}={run_id}"}
        self._pool = pool

    def containers(self) -> list[dict[str, Any]]:
        """Return the run's containers, in whatever state."""
        return list(
            self._attempt("list containers", self._api.containers, all=True, filters=self._filter) or ()
        )

    def spoken(self) -> str:
        """Return what there is, in words: "4 containers, 1 volume, 1 network"; "" for nothing."""
        counts = (
            ("container", len(self.containers())),
            ("volume", len(self._volumes())),
            ("network", len(self._networks())),
        )
        return ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts if count)

    def stop(self, members: Iterable[str], *, grace_s: int) -> None:
        """Send SIGTERM to the members' containers, all at once, and SIGKILL after the grace."""
        wanted = set(members)
        alive = [c for c in self.containers() if c["State"] in ("running", "paused")]
        self._each(self._stop, [c for c in alive if c["Labels"].get(MEMBER_LABEL) in wanted], grace_s)

    def remove(self) -> None:
        """Remove containers with their anonymous volumes, then volumes and networks; then look again."""
        self._each(self._remove_container, self.containers())
        for volume in self._volumes():
            self._attempt(f"remove volume {volume['Name']}", self._api.remove_volume, volume["Name"])
        for network in self._networks():
            self._attempt(f"remove network {network['Name']}", self._api.remove_network, network["Id"])
        left = [c["Names"][0].lstrip("/") for c in self.containers()]
        left += [thing["Name"] for thing in (*self._volumes(), *self._networks())]
        if left:
            self.errors.append(f"still there: {', '.join(left)}")

    def _volumes(self) -> list[dict[str, Any]]:
        listed = self._attempt("list volumes", self._api.volumes, filters=self._filter) or {}
        return listed.get("Volumes") or []

    def _networks(self) -> list[dict[str, Any]]:
        return list(self._attempt("list networks", self._api.networks, filters=self._filter) or ())

    def _stop(self, container: dict[str, Any], grace_s: int) -> None:
        name = container["Names"][0].lstrip("/")
        if container["State"] == "paused":  # A frozen process takes no signal.
            self._attempt(f"unpause {name}", self._api.unpause, container["Id"])
        self._attempt(f"stop {name}", self._api.stop, container["Id"], timeout=grace_s)

    def _remove_container(self, container: dict[str, Any]) -> None:
        name = container["Names"][0].lstrip("/")
        if container["State"] == "paused":  # Some engines do not kill what is frozen.
            self._attempt(f"unpause {name}", self._api.unpause, container["Id"])
        self._attempt(f"remove {name}", self._api.remove_container, container["Id"], v=True, force=True)

    def _each(self, work: Callable[..., None], containers: list[dict[str, Any]], *more: Any) -> None:
        for done in [self._pool.submit(work, container, *more) for container in containers]:
            done.result()

    def _attempt(self, doing: str, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        try:
            return call(*args, **options)
        except ENGINE_ERRORS as error:
            # Gone already, or on its way (409 "removal in progress"): the look at the end decides.
            if not (
                isinstance(error, APIError) and (error.status_code == 404 or "in progress" in spoken(error))
            ):
                self.errors.append(f"could not {doing}: {spoken(error)}")
            return None
