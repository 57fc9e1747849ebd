"""python-socketio's own client, driven by lines of JSON; `driven.py` has the words."""

import json
import sys
from typing import Any

import engineio
import socketio
from socketio.exceptions import ConnectionError as Refused
from socketio.exceptions import SocketIOError

RECONNECTION = {
    "reconnection": True,
    "reconnection_delay": 0.1,
    "reconnection_delay_max": 0.5,
    "randomization_factor": 0.05,
}
DISCONNECT = "1"


def say(**line: Any) -> None:
    """Write one line; the reader of a socket and the reader of orders both do."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class _InOrder(engineio.Client):  # type: ignore[misc]
    """Handles what comes as it comes; left alone, engineio starts a thread for each packet."""

    def _trigger_event(self, event: str, *args: Any, run_async: bool = False, **more: Any) -> Any:
        waits_for_the_reader = event == "message" and args[0] == DISCONNECT
        return super()._trigger_event(event, *args, run_async=run_async and waits_for_the_reader, **more)


class _Client(socketio.Client):  # type: ignore[misc]
    def _engineio_client_class(self) -> type:
        return _InOrder


class Driver:
    """One client, and where it connects to."""

    def __init__(self) -> None:
        self._io = _Client(**RECONNECTION)
        self._home = ""  # the node that was connected last, or is to be connected first
        self._peers: list[str] = []  # the nodes that `server_info` last called alive
        self._url = ""
        self._tries = 0
        self._io.on("connect", self._connected)
        self._io.on("disconnect", lambda reason: say(**{"is": "disconnected", "reason": reason}))
        self._io.on("connect_error", self._not_connected)
        self._io.on("*", self._event)

    def connect(self, url: str, auth: Any) -> None:
        self._home = self._url = url
        self._auth = auth
        try:
            self._io.connect(self._next_url, auth=auth, transports=["websocket"], wait_timeout=10)
        except Refused as error:
            say(**{"is": "retrying", "message": str(error)})

    def emit(self, id: int | None, event: str, args: list[Any]) -> None:
        def answered(*answer: Any) -> None:
            say(**{"is": "ack", "id": id, "args": answer})

        try:
            self._io.emit(event, tuple(args), callback=None if id is None else answered)
        except SocketIOError:
            say(**{"is": "lost", "id": id})

    def disconnect(self) -> None:
        self._io.disconnect()

    def _next_url(self) -> str:
        """The same rule as in driver.mjs: the peers in turn, then the node that was lost, and so round."""
        urls = [*self._peers, self._home]
        self._url = urls[self._tries % len(urls)]
        self._tries += 1
        return self._url

    def _connected(self) -> None:
        self._home, self._tries = self._url, 0
        say(**{"is": "connected", "url": self._url, "sid": self._io.get_sid()})

    def _not_connected(self, why: Any = None) -> None:
        # An object is the answer of a server that refuses; a text tells that there was no connection.
        if isinstance(why, dict):
            say(**{"is": "refused", "message": why.get("message"), "data": why.get("data")})
        else:
            say(**{"is": "retrying", "message": str(why)})

    def _event(self, name: str, *args: Any) -> None:
        if name == "server_info":
            self._peers = [peer["url"] for peer in args[0]["peers"] if peer["state"] == "alive"]
        say(**{"is": "event", "name": name, "args": args})


def main() -> None:
    driver = Driver()
    for line in sys.stdin:
        order = json.loads(line)
        getattr(driver, order.pop("do"))(**order)


if __name__ == "__main__":
    main()
