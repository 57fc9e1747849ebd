"""A container beside a member's, with the same network namespace or volume, that may change what is there.

The member itself stays as it is: without the capability, the packages, or a process of ours. A namespace
ends with its container, and a restarted member has a new one, which the helper joins by being started anew.
Kept for the whole run: a command in a container that runs takes 0.06 s, a container for each 0.2 s and more.
"""

import threading
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import docker
from docker.errors import APIError, NotFound

from harness.backends.docker_container import object_name
from harness.backends.docker_engine import engine_errors, run_labels
from harness.backends.gate import Gate
from harness.errors import HarnessError

HELPER_LABEL = "wordaround.helper"

_IDLE = ["sh", "-c", "while :; do sleep 3600; done"]


class Helper:
    """A helper of one member, or of one kind. Thread-safe."""

    def __init__(self, api: docker.APIClient, of: str, gate: Gate) -> None:
        """`of` names the member, or what it helps with."""
        self._api = api
        self._of = of
        self._gate = gate
        self._container = ""
        self._lock = threading.Lock()

    def create(
        self,
        image: str,
        *,
        run_id: str,
        network: str = "none",
        capabilities: Sequence[str] = (),
        binds: dict[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Create the container, not started; `network` is the engine's network mode for it.

        Raises:
            HarnessError: the engine refuses.
        """
        name = object_name(run_id, f"{self._of}-helper")
        with self._gate.step(), engine_errors(f"create the container {name}"):
            host = self._api.create_host_config(
                network_mode=network,
                cap_add=list(capabilities),
                binds=binds,
                tmpfs={"/run": ""},  # Of an earlier start nothing is left there.
                log_config=docker.types.LogConfig(type="none", config={}),
            )
            created = self._api.create_container(
                image,
                name=name,
                user="0",
                entrypoint=_IDLE,
                command=[],
                labels={**run_labels(run_id), HELPER_LABEL: self._of},
                host_config=host,
                healthcheck={"test": ["NONE"]},
            )
        self._container = created["Id"]

    def remove(self) -> None:
        """Remove the container, however it is.

        Raises:
            HarnessError: the engine cannot.
        """
        if self._container:
            with engine_errors(f"remove the helper of {self._of}"):
                self._api.remove_container(self._container, v=True, force=True)

    def join(self) -> None:
        """Start, or begin anew, in the network namespace that the member has now.

        Raises:
            HarnessError: the member is down, or the engine cannot start the helper.
        """
        with self._lock, self._gate.step(), engine_errors(f"start the helper of {self._of}"):
            self._api.restart(self._container, timeout=0)

    def run(self, *command: str) -> str:
        """Run a command there and return what it printed; a helper that has ended is started first.

        Raises:
            HarnessError: it failed; has what it printed. Or the member is down.
        """
        try:
            code, out, err = self._exec(command)
        except HarnessError as error:
            if not _ended(error.__cause__):
                raise
            self.join()
            code, out, err = self._exec(command)
        if code:
            raise HarnessError(
                f"`{' '.join(command[:4])} …` beside {self._of} failed with {code}: "
                f"{(err or out or b'').decode('utf-8', 'replace').strip() or 'it said nothing'}"
            )
        return (out or b"").decode("utf-8", "replace")

    def fetch(self, path: str) -> bytes | None:
        """Return a folder of the container as a tar; `None` where there is none.

        Raises:
            HarnessError: the engine does not answer.
        """
        with engine_errors(f"read {path} by the helper of {self._of}"):
            try:
                chunks, _ = self._api.get_archive(self._container, path)
            except NotFound:
                return None
            return b"".join(chunks)

    def put(self, path: str, packed: bytes) -> None:
        """Unpack a tar into a folder of the container.

        Raises:
            HarnessError: the engine refuses.
        """
        with engine_errors(f"write into {path} by the helper of {self._of}"):
            self._api.put_archive(self._container, path, packed)

    def _exec(self, command: tuple[str, ...]) -> tuple[int, bytes | None, bytes | None]:
        with engine_errors(f"run {command[0]} beside {self._of}"):
            started = self._api.exec_create(self._container, list(command))["Id"]
            out, err = self._api.exec_start(started, demux=True)
            return self._api.exec_inspect(started)["ExitCode"], out, err


def _ended(error: BaseException | None) -> bool:
    """Return whether the engine refused since the container does not run."""
    return isinstance(error, APIError) and error.status_code == HTTPStatus.CONFLICT
