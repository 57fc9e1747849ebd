"""Places in the logs: the order of a room's epochs, where they end, and which places are gone.

When Redis loses the end of its log, the cluster seals the epoch there and goes on in a new one. What had
been told of the old epoch beyond that end is *gone*: the message is not in the log (which is for
acked-durable to say), so its old place neither contradicts a new one nor leaves a hole.

A *place* of a room is one number: the rank of the epoch, then `seq`; places of one room compare as the log
goes. -1: there is none, or nobody knows where its epoch lies.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.checkers.view import View

Ints = NDArray[np.int64]
Column = NDArray[np.signedinteger]
Order = Mapping[str | None, int]
SEQ_BITS = 53
MOST_RANKS = 1 << 10  # a log of more epochs than that is compared within the first ones only


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the epochs of a room end that are over: at 0 where nothing of an epoch is left."""

    of_epoch: Mapping[str, int]
    current: str

    def is_gone(self, epoch: str | None, seq: int) -> bool:
        """Whether a place lies past the end of its epoch. An epoch of which nobody knows has no end."""
        return epoch is not None and epoch != self.current and seq > self.of_epoch.get(epoch, seq)


@dataclass(frozen=True)
class Places:
    """All places of a run. `of_content` and `gone` are by content."""

    view: View

    @cached_property
    def orders(self) -> Mapping[int, NDArray[np.int64]]:
        """The rank of every epoch, by room of the plan; -1 where it is not known."""
        names = self.view.names
        found = {}
        for number, room in enumerate(self.view.plan.rooms):
            ranks = np.full(len(names.epochs) + 1, -1, np.int64)  # the last stands for "none"
            for epoch, rank in order_of(self.view, room).items():
                if rank < MOST_RANKS:
                    ranks[names.epoch(epoch)] = rank
            found[number] = ranks
        return found

    @cached_property
    def of_content(self) -> Ints:
        """The place of each content."""
        contents = self.view.contents
        found = np.full(len(contents), -1, np.int64)
        for room, ranks in self.orders.items():
            own = np.flatnonzero((contents.room == room) & (contents.seq > 0))
            found[own] = _combined(ranks[contents.epoch[own]], contents.seq[own])
        return found

    @cached_property
    def of_ack(self) -> Ints:
        """The place that each message's first acknowledgement names."""
        messages = self.view.messages
        found = np.full(len(messages), -1, np.int64)
        for room, ranks in self.orders.items():
            own = np.flatnonzero((messages.room == room) & (messages.ack_seq > 0))
            found[own] = _combined(ranks[messages.ack_epoch[own]], messages.ack_seq[own])
        return found

    @cached_property
    def of_message(self) -> Ints:
        """The place of each message: as the stores list it (of two, the first), else as acknowledged, else as
        anyone saw it. One more entry, -1, for no message.
        """
        contents = self.view.contents
        found = np.full(len(self.view.messages) + 1, -1, np.int64)
        seen = np.flatnonzero((contents.owner >= 0) & (self.of_content >= 0) & ~self.gone)
        found[contents.owner[seen]] = self.of_content[seen]
        acked = np.flatnonzero(self.of_ack >= 0)
        found[acked] = self.of_ack[acked]
        for room in self.view.plan.rooms:
            for read in self.view.stores(room):
                own = read.contents[contents.owner[read.contents] >= 0]
                own = own[self.of_content[own] >= 0][::-1]
                found[contents.owner[own]] = self.of_content[own]
        found[-1] = -1
        return found

    def place(self, room: str, epoch: str | None, seq: int) -> int:
        """Return one place."""
        names = self.view.names
        ranks = self.orders.get(names.rooms.number(room))
        number = names.epoch(epoch)
        if ranks is None or epoch is None or number >= len(ranks) - 1 or ranks[number] < 0:
            return -1
        return (int(ranks[number]) << SEQ_BITS) | seq

    @cached_property
    def ends(self) -> Mapping[str, Ends]:
        """The ends in each room whose final store reads are settled and list anything."""
        found = {room: _ends(self.view, room) for room in self.view.plan.rooms}
        return {room: ends for room, ends in found.items() if ends is not None}

    @cached_property
    def gone(self) -> NDArray[np.bool_]:
        """Which contents name a place that is gone."""
        contents = self.view.contents
        return self.are_gone(contents.room, contents.epoch, contents.seq)

    def are_gone(self, room: Column, epoch: Column, seq: Ints) -> NDArray[np.bool_]:
        """Return which of these places are gone; a `seq` of 0 is no place."""
        gone = np.zeros(len(seq), np.bool_)
        for name, ends in self.ends.items():
            if set(ends.of_epoch) == {ends.current}:
                continue  # Nothing ended.
            own = np.flatnonzero((room == self.view.room_number(name)) & (seq > 0))
            limits = np.array(
                [_limit(ends, known) for known in [*self.view.names.epochs.names, None]], np.int64
            )
            gone[own] = seq[own] > limits[epoch[own]]
        return gone


