"""Work for a member: questions without a pause, so that it wants more of the machine than it may have."""

import contextlib
import threading
from collections.abc import Iterator

from harness.backends.base import Backend, Member
from harness.errors import HarnessError
from harness.faults.redis_console import console
from harness.http_get import get
from harness.records.plan import Role

ASKERS = 6  # At the same time: on a busy machine each of them is late with its next question.
PATIENCE_S = 5.0
_LOOP = "local n = 0 for i = 1, 100000 do n = n + i end return n"  # About a millisecond, and changes nothing.


@contextlib.contextmanager
def demand(backend: Backend, member: str) -> Iterator[None]:
    """Keep the member busy meanwhile: a node with HTTP requests, Redis with scripts that count."""
    asked = next(each for each in backend.members() if each.name == member)
    over = threading.Event()
    askers = [threading.Thread(target=_ask, args=(backend, asked, over), daemon=True) for _ in range(ASKERS)]
    for asker in askers:
        asker.start()
    try:
        yield
    finally:
        over.set()
        for asker in askers:
            asker.join(2 * PATIENCE_S)


def _ask(backend: Backend, member: Member, over: threading.Event) -> None:
    """Ask until it is over. That a starved member does not answer is what is expected."""
    while not over.is_set():
        with contextlib.suppress(OSError, HarnessError):
            if member.role is Role.NODE:
                get(member.ready_url, timeout_s=PATIENCE_S)
                continue
            with console(backend, member.name, patience_s=PATIENCE_S) as connected:
                while not over.is_set():
                    connected.eval(_LOOP, 0)
