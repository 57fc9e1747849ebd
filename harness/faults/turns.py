"""Whose turn it is to work on a member: one lane that hits it, or any number that heal what it has.

Heals run side by side, since one may wait for another: a node that goes on after a pause is ready only when
its links to Redis serve again. A hit waits until nobody works on any of its targets and then has them all at
once; while it waits it keeps nobody from anything.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator


class Turns:
    """The turns of all lanes of an executor."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._hit: set[str] = set()
        self._healed: Counter[str] = Counter()

    @contextlib.contextmanager
    def hit(self, members: tuple[str, ...]) -> Iterator[None]:
        """Have the members alone."""
        with self._changed:
            self._changed.wait_for(lambda: not any(m in self._hit or self._healed[m] for m in members))
            self._hit.update(members)
        try:
            yield
        finally:
            with self._changed:
                self._hit.difference_update(members)
                self._changed.notify_all()

    @contextlib.contextmanager
    def heal(self, members: tuple[str, ...]) -> Iterator[None]:
        """Have the members together with whoever else heals them."""
        with self._changed:
            self._changed.wait_for(lambda: self._hit.isdisjoint(members))
            self._healed.update(members)
        try:
            yield
        finally:
            with self._changed:
                self._healed.subtract(members)
                self._changed.notify_all()
