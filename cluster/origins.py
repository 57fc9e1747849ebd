"""Which web pages may speak to this node, over Socket.IO and over HTTP.

A browser names the page that asks (`Origin`), and lets it read an answer only where the server agrees (CORS);
for a WebSocket the server itself has to refuse. These pages are agreed to:

- this node's own: the page comes from the host and port that it asks;
- those of the cluster's nodes, since a page goes on at another node when its own is lost. A node that is gone
  for good keeps that right for a day: its pages may still be open;
- those that `WORDAROUND_CORS_ORIGINS` names.

Nodes are known from the registry and from signed calls, never from what a client says. On this machine
a node has three names (127.0.0.1, localhost, [::1]), and a page may have been opened under any of them.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, request

from cluster.settings import Settings

REMEMBERED_S = 24 * 3600.0
MOST_REMEMBERED = 1000
PREFLIGHT_S = 600
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_PORTS = {"http": 80, "https": 443}


class Origins:
    """See the module's docstring. `learn` is told of the nodes; no method switches greenlets."""

    def __init__(self, settings: Settings, now_s: Callable[[], float] = time.monotonic) -> None:
        self._named = frozenset(settings.cors_origins)
        self._now_s = now_s
        self._nodes: dict[str, float] = {}  # origin -> when it was last known to be a node's (monotonic s)
        self._own = frozenset(
            origin for url in (settings.public_url, *settings.peers) for origin in origins_of(url)
        )
        self._now = self._own
        self.learn(())

    def learn(self, urls: Iterable[str]) -> None:
        """Take in under which URLs the other nodes are known now."""
        now_s, before = self._now_s(), self._now
        self._now = self._own.union(*map(origins_of, urls))
        for origin in sorted(before | self._now):
            self._nodes.pop(origin, None)
            self._nodes[origin] = now_s  # Behind all that were known before.
        for origin in list(self._nodes):
            if len(self._nodes) > MOST_REMEMBERED or now_s - self._nodes[origin] > REMEMBERED_S:
                del self._nodes[origin]

    def of_nodes(self) -> tuple[str, ...]:
        """Return the origins of this node and of all others that are or were known."""
        return tuple(self._nodes)

    def allows(self, origin: str, environ: Mapping[str, Any]) -> bool:
        """Tell whether a page of that origin may ask; `environ` is the WSGI environment of its request."""
        return bool({"*", origin} & self._named) or origin in self._nodes or origin in _asked(environ)

    def register(self, app: Flask) -> None:
        """Tell browsers of it with every answer over HTTP."""
        app.after_request(self._tell)

    def _tell(self, response: Response) -> Response:
        response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin and self.allows(origin, request.environ):
            response.access_control_allow_origin = origin
            if request.method == "OPTIONS":
                response.headers["Access-Control-Allow-Methods"] = "GET"
                response.headers["Access-Control-Allow-Headers"] = "Authorization"
                response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_S)
        return response


def origins_of(url: str) -> tuple[str, ...]:
    """Return what browsers call the origin of a node's pages: under each name, if it is on this machine."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return tuple(f"{parts.scheme}://{name}{port}" for name in (_LOOPBACK if host in _LOOPBACK else (host,)))


def _asked(environ: Mapping[str, Any]) -> Iterable[str]:
    """Yield the origin of what was asked, as the browser sees it: also from before a proxy."""
    scheme, host = environ.get("wsgi.url_scheme"), environ.get("HTTP_HOST")
    if scheme and host:
        yield f"{scheme}://{host}"
        forwarded = [environ.get(f"HTTP_X_FORWARDED_{name}", "") for name in ("PROTO", "HOST")]
        if any(forwarded):
            first = [value.split(",")[0].strip() for value in forwarded]
            yield f"{first[0] or scheme}://{first[1] or host}"
