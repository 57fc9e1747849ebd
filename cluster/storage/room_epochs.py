"""The epochs of a room, and which cursors can be resumed; `delivery/epochs.py` has the rules of epochs."""

from collections.abc import Mapping
from dataclasses import dataclass

from cluster.protocol import Position


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomEpochs:
    """The epochs of a room. `order`: all there ever were; `firsts`: of those with messages in the room."""

    order: tuple[str, ...]
    firsts: Mapping[str, int]
    head: int

    def extents(self) -> tuple[tuple[str, int, int], ...]:
        """Return (epoch, first seq, last seq) of each epoch that has messages, oldest first."""
        begun = sorted(self.firsts.items(), key=lambda item: item[1])
        starts = [*(first for _, first in begun), self.head + 1]
        return tuple(
            (epoch, first, after - 1) for (epoch, first), after in zip(begun, starts[1:], strict=True)
        )

    def end_of(self, epoch: str) -> int | None:
        """Return the last seq up to which an epoch was told to anybody; `None` where it is unknown."""
        if epoch not in self.order:
            return None
        later = self.order[self.order.index(epoch) + 1 :]
        return min([self.firsts[e] - 1 for e in later if e in self.firsts], default=self.head)


def resumable(cursor: Position, epochs: RoomEpochs, oldest: int | None) -> bool:
    """Tell whether all after a cursor is there and follows what its owner has.

    `oldest` is the first message kept. There are three causes to refuse, and no other: the epoch is
    unknown, the cursor lies past its end, or what follows it was trimmed.
    """
    end = epochs.head if cursor.epoch is None else epochs.end_of(cursor.epoch)
    kept = cursor.seq == epochs.head or (oldest is not None and oldest <= cursor.seq + 1)
    return end is not None and cursor.seq <= end and kept
