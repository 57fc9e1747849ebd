"""Where Locust's web page is served for a run: always 127.0.0.1, on its usual port where that is free."""

from dataclasses import dataclass

from harness.backends.readiness import LOOPBACK, free_port, is_free
from harness.errors import HarnessError

USUAL_PORT = 8089


@dataclass(frozen=True, kw_only=True, slots=True)
class Web:
    """A wish for the page. `port` of `None`: the usual one, or another where that is taken.

    `hands`: the page may start, stop and change the load; else it only shows it.
    """

    port: int | None = None
    hands: bool = False

    def choose_port(self) -> int:
        """Return the port to serve it on.

        Raises:
            HarnessError: a port was wished for, and it is taken.
        """
        if self.port is None:
            return USUAL_PORT if is_free(USUAL_PORT) else free_port()
        if not is_free(self.port):
            raise HarnessError(
                f"--port {self.port} of {LOOPBACK} is taken by another program; choose another one, or none, "
                "and a free one is taken"
            )
        return self.port

    def sentence(self, port: int) -> str:
        """Say where the page is, and what can be done there."""
        hint = ": start, stop and change the load there; Ctrl-C here ends it" if self.hands else ""
        return f"Locust's page: http://{LOOPBACK}:{port}{hint}"
