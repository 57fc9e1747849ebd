"""The HTTP server of a node: gevent's, made to serve WebSockets and to log as we do."""

import logging
from types import TracebackType
from typing import Any

import gevent
from flask import Flask
from gevent import pywsgi
from gevent.pywsgi import LoggingLogAdapter, WSGIHandler, WSGIServer

from cluster import counters, log
from cluster.transport.session import Session
from cluster.transport.websocket import SESSIONS

REQUEST_S = 60.0  # for each read and write of an HTTP connection, and between its requests
PAUSE_S = 0.001  # behind an answer: reading requests that are there already would let nobody else run
BACKLOG = 4096  # connections that may wait to be accepted: all clients of a node that has died come at once


class _Handler(WSGIHandler):
    def handle(self) -> None:
        """Serve a connection, but wait for nobody who has stopped in the middle of a request."""
        request: Any = self
        request.socket.settimeout(REQUEST_S)
        super().handle()

    def run_application(self) -> None:
        """Run the application, then the WebSocket session that it may have begun."""
        begun: list[Session] = []  # Flask-SocketIO copies the environment, but not what is in it.
        environ: Any = self.environ
        environ[SESSIONS] = begun
        super().run_application()
        if begun:
            self._forget_the_request()
            begun[0].serve(self.socket)
        else:
            gevent.sleep(PAUSE_S)

    def _forget_the_request(self) -> None:
        """Free what a connection would else keep for as long as it lives; its bytes are no HTTP any more."""
        request: Any = self
        request.close_connection = True
        request.socket.settimeout(None)
        request.environ.clear()
        request.headers = request.rfile = request.wsgi_input.rfile = None

    def _handle_client_error(self, ex: Exception) -> Any:
        """Count it. gevent's parser fails in many ways, and writes bare tracebacks of some of them."""
        counters.requests.malformed["http"] += 1
        told = ex if isinstance(ex, ValueError | OSError) else ValueError(str(ex))
        return super()._handle_client_error(told)  # type: ignore[misc]  # not in gevent's public types

    def handle_error(self, t: Any, v: Any, tb: Any) -> None:
        """A body that gevent's parser stumbles over (a chunk without a length) is no bug of ours either."""
        if isinstance(v, ValueError) and _module_that_raised(tb) == pywsgi.__name__:
            self._handle_client_error(v)
            self.close_connection = True
        else:
            super().handle_error(t, v, tb)


def _module_that_raised(traceback: TracebackType) -> str:
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return str(traceback.tb_frame.f_globals.get("__name__"))


def make_server(host: str, port: int, app: Flask) -> WSGIServer:
    """Return a server that is not started yet."""
    client_errors = LoggingLogAdapter(log.logger, logging.DEBUG)  # "Invalid HTTP method" and the like
    return WSGIServer(
        (host, port), app, backlog=BACKLOG, handler_class=_Handler, log=None, error_log=client_errors
    )


def log_uncaught_exceptions() -> None:
    """Make gevent log what ends a greenlet as one of our lines, not as bare text."""

    def print_exception(
        context: object,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(value, OSError):
            log.debug("connection_lost", reason=str(value))  # A client went away in mid-answer.
        elif value is not None:
            log.bug("greenlet_failed", value.with_traceback(traceback), context=str(context)[:200])

    hub: Any = gevent.get_hub()
    hub.print_exception = print_exception
