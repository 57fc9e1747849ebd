"""The control socket of a supervisor: one JSON line asks, JSON lines answer, over a Unix socket.

    {"token": …, "command": "status"}                                    ->  {"status": {…}}
    {"token": …, "command": "kill" | "restart" | "pause" | "resume",
     "member": "node-1"}                                                 ->  {"member": {…}}
    {"token": …, "command": "down"}                                      ->  {"ended": ["node-1", …]}

What goes wrong is answered with `{"error": sentence, "code": exit code}`. The answer to `down` comes when
all was ended. The socket lies in a folder that only its user can enter; the token is a second lock.
"""

import json
import secrets
import socket
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, UsageError
from harness.supervisor.records import Access

_REQUEST_S = 5.0  # Who connects has its request ready.
_MOST_BYTES = 4096

Answer = dict[str, Any]
Ask = Callable[[str, str], Answer]  # command and member ("" for none) -> answer


class ControlSocket(socketserver.ThreadingUnixStreamServer):
    """Serves from its making to `close`."""

    def __init__(self, path: Path, token: str, ask: Ask) -> None:
        """`ask` is called in threads, one for each request, and may take as long as it needs.

        Raises:
            HarnessError: there can be no socket at `path`.
        """
        self.token = token
        self.ask = ask
        try:
            super().__init__(str(path), _Handler)
        except OSError as error:
            raise HarnessError(
                f"no Unix socket can be made at {path}: {error}; set TMPDIR to another, shorter path"
            ) from error
        path.chmod(0o600)
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.05,), name="control-socket", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Serve nobody new, and wait until everyone has an answer. Idempotent."""
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(socketserver.StreamRequestHandler):
    server: ControlSocket
    timeout = _REQUEST_S

    def handle(self) -> None:
        try:
            answer = self._answer()
        except HarnessError as error:
            answer = {"error": str(error), "code": error.exit_code}
        self.wfile.write(json.dumps(answer).encode() + b"\n")

    def _answer(self) -> Answer:
        try:
            request = json.loads(self.rfile.readline(_MOST_BYTES))
            token, command, member = (str(request.get(key, "")) for key in ("token", "command", "member"))
        except (ValueError, AttributeError, OSError) as error:
            raise UsageError(f"that was no request: {error}") from error
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            raise UsageError("that is not the token of this cluster")
        return self.server.ask(command, member)


def ask(access: Access, command: str, member: str = "", *, timeout_s: float) -> Answer:
    """Ask a supervisor and return its answer.

    Raises:
        HarnessError: it said what is wrong, or does not answer.
    """
    request = {"token": access.token, "command": command, "member": member}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(access.socket)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as reader:
                line = reader.readline()
    except TimeoutError as error:
        raise HarnessError(f"the supervisor did not answer within {timeout_s:g} s ({command})") from error
    except OSError as error:
        raise HarnessError(
            f"the supervisor cannot be reached at {access.socket}: {error.strerror}"
        ) from error
    if not line.endswith(b"\n"):
        raise HarnessError(f"the supervisor ended in the middle of an answer ({command})")
    answer: Answer = json.loads(line)
    if "error" in answer:
        raise (UsageError if answer.get("code") == UsageError.exit_code else HarnessError)(answer["error"])
    return answer
