"""One line to one peer: a connection that is kept, over which one request after the other goes."""

import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit

import gevent

EXCHANGE_S = 1.0  # a whole request with its answer, name look-up and connecting included
LONGEST_ANSWER = 64 * 1024


class PeerFailed(Exception):
    """There was no answer that can be used."""


class PeerRefused(PeerFailed):
    """Nobody listens there."""


class PeerLine:
    """Posts to one URL. Not to be used by two greenlets at the same time."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host, self._port, self._prefix = parts.hostname or "", parts.port, parts.path.rstrip("/")
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
        """Return status, the header `X-WordAround-Signature` and the body of the answer.

        Raises:
            PeerRefused: nobody listens.
            PeerFailed: anything else, within `EXCHANGE_S`.
        """
        kept = self._connection is not None
        try:
            with gevent.Timeout(EXCHANGE_S, TimeoutError(f"no answer within {EXCHANGE_S:g} s")):
                try:
                    return self._exchange(path, body, headers)
                except (ConnectionResetError, BrokenPipeError, http.client.BadStatusLine):
                    # (RemoteDisconnected is both.) A kept connection may have been closed since.
                    if not kept:
                        raise
                    self.close()
                    return self._exchange(path, body, headers)
        except ConnectionRefusedError as error:
            self.close()
            raise PeerRefused(str(error)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise PeerFailed(f"{type(error).__name__}: {error}") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next request makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
        if self._connection is None:
            make = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            self._connection = make(self._host, self._port, timeout=EXCHANGE_S)
        asked = {"Content-Type": "application/json", **headers}
        self._connection.request("POST", self._prefix + path, body, asked)
        response = self._connection.getresponse()
        answer = response.read(LONGEST_ANSWER + 1)
        if len(answer) > LONGEST_ANSWER:
            raise ValueError("the answer is too long")
        return response.status, response.headers.get("X-WordAround-Signature", ""), answer
