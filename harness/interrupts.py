"""Ctrl-C and SIGTERM: both end a run in the same way, and neither cuts its cleaning up short.

The first signal raises `KeyboardInterrupt` where the work is. What follows is cleaning up, which has
deadlines of its own; further signals are answered with a sentence, so that an impatient second Ctrl-C
does not leave a cluster behind. A signal that comes in a shielded block is kept until the block is over.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Handles both signals while it is entered; does nothing outside the main thread."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._shielded = False
        self._pending = False
        self._raised = False
        self._before: dict[signal.Signals, signal.Handlers | Callable[..., object] | int | None] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def shield(self) -> Iterator[None]:
        """Let the block finish; a signal that came meanwhile is raised at its end."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False
        if self._pending and not self._raised:
            self._raised = True
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._raised or self._shielded:
            self._pending = True
            self._say("Stopping: still cleaning up, this takes a few seconds")
            return
        self._raised = True
        raise KeyboardInterrupt
