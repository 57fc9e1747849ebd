"""What this node has tailed, room by room: the end of each room's log, bounded.

It closes the gap between a history that was read from Redis and the live messages (see `joining.py`),
and it is what REST serves as `source=tail`. A room whose log could not be followed without a gap is
forgotten, so what is here is always contiguous.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from cluster import wire
from cluster.wire import Stored

ALL_ROOMS_FACTOR = 20  # all rooms together keep at most this many times the limit of one
SHRINK_STEPS = 16  # rooms that are looked at when one comes: the common limit costs no more than that


class RoomTail:
    """The end of one room's log. `last`: the last seq tailed; what is kept ends with it.

    Bodies are kept as they were read, and made into messages for those who ask: most are never asked for.
    """

    __slots__ = ("_bodies", "last")

    def __init__(self, last: int, limit: int) -> None:
        self.last = last
        self._bodies: deque[bytes] = deque(maxlen=limit)

    def __len__(self) -> int:
        return len(self._bodies)

    @property
    def first(self) -> int:
        """The seq of the oldest message that is here; `last + 1` where there is none."""
        return self.last - len(self._bodies) + 1

    def extend(self, first: int, bodies: Sequence[bytes]) -> None:
        """Add the next messages, the first of which has this seq."""
        if first != self.last + 1:
            raise ValueError(f"seq {first} does not follow {self.last}")
        self._bodies.extend(bodies)
        self.last += len(bodies)

    def after(self, seq: int) -> list[Stored] | None:
        """Return all messages after a seq; `None` where they are not all here any more."""
        if seq >= self.last:
            return []
        if seq + 1 < self.first:
            return None
        return self._stored(seq + 1, self.last + 1)

    def page(self, *, after: int | None, before: int | None, limit: int) -> list[Stored]:
        """Return up to `limit` messages in (after, before), ascending.

        Without `after` they are the last ones before `before`, or the last of all.
        """
        end = self.last + 1 if before is None else min(before, self.last + 1)
        if after is None:
            start = max(self.first, end - limit)
        else:
            start = max(self.first, after + 1)
            end = min(end, start + limit)
        return self._stored(start, max(start, end))

    def _stored(self, start: int, end: int) -> list[Stored]:
        bodies = islice(self._bodies, start - self.first, end - self.first)
        return [wire.stored(seq, body) for seq, body in enumerate(bodies, start)]


class TailMemory:
    """The tails of the rooms; over the common limit those go that nobody uses, written longest ago first."""

    def __init__(self, limit: int, has_members: Callable[[str], bool]) -> None:
        self._limit = limit
        self._has_members = has_members
        self._rooms: OrderedDict[str, RoomTail] = OrderedDict()
        self._joins: Counter[str] = Counter()
        self._messages = 0
        self.forgotten = 0  # counts what was dropped though somebody may use it: those must notice

    @contextmanager
    def kept(self, room: str) -> Iterator[None]:
        """Keep what passes in a room from now on, as if it had members: somebody joins it."""
        self._joins[room] += 1
        try:
            yield
        finally:
            self._joins[room] -= 1
            if not self._joins[room]:
                del self._joins[room]

    def get(self, room: str) -> RoomTail | None:
        """Return a room's tail; `None` where this node has not seen the room."""
        return self._rooms.get(room)

    def open(self, room: str, last: int) -> RoomTail:
        """Begin to follow a room after its message `last`; what was there is forgotten."""
        self.forget(room)
        self._shrink()
        tail = self._rooms[room] = RoomTail(last, self._limit)
        return tail

    def extend(self, room: str, tail: RoomTail, first: int, bodies: Sequence[bytes]) -> None:
        """Add the next messages of a room."""
        before = len(tail)
        tail.extend(first, bodies)
        self._messages += len(tail) - before
        self._rooms.move_to_end(room)

    def forget(self, room: str) -> None:
        """Drop a room's tail, whoever uses it."""
        if room in self._rooms:
            self._drop(room)
            self.forgotten += 1

    def forget_all(self) -> None:
        """Drop everything."""
        self._rooms.clear()
        self._messages = 0
        self.forgotten += 1

    def rooms(self) -> tuple[str, ...]:
        """Return the rooms that are followed."""
        return tuple(self._rooms)

    def _shrink(self) -> None:
        """Drop what nobody uses until the common limit holds; a room without messages weighs as one."""
        for _ in range(min(SHRINK_STEPS, len(self._rooms))):
            if self._messages + len(self._rooms) <= self._limit * ALL_ROOMS_FACTOR:
                return
            room = next(iter(self._rooms))
            if room in self._joins or self._has_members(room):
                self._rooms.move_to_end(room)
            else:
                self._drop(room)

    def _drop(self, room: str) -> None:
        self._messages -= len(self._rooms.pop(room))
