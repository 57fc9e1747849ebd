"""Where the page learns how members are killed and restarted, if this cluster has somebody who does that.

    POST /control   {"control": {"url", "token"}}, or {"control": null} where there is none

`wordaround up` and `load` listen on 127.0.0.1 for who has a token, and give both to each node. A node hands
them to its own page in a browser of this machine, and to nobody else. Each rule stops one way to get at them:

- **POST, and `Origin` is this node under a loopback name.** Browsers name the page from which a POST comes. A
  page of elsewhere names itself; one behind a reverse proxy on this machine names the proxy's public address,
  though the connection and perhaps `Host` look local. Scripts, images and links cannot POST at all.
- **`Host` is this node under a loopback name.** A name of elsewhere that was made to point at 127.0.0.1 (DNS
  rebinding) is another name.
- **`Sec-Fetch-Site` is `same-origin`**, where the browser says it: no other port of this machine either.
- **No header of a proxy.** What a proxy has passed on came from anywhere.
- **The connection comes from loopback**, or, for a node in a container, from its network's gateway: a port
  that is published on 127.0.0.1 is reached from there. (Other containers come from addresses of their own.)

The answer has no CORS headers, whatever the node's settings say, and no cache keeps it. What this cannot keep
out are programs of this machine that lie about all of it; they may connect to 127.0.0.1 anyway.
"""

import ipaddress
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, request

from cluster import wire
from cluster.protocol import Code
from cluster.settings import Settings

PATH = "/control"
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_OF_PROXIES = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")
_WILDCARDS = ("0.0.0.0", "::")
_ROUTES = Path("/proc/net/route")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asker:
    """What a request tells of who asks."""

    address: str  # of the other end of the connection
    host: str
    origin: str
    fetch_site: str  # "" where the browser does not say
    proxied: bool

    @classmethod
    def of_request(cls) -> "Asker":
        """Look at the request that is being answered."""
        return cls(
            address=request.environ.get("REMOTE_ADDR", ""),
            host=request.headers.get("Host", ""),
            origin=request.headers.get("Origin", ""),
            fetch_site=request.headers.get("Sec-Fetch-Site", ""),
            proxied=any(name in request.headers for name in _OF_PROXIES),
        )


def refusal(asker: Asker, *, port: int | None, gateway: str) -> str:
    """Return why this one gets nothing; "" where it may have it.

    `port` is the one by which browsers reach the node, `gateway` from where connections come, beside
    loopback; "" for none.
    """
    hosts = {f"{name}:{port}" for name in _LOOPBACK_NAMES}
    if asker.host not in hosts:
        return f"ask as http://127.0.0.1:{port}, on the machine of the cluster"
    if asker.origin != f"http://{asker.host}" or asker.fetch_site not in ("", "same-origin"):
        return "only a page of this node may ask"
    if asker.proxied:
        return "this came through a proxy"
    if not _is_near(asker.address, gateway):
        return "this came from another machine"
    return ""


def _is_near(address: str, gateway: str) -> bool:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    return ip.is_loopback or str(ip) == gateway


def default_gateway(routes: str) -> str:
    """Return the gateway of the default route in a text like `/proc/net/route`; "" where there is none."""
    for line in routes.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 2 and fields[1] == "00000000" and fields[2] != "00000000":
            return socket.inet_ntoa(struct.pack("=L", int(fields[2], 16)))
    return ""


class Control:
    """The route."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._port = urlsplit(settings.public_url).port
        # Who listens on loopback alone has no use for a gateway: nobody can come from there.
        open_to_network = settings.host in _WILDCARDS and _ROUTES.exists()
        self._gateway = default_gateway(_ROUTES.read_text()) if open_to_network else ""

    def register(self, app: Flask) -> None:
        """Add it to a Flask application."""
        app.add_url_rule(PATH, endpoint="control", view_func=self.hand_over, methods=["POST"])
        app.after_request(_for_no_other_page)

    def hand_over(self) -> Response:
        """Answer with address and token, where this node has them and the asker may have them."""
        if why := refusal(Asker.of_request(), port=self._port, gateway=self._gateway):
            error = {"error": {"code": Code.UNAUTHORIZED, "message": why}}
            return _answer(error, HTTPStatus.FORBIDDEN)
        url, token = self._settings.control_url, self._settings.control_token
        return _answer({"control": {"url": url, "token": token} if url and token else None})


def _for_no_other_page(response: Response) -> Response:
    if request.path == PATH:
        for name in [name for name, _ in response.headers if name.startswith("Access-Control-")]:
            del response.headers[name]
    return response


def _answer(body: Mapping[str, object], status: HTTPStatus = HTTPStatus.OK) -> Response:
    response = Response(wire.dumps(body), status=status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
