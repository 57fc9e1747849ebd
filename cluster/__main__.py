"""`python -m cluster`: run one chat node, configured by the environment (`--help` has every variable).

Exit codes: 0 after SIGTERM or SIGINT, 1 when the node cannot work (port taken, wrong cluster), 2 when
the environment is wrong, 70 after a bug in the node.
"""

import sys

if __name__ == "__main__" and sys.argv[1:]:  # Answered before anything heavy is imported.
    from cluster import command

    sys.exit(command.answer(sys.argv[1:]))

# gevent's patches come before any import that takes a socket, a lock or a thread from the library.
from gevent import monkey

monkey.patch_all()

# ruff: noqa: E402
import os
import signal
from typing import Any

# Optional helpers of python-socketio's clients and managers: a node uses none of them, and importing
# them where they happen to be installed costs half of its start. `None` is Python's own way to say that
# a module is not to be had.
for _unused in ("requests", "valkey", "websocket", "aiohttp"):
    sys.modules.setdefault(_unused, None)  # type: ignore[arg-type]

import gevent
from gevent.event import Event

from cluster import log
from cluster.settings import Settings, SettingsError, ignored

EXIT_CANNOT_WORK, EXIT_SETTINGS, EXIT_BUG = 1, 2, 70
STOP_S = 0.5
LAST_RESORT_S = 9.5


def main() -> int:
    """Run a node until it is told to stop; return the exit code."""
    try:
        return _run()
    finally:
        log.drain()


def _run() -> int:
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        log.set_up(node=os.environ.get("WORDAROUND_SERVER_ID", "?"), level="info")
        for problem in error.problems:
            log.error("setting_wrong", problem=problem)
        return EXIT_SETTINGS
    log.set_up(node=settings.server_id, level=settings.log_level)
    if unknown := ignored(os.environ):
        log.warning("variables_ignored", variables=unknown)
    return _serve(settings)


def _serve(settings: Settings) -> int:
    from cluster.app import Node
    from cluster.transport import serving  # Late, so that wrong settings are told without a second's imports.

    serving.log_uncaught_exceptions()

    node = Node(settings)
    server = serving.make_server(settings.host, settings.port, node.app)
    try:
        server.start()
    except OSError as error:
        log.error(
            "port_not_bound",
            problem=f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}; "
            "stop what uses the port, or set WORDAROUND_PORT",
        )
        return EXIT_CANNOT_WORK
    stop = _Stop()
    for greenlet in node.start():
        greenlet.link(stop.greenlet_ended)
    log.info("serving", url=settings.public_url, delivery=settings.delivery, pid=os.getpid())
    stop.event.wait()
    if stop.exit_code == 0:
        _end_in_any_case()
        node.stop()
    server.stop(timeout=STOP_S)
    log.info("stopped", exit_code=stop.exit_code)
    return stop.exit_code


def _end_in_any_case() -> None:
    """Whoever asked a node to stop counts on 10 s: a plain signal gets through even where gevent is stuck."""
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, LAST_RESORT_S)


class _Stop:
    """Why and when the node ends."""

    def __init__(self) -> None:
        self.event = Event()
        self.exit_code = 0
        gevent.signal_handler(signal.SIGTERM, self._asked, "SIGTERM")
        gevent.signal_handler(signal.SIGINT, self._asked, "SIGINT")

    def _asked(self, by: str) -> None:
        log.info("stopping", by=by)
        self.event.set()

    def greenlet_ended(self, greenlet: "gevent.Greenlet[..., Any]") -> None:
        """A node that has lost one of its parts must not look alive."""
        from cluster.delivery.tail import WrongLayout

        if self.event.is_set():
            return
        wrong_layout = isinstance(greenlet.exception, WrongLayout)
        self.exit_code = EXIT_CANNOT_WORK if wrong_layout else EXIT_BUG
        log.error("part_ended", problem=str(greenlet.exception), part=str(greenlet))
        self.event.set()


if __name__ == "__main__":
    sys.exit(main())
