"""Serves the pages on 127.0.0.1, in threads, until it is stopped."""

import logging
import threading
from pathlib import Path

from werkzeug.serving import make_server

from harness.backends.readiness import LOOPBACK, free_port, is_free
from harness.errors import UsageError
from harness.serving.app import make_app
from harness.serving.foresight import Foresight

USUAL_PORT = 8088


class Server:
    """Listens from its making on. `port` of `None`: the usual one, or a free one where that is taken."""

    def __init__(
        self, runs_dir: Path, *, port: int | None = None, foresight: Foresight | None = None
    ) -> None:
        """Bind.

        Raises:
            UsageError: there is no such folder, or another program has the port.
        """
        if not runs_dir.is_dir():
            raise UsageError(f"--runs-dir {runs_dir}: there is no such folder")
        self._foresight = foresight or Foresight()
        self.port = _chosen(port)
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # not a line for every request
        app = make_app(runs_dir, self._foresight, port=self.port)
        self._server = make_server(LOOPBACK, self.port, app, threaded=True)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the list of runs is."""
        return f"http://{LOOPBACK}:{self.port}/"

    def serve(self) -> None:
        """Serve until `close`, or an interrupt."""
        self._server.serve_forever(poll_interval=0.1)

    def start(self) -> None:
        """Serve on a thread of its own."""
        self._thread = threading.Thread(target=self.serve, name="serve", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End, and wait for what was begun."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._foresight.close()


def _chosen(port: int | None) -> int:
    if port is None:
        return USUAL_PORT if is_free(USUAL_PORT) else free_port()
    if not is_free(port):
        raise UsageError(f"--port {port} of {LOOPBACK} is taken by another program; choose another, or none")
    return port