def _combined(ranks: Ints, seqs: Ints) -> Ints:
    return np.where(ranks >= 0, (ranks << SEQ_BITS) | seqs, -1)


def _limit(ends: Ends, epoch: str | None) -> int:
    largest = int(np.iinfo(np.int64).max)
    return largest if epoch is None or epoch == ends.current else ends.of_epoch.get(epoch, largest)


def _ends(view: View, room: str) -> Ends | None:
    contents, number = view.contents, view.names.rooms.number(room)
    reads = list(view.stores(room))
    if not reads or not all(read.settled for read in reads):
        return None
    listed = np.unique(np.concatenate([read.contents for read in reads]))
    listed = listed[
        (contents.room[listed] == number) & (contents.epoch[listed] >= 0) & (contents.seq[listed] > 0)
    ]
    if not len(listed):
        return None
    last = {
        epoch: int(contents.seq[listed[contents.epoch[listed] == view.names.epoch(epoch)]].max())
        for epoch in _epochs(view, listed)
    }
    current = max(last, key=lambda epoch: last[epoch])
    if contents.seq[listed].min() == 1:  # Nothing was trimmed: what is not there was lost.
        for epoch in _lived_in(view, room) - last.keys():
            last[epoch] = 0
    return Ends(last, current)


def _epochs(view: View, contents: Column) -> list[str]:
    numbers, first = np.unique(view.contents.epoch[contents], return_index=True)
    return [view.names.epochs.names[number] for number in numbers[np.argsort(first)].tolist()]


def _lived_in(view: View, room: str) -> set[str]:
    """Return the epochs in which the cluster let bots into a room, and delivered to them."""
    joins = (join for bot in view.bots.values() for join in bot.joins if join.accepted_ns is not None)
    joined = {join.epoch for join in joins if join.room == room and join.epoch is not None}
    own = np.flatnonzero((view.contents.room == view.names.rooms.number(room)) & (view.contents.epoch >= 0))
    return joined & set(_epochs(view, own))


def order_of(view: View, room: str) -> Order:
    """Return the rank of each epoch of a room, as the final store reads list them.

    A room whose log is empty, or was not read, has the epochs that joins and acknowledgements named, all
    in one rank if it is a single one; several of them cannot be ordered, and are left out.
    """
    ranks: dict[str | None, int] = {}
    contents, number = view.contents, view.names.rooms.number(room)
    for read in view.stores(room):
        own = read.contents
        own = own[(contents.room[own] == number) & (contents.epoch[own] >= 0)]
        for epoch in _epochs(view, own):
            ranks.setdefault(epoch, len(ranks))
    if ranks:
        return ranks
    named: Iterable[str | None] = {member.epoch for member in view.memberships() if member.room == room} - {
        None
    }
    named = list(named)
    return dict.fromkeys(named, 0) if len(named) == 1 else {}
