"""A container's log as a file that is complete over restarts.

The engine keeps everything that a container ever wrote and sends it from the beginning whenever asked.
The file knows how many bytes it has, and takes of any stream only what lies beyond them. So it does not
matter how often a stream broke off, or whether two of them run at the same time.
"""

import threading
from pathlib import Path

import docker

from harness.backends.docker_engine import ENGINE_ERRORS, engine_errors, spoken

_END_S = 5.0  # A stream ends when its container stops; the last copy does not depend on it.


class ContainerLog:
    """Follows one container's log into a file."""

    def __init__(self, api: docker.APIClient, container: str, path: Path) -> None:
        self._api = api
        self._container = container
        self._path = path
        self._written = 0
        self._lock = threading.Lock()
        self._follower: threading.Thread | None = None
        self._broke_off = ""
        path.touch()

    def follow(self) -> None:
        """Follow the container, which was just started, until it stops."""
        self._follower = threading.Thread(target=self._follow, name=f"log-{self._path.stem}", daemon=True)
        self._follower.start()

    def complete(self) -> None:
        """Write what the file lacks. Call it when the container has stopped, before it is removed.

        Raises:
            HarnessError: the engine does not hand out the log.
        """
        if self._follower is not None:
            self._follower.join(_END_S)
        after = f" (following it broke off: {self._broke_off})" if self._broke_off else ""
        with engine_errors(f"hand out the log of {self._path.stem}{after}"):
            self._take(0, self._api.logs(self._container, stdout=True, stderr=True))

    def _follow(self) -> None:
        try:
            stream = self._api.logs(self._container, stdout=True, stderr=True, stream=True, follow=True)
            at = 0
            for chunk in stream:
                at = self._take(at, chunk)
        except ENGINE_ERRORS as error:
            self._broke_off = spoken(error)  # `complete` fetches what is missing, or fails and says this.

    def _take(self, at: int, chunk: bytes) -> int:
        """Append what lies beyond the file's end of a chunk that begins at `at`; return the chunk's end."""
        with self._lock:
            new = chunk[max(0, self._written - at) :]
            with self._path.open("ab") as file:
                file.write(new)
            self._written += len(new)
        return at + len(chunk)
