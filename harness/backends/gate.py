"""A gate for everything that creates: once it is shut, nothing new comes to be."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import HarnessError


class Gate:
    """Lets steps pass until it is shut; whoever shuts it waits for those under way."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._shut = False

    @contextmanager
    def step(self) -> Iterator[None]:
        """Be inside for as long as the `with` block lasts.

        Raises:
            HarnessError: the gate is shut.
        """
        with self._changed:
            if self._shut:
                raise HarnessError("the cluster is being closed; nothing is started any more")
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def check(self) -> None:
        """Raise if the gate is shut."""
        with self.step():
            return

    def shut(self, timeout_s: float) -> bool:
        """Let nobody in any more; return whether all who were inside have left in time."""
        with self._changed:
            self._shut = True
            return self._changed.wait_for(lambda: self._inside == 0, timeout_s)
