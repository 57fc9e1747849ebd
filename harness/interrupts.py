"""Ctrl-C, SIGTERM and SIGHUP: all end a run in the same way, and only the third cuts its cleaning up short.

A run is shielded as a whole, and exposed only where it works: inside `exposed` the first signal raises
`KeyboardInterrupt`, and whatever is in the way of it, the cleaning up around is reached. What follows is
cleaning up, which has deadlines of its own. The second signal is answered with a sentence: what is under
way, and what a third one does. The third gives up: it says what remains and how to mend it, and ends the
process on the spot; what is left behind is its watchdog's to clean up. Once all is cleaned up, signals are
ignored: the process is about to end with the code that says it was interrupted, and must not die of a late
one.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType, TracebackType
from typing import ParamSpec, TypeVar

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_GIVES_UP_AT = 3
INTERRUPTED = 130  # the exit code

P = ParamSpec("P")
R = TypeVar("R")


class Interrupts:
    """Handles both signals while it is entered; does nothing outside the main thread."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._shielded = False
        self._pending = False
        self._raised = False
        self._expired: Exception | None = None  # the time limit is over, and it was not raised yet
        self._timeless = False
        self._count = 0
        self._give_up: Callable[[], str] | None = None
        self._before: dict[signal.Signals, signal.Handlers | Callable[..., object] | int | None] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if self.asked else handler)
        if isinstance(error, Exception):
            self._raise_disguised(error)

    @property
    def asked(self) -> bool:
        """Whether somebody asked to stop, raised already or not."""
        return self._raised or self._pending

    @contextlib.contextmanager
    def shield(self) -> Iterator[None]:
        """Let the block finish; a signal that came meanwhile is raised at its end."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False
        self._raise_pending()

    @contextlib.contextmanager
    def exposed(self) -> Iterator[None]:
        """Inside a shield: let the first signal be raised in this block."""
        self._shielded = False
        try:
            self._raise_pending()
            self._raise_expired()
            yield
        except KeyboardInterrupt:
            self._shielded = True
            self._tell("Stopping: cleaning up, this takes a few seconds")
            raise
        except Exception as error:
            self._raise_disguised(error)
            raise
        finally:
            self._shielded = True

    @contextlib.contextmanager
    def giving_up(self, leave: Callable[[], str]) -> Iterator[None]:
        """In this block a third signal ends the process, when `leave` has left the rest to somebody else.

        `leave` returns the sentence that says what remains and how to mend it. It runs in the middle of
        whatever the main thread does, and nothing runs after it.
        """
        self._give_up = leave
        try:
            yield
        finally:
            self._give_up = None

    def taken(self) -> None:
        """What was raised was a wish that was granted: the next signal counts as the first."""
        self._raised = self._pending = False
        self._count = 0

    @contextlib.contextmanager
    def within(self, seconds: float | None, expired: Callable[[float], Exception]) -> Iterator[None]:
        """Raise once what `expired` makes, in an exposed block, when the block around it lasts longer.

        `seconds` of `None`: it may last as long as it wants.
        """
        if seconds is None:
            yield
            return

        def strike(number: int, frame: FrameType | None) -> None:
            self._expired = expired(seconds)
            if not self._shielded and not self._timeless and not self._raised:
                self._raise_expired()

        before = signal.signal(signal.SIGALRM, strike)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            self._expired = None

    @contextlib.contextmanager
    def timeless(self) -> Iterator[None]:
        """Let the block take its time: the limit of `within` is raised at its end, if at all."""
        self._timeless = True
        try:
            yield
        finally:
            self._timeless = False
        if not self._shielded:
            self._raise_expired()

    def _raise_disguised(self, error: Exception) -> None:
        """Raise what was asked for where a library turned it into an error of its own, as pydantic does."""
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, KeyboardInterrupt):
            cause = cause.__cause__ or cause.__context__
        if self._raised and cause is None:
            raise KeyboardInterrupt from error

    def _raise_expired(self) -> None:
        expired, self._expired = self._expired, None
        if expired is not None:
            raise expired

    def _raise_pending(self) -> None:
        if self._pending and not self._raised:
            self._raised = True
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if not self._raised and not self._shielded:
            self._raised = True
            raise KeyboardInterrupt
        self._pending = True
        if self._give_up is not None and self._count >= _GIVES_UP_AT:
            self._end(self._give_up)
        self._tell("Stopping: still cleaning up, this takes a few seconds" + self._warning())

    def _warning(self) -> str:
        if self._give_up is None or self._count < _GIVES_UP_AT - 1:
            return ""
        return ". Once more, and what is not cleaned up yet is left to the watchdog"

    def _end(self, leave: Callable[[], str]) -> None:
        try:
            self._tell(leave())
        finally:
            os._exit(INTERRUPTED)  # Whatever hangs, hangs; no `finally` of it is waited for.

    def _tell(self, text: str) -> None:
        # The terminal may be what has gone; or the signal came while something was being printed.
        with contextlib.suppress(OSError, RuntimeError):
            self._say(text)


def undisturbed(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Do something on a thread of its own, to the end, and return what it returns.

    Python raises `KeyboardInterrupt` in the main thread only; so it cannot come between the making of a
    thing (a folder, a child) and the moment when whoever must end it knows of it.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="undisturbed") as thread:
        return thread.submit(work, *args, **kwargs).result()
