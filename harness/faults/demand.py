"""Work for a member: questions without a pause, so that it wants more of the machine than it may have."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from harness.backends.base import Backend, Member
from harness.records.plan import Role

ASKERS = 3  # At the same time; more would rather busy ourselves.
AHEAD = 20  # Questions that each sends at once: on a busy machine it is late with the next.
PATIENCE_S = 5.0
_SCRIPT = (
    b"local n = 0 for i = 1, 50000 do n = n + i end return n"  # Half a millisecond, and changes nothing.
)
_COMMAND = b"*3\r\n$4\r\nEVAL\r\n$%d\r\n%s\r\n$1\r\n0\r\n" % (len(_SCRIPT), _SCRIPT)
_REQUEST = "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"


@contextlib.contextmanager
def demand(backend: Backend, member: str) -> Iterator[None]:
    """Keep the member busy meanwhile: a node with HTTP requests, Redis with scripts that count."""
    asked = next(each for each in backend.members() if each.name == member)
    over = threading.Event()
    askers = [threading.Thread(target=_ask, args=(asked, over), daemon=True) for _ in range(ASKERS)]
    for asker in askers:
        asker.start()
    try:
        yield
    finally:
        over.set()
        for asker in askers:
            asker.join(2 * PATIENCE_S)


def _ask(member: Member, over: threading.Event) -> None:
    """Ask until it is over. That a starved member does not answer, or hangs up, is what is expected."""
    if member.role is Role.NODE:
        url = urlsplit(member.ready_url)
        question, answer = _REQUEST.format(path=url.path or "/", host=url.netloc).encode(), b"HTTP/1.1 "
    else:
        url, question, answer = urlsplit(member.url or ""), _COMMAND, b":"
    while not over.is_set():
        with (
            contextlib.suppress(OSError),
            socket.create_connection((url.hostname or "", url.port or 0), timeout=PATIENCE_S) as connection,
        ):
            while not over.is_set() and _answered(connection, question, answer):
                pass


def _answered(connection: socket.socket, question: bytes, answer: bytes) -> bool:
    """Send several questions at once; return whether all were answered, and not hung up on."""
    connection.sendall(question * AHEAD)
    answers = 0
    while answers < AHEAD and (data := connection.recv(65536)):
        answers += data.count(answer)
    return answers >= AHEAD
