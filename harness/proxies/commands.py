"""How the harness speaks with the proxies: JSON lines over a pair of Unix sockets, a reply to each command.

    {"do": "listen", "port": 1, "to_port": 2, "target": "node-1", "callers": ["clients"]}   → {"result": null}
    {"do": "evidence", "handle": "no such one"}                                              → {"error": "…"}

What can be asked is what `Switchboard` can do. The connection's end is the end of the proxies: when the
harness is dead, nobody is left to whom they are of use.
"""

import dataclasses
import json
import socket
from typing import Any

from harness.backends.abilities import Impairment
from harness.proxies.loop import READ, Loop
from harness.proxies.switchboard import Switchboard

COMMANDS = (
    *("listen", "serving", "started", "announce", "withdraw"),
    *("impair", "evidence", "in_force", "restore", "reset"),
)


def encoded(command: str, **arguments: Any) -> bytes:
    """Return the line that asks for a command; tuples become lists, an impairment an object."""
    plain = {
        name: dataclasses.asdict(value) if isinstance(value, Impairment) else value
        for name, value in arguments.items()
    }
    return json.dumps({"do": command, **plain}).encode() + b"\n"


def decoded(plain: dict[str, Any]) -> Impairment:
    """Return the impairment that an object stands for."""
    return Impairment(**_typed(plain))


class Control:
    """The proxies' end."""

    def __init__(self, loop: Loop, sock: socket.socket, switchboard: Switchboard) -> None:
        self._loop, self._socket, self._switchboard = loop, sock, switchboard
        self._received = b""
        loop.watch(sock, 0, READ, self._ready)

    def _ready(self, _: int) -> None:
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self._loop.stop()
            return
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            # The harness waits for it, so a reply always finds room: this does not block the loop.
            self._socket.sendall(json.dumps(self._answer(line)).encode() + b"\n")

    def _answer(self, line: bytes) -> dict[str, Any]:
        asked = json.loads(line)
        command = asked.pop("do")
        if command not in COMMANDS:
            return {"error": f"there is no command {command!r}"}
        try:
            return {"result": getattr(self._switchboard, command)(**_typed(asked))}
        except (LookupError, OSError, TypeError) as error:
            return {"error": f"{command}: {type(error).__name__}: {error}"}


def _typed(arguments: dict[str, Any]) -> dict[str, Any]:
    """Undo what JSON has made of tuples and of impairments."""
    typed: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in arguments.items()
    }
    if "impairment" in typed:
        typed["impairment"] = decoded(typed["impairment"])
    return typed
