"""The chat page: the files of the folder `page`, served by every node as they are.

Nothing is built, and the page asks no host outside the cluster. It comes with a strict
Content-Security-Policy: it runs no script but its own. To which addresses it may speak, the policy has to say
before the page knows of them: to the hosts of the nodes that are known now, at any port, so that a node that
comes back at another port of the same host is reached without a reload. A host that the cluster gets later is
reached by pages that are loaded later.

A file's name is looked up among those that are there, so that no path leads out of the folder.
"""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as WerkzeugResponse

FOLDER = Path(__file__).with_name("page")
CLIENT = "vendor/socket.io.esm.min.js"
_NO_CLIENT = b"export const io = null; // `make setup` puts the official client here, through npm.\n"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class PageFiles:
    """Serves the folder. `of_nodes` names the origins of the cluster, `http://host:port`."""

    def __init__(self, of_nodes: Callable[[], Iterable[str]], folder: Path = FOLDER) -> None:
        self._of_nodes = of_nodes
        self._folder = folder

    def register(self, app: Flask) -> None:
        """Add the routes to a Flask application."""
        app.add_url_rule("/", "page", lambda: self.serve("index.html"))
        app.add_url_rule("/page/<path:name>", "page_file", self.serve)

    def serve(self, name: str) -> WerkzeugResponse:
        """Answer with a file, or 304 where the browser has it already."""
        data = self._read(name)
        response = Response(data, content_type=_TYPES[Path(name).suffix])
        response.set_etag(hashlib.sha256(data).hexdigest()[:20])
        response.headers["Cache-Control"] = (
            "no-cache"  # kept, but asked for each time: pages follow their node
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        if name.endswith((".html", ".svg")):
            response.headers["Content-Security-Policy"] = content_security_policy(self._of_nodes())
        return response.make_conditional(request)

    def _read(self, name: str) -> bytes:
        if name not in self._names():
            if name == CLIENT:
                return _NO_CLIENT
            raise NotFound("the page has no such file")
        return (self._folder / name).read_bytes()

    def _names(self) -> set[str]:
        files = (path for path in self._folder.rglob("*") if path.suffix in _TYPES and path.is_file())
        return {path.relative_to(self._folder).as_posix() for path in files}


def content_security_policy(origins: Iterable[str]) -> str:
    """Return the policy for the page of a cluster whose nodes have these origins."""
    hosts = sorted({(url.scheme, url.hostname) for url in map(urlsplit, origins) if url.hostname})
    sources = [
        _source(scheme, host)
        for http, host in hosts
        if host != "::1"  # It is known as 127.0.0.1 and localhost, too.
        for scheme in (http, http.replace("http", "ws"))
    ]
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            " ".join(("connect-src 'self'", *sources)),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _source(scheme: str, host: str) -> str:
    """Return what stands for a host at any port; a policy has no way to name an IPv6 address."""
    return f"{scheme}:" if ":" in host else f"{scheme}://{host}:*"
