"""Control over HTTP, on 127.0.0.1 alone, for the page that a node of the cluster serves (`up` and `load`).

    GET  /members                   {"members": [...]}
    POST /members/<name>/kill       {"member": {...}}
    POST /members/<name>/restart    {"member": {...}}

Every request wants `Authorization: Bearer <token>`, and is refused (403) unless

- it names this address as its host: a page of elsewhere whose name was made to point at 127.0.0.1 (DNS
  rebinding) names its own;
- it comes from no page, or from one of this cluster's nodes (`Origin`); those may read the answer (CORS).

What cannot be done is 409 with a sentence under `error`; what is not there is 404.
"""

import json
import secrets
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from harness.backends.readiness import LOOPBACK, free_port
from harness.errors import HarnessError, UsageError
from harness.supervisor.control import Ask

_REQUEST_S = 5.0  # Between two bytes of a request.
_NAMES = (LOOPBACK, "localhost")
_ACTIONS = ("kill", "restart")


class ControlWeb(ThreadingHTTPServer):
    """Serves from its making to `close`; what is asked before `open` is 503."""

    daemon_threads = False  # `close` waits for the answers.

    def __init__(self, token: str) -> None:
        """Bind to a free port of 127.0.0.1."""
        super().__init__((LOOPBACK, free_port()), _Handler)
        self.token = token
        self.ask: Ask | None = None
        self.origins: Callable[[], Iterable[str]] = tuple
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.05,), name="control-web", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://{LOOPBACK}:{self.server_port}"

    @property
    def node_settings(self) -> dict[str, str]:
        """What the nodes have in their environment, to hand it to their pages (`cluster/control.py`)."""
        return {"WORDAROUND_CONTROL_URL": self.url, "WORDAROUND_CONTROL_TOKEN": self.token}

    def open(self, ask: Ask, *, node_urls: Callable[[], Iterable[str]]) -> None:
        """Answer with `ask`, also what comes from pages of these nodes."""
        self.origins = lambda: [origin for url in node_urls() for origin in _origins(url)]
        self.ask = ask

    def close(self) -> None:
        """Serve nobody new, and wait until everyone has an answer. Idempotent."""
        self.shutdown()
        self._thread.join()
        self.server_close()


def _origins(url: str) -> Iterable[str]:
    port = urlsplit(url).port
    return (f"http://{name}:{port}" for name in _NAMES)


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        self.status = status
        super().__init__(sentence)


class _Handler(BaseHTTPRequestHandler):
    server: ControlWeb
    timeout = _REQUEST_S
    server_version = "wordaround"
    sys_version = ""

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def do_OPTIONS(self) -> None:
        """Tell a browser that a page of a node may ask with the token."""
        try:
            self._check_whence()
        except _Refused as refused:
            self._send(refused.status, {"error": str(refused)})
            return
        self.send_response(HTTPStatus.NO_CONTENT)
        self._send_cors()
        self.send_header("Access-Control-Allow-Methods", "GET, POST")
        self.send_header("Access-Control-Allow-Headers", "Authorization")
        self.end_headers()

    def _respond(self) -> None:
        try:
            self._check_whence()
            self._check_token()
            status, answer = HTTPStatus.OK, self._answer()
        except _Refused as refused:
            status, answer = refused.status, {"error": str(refused)}
        except UsageError as error:
            status, answer = HTTPStatus.NOT_FOUND, {"error": str(error)}
        except HarnessError as error:
            status, answer = HTTPStatus.CONFLICT, {"error": str(error)}
        self._send(status, answer)

    def _check_whence(self) -> None:
        host = self.headers.get("Host", "")
        if host not in {f"{name}:{self.server.server_port}" for name in _NAMES}:
            raise _Refused(HTTPStatus.FORBIDDEN, f"this is not {host!r}: ask {self.server.url}")
        origin = self.headers.get("Origin")
        if origin is not None and origin not in self.server.origins():
            raise _Refused(HTTPStatus.FORBIDDEN, f"{origin!r} is no node of this cluster")

    def _check_token(self) -> None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not secrets.compare_digest(token.encode(), self.server.token.encode()):
            raise _Refused(HTTPStatus.FORBIDDEN, "wants `Authorization: Bearer` and this cluster's token")

    def _answer(self) -> dict[str, Any]:
        ask = self.server.ask
        if ask is None:
            raise _Refused(HTTPStatus.SERVICE_UNAVAILABLE, "the cluster is not started yet")
        match self.command, self.path.split("/"):
            case "GET", ["", "members"]:
                return {"members": ask("status", "")["status"]["members"]}
            case "POST", ["", "members", member, action] if action in _ACTIONS:
                return ask(action, member)
        raise _Refused(HTTPStatus.NOT_FOUND, f"there is no {self.command} {self.path}")

    def _send(self, status: HTTPStatus, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self._send_cors()
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def _send_cors(self) -> None:
        origin = self.headers.get("Origin")
        if origin is not None and origin in self.server.origins():
            self.send_header("Access-Control-Allow-Origin", origin)
            self.send_header("Vary", "Origin")
