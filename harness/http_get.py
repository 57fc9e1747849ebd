"""A plain GET to a member of the cluster."""

import http.client
from urllib.parse import urlsplit


def get(url: str, *, timeout_s: float) -> tuple[int, bytes]:
    """Return status and body. A proxy of the environment is never used: members are on this machine.

    Raises:
        OSError: no connection, a timeout, or an answer that is not HTTP.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    try:
        connection.request("GET", target, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise OSError(f"{url} did not answer in HTTP: {error!r}") from error
    finally:
        connection.close()
