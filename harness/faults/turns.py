"""Whose turn it is to work on a member: one lane that hits it, or any number that heal what it has.

Heals run side by side, since one may wait for another: a node that goes on after a pause is ready only when
its links to Redis serve again. A hit waits until nobody works on any of its targets, and then has them all at
once. While it waits it keeps no heal from anything, and of the hits those that came later to one of them.
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
        self._waiting: list[set[str]] = []  # the targets of the hits that wait, in their order

    @contextlib.contextmanager
    def hit(self, members: tuple[str, ...]) -> Iterator[None]:
        """Have the members alone."""
        wanted = set(members)
        with self._changed:
            self._waiting.append(wanted)
            self._changed.wait_for(lambda: self._is_next(wanted))
            self._waiting = [other for other in self._waiting if other is not wanted]
            self._hit.update(members)
            self._changed.notify_all()  # Who waited behind this one for another member of it.
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

    def _is_next(self, wanted: set[str]) -> bool:
        for other in self._waiting:
            if other is wanted:
                return not any(member in self._hit or self._healed[member] for member in wanted)
            if not other.isdisjoint(wanted):
                return False
        raise AssertionError("who waits is among those that wait")
