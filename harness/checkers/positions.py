"""Places in the logs: the order of a room's epochs, where they end, and which places are gone.

When Redis loses the end of its log, the cluster seals the epoch there and goes on in a new one. What had
been told of the old epoch beyond that end is *gone*: the message is not in the log (which is for
acked-durable to say), so its old place neither contradicts a new one nor leaves a hole.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.checkers.content import Received
from harness.checkers.view import View

Order = Mapping[str | None, int]


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the epochs of a room end that are over: at 0 where nothing of an epoch is left."""

    of_epoch: Mapping[str, int]
    current: str

    def is_gone(self, epoch: str, seq: int) -> bool:
        """Whether a place lies past the end of its epoch. An epoch of which nobody knows has no end."""
        return epoch != self.current and seq > self.of_epoch.get(epoch, seq)


def ends_of(view: View) -> Mapping[str, Ends]:
    """Return the ends in each room whose final store reads are settled and list anything."""
    found = {room: _ends(view, room) for room in view.plan.rooms}
    return {room: ends for room, ends in found.items() if ends is not None}


def is_gone(ends: Mapping[str, Ends], content: Received) -> bool:
    """Whether somebody saw this at a place that is gone."""
    of_room = ends.get(content.room or "")
    if of_room is None or content.epoch is None or not content.seq:
        return False
    return of_room.is_gone(content.epoch, content.seq)


def _ends(view: View, room: str) -> Ends | None:
    reads = list(view.stores(room))
    listed = [c for read in reads for c in read.contents if c.room == room and c.epoch and c.seq]
    if not listed or not all(read.settled for read in reads):
        return None
    last: dict[str, int] = {}
    for content in listed:
        assert content.epoch is not None
        last[content.epoch] = max(content.seq, last.get(content.epoch, 0))
    current = max(last, key=lambda epoch: last[epoch])
    if min(content.seq for content in listed) == 1:  # Nothing was trimmed: what is not there was lost.
        for epoch in _lived_in(view, room) - last.keys():
            last[epoch] = 0
    return Ends(last, current)


def _lived_in(view: View, room: str) -> set[str]:
    """Return the epochs in which the cluster let bots into a room, and delivered to them."""
    joins = (join for bot in view.bots.values() for join in bot.joins if join.accepted_ns is not None)
    joined = {join.epoch for join in joins if join.room == room and join.epoch is not None}
    return joined & {r.content.epoch for r in view.receipts() if r.content.room == room}


def order_of(view: View, room: str) -> Order:
    """Return the rank of each epoch of a room, as the final store reads list them.

    A room whose log is empty, or was not read, has the epochs that joins and acknowledgements named, all
    in one rank if it is a single one; several of them cannot be ordered, and are left out.
    """
    ranks: dict[str | None, int] = {}
    for read in view.stores(room):
        for content in read.contents:
            if content.room == room and content.epoch is not None:
                ranks.setdefault(content.epoch, len(ranks))
    if ranks:
        return ranks
    named = {member.epoch for member in view.memberships() if member.room == room} - {None}
    return dict.fromkeys(named, 0) if len(named) == 1 else {}
