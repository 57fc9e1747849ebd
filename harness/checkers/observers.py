"""Who saw a room's messages in which order, where the cluster gives no positions (the pub/sub mode).

An observer is a bot by its live receipts, or a node by a final read. Its order is that of first sights, as
numbers of the room's messages (`View.rank`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.checkers.receipts import LIVE
from harness.checkers.view import View


@dataclass(frozen=True, slots=True, eq=False)
class Observer:
    """`order` has the ranks of the messages that it saw, in the order of its first sights."""

    who: str
    order: NDArray[np.int64]
    bot: int | None = None


def observers(view: View, room: str) -> list[Observer]:
    """Return everyone who saw anything in a room."""
    return [observer for observer in _all(view, room) if len(observer.order)]


def _all(view: View, room: str) -> Iterator[Observer]:
    table, number = view.receipts, view.room_number(room)
    for bot, stay in table.stays(number):
        live = table.content[stay][table.via[stay] == LIVE]
        yield Observer(view.name(bot), first_sights(view.rank[live]), bot)
    of_room = np.append(view.contents.room == number, False)
    for read in view.finals.reads.values():
        if read.room == room:
            own = view.contents.message[read.contents]
            here = read.contents[(own >= 0) & of_room[read.contents]]
            yield Observer(f"{read.node}'s {read.source}", first_sights(view.rank[here]))


def first_sights(ranks: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the different ranks in the order of their first appearance; -1 is nobody's message."""
    own = ranks[ranks >= 0]
    _, first = np.unique(own, return_index=True)
    return own[np.sort(first)].astype(np.int64)


def place_of(order: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return when each of a room's messages was seen, -1 for never."""
    places = np.full(count, -1, np.int64)
    places[order] = np.arange(len(order))
    return places


def agree(all_of_them: list[Observer], count: int) -> bool:
    """Whether all orders are parts of the longest one, which settles every pair at once."""
    longest = max(all_of_them, key=lambda observer: len(observer.order))
    places = place_of(longest.order, count)
    return all(
        bool((places[observer.order] >= 0).all() and (np.diff(places[observer.order]) > 0).all())
        for observer in all_of_them
    )
