"""Where a bot stands in a room's log: the last contiguous position that it received.

The rules, and they are all of them:

- A position counts as received when its message came, live or in a `message_history`; the
  acknowledgement of the bot's own send says nothing about what it received.
- The cursor moves from `seq` to `seq` + 1 only. What comes ahead of a gap is kept in mind, so that the
  cursor jumps over it as soon as the gap is filled; what came before is a duplicate and moves nothing.
- A `message_history` that is not a recovery (`recovered: false`) is a snapshot: the cursor begins anew
  before its first message, in its epoch. An empty one leaves the position open until the join's
  acknowledgement says how far the history reached, or the first live message comes.
- A history that is a recovery may come in a newer epoch: the log went on after the cursor's epoch was
  sealed, and the cursor goes with it, where what comes follows right after the cursor (or nothing does).
  What was kept in mind beyond a gap belonged to the old epoch, and is dropped.
- A live message of an epoch that no history announced moves nothing.
- The pub/sub cluster has no positions (`epoch` and `seq` are null): there is never a cursor.
"""

from collections.abc import Iterable


class Cursor:
    """One room's cursor. `position` is what a join is to carry, `None` where there is none."""

    def __init__(self) -> None:
        self._epoch: str | None = None
        self._seq: int | None = None
        self._ahead: set[int] = set()
        self._more = False

    @property
    def position(self) -> tuple[str, int] | None:
        """The epoch and the last contiguous position."""
        return None if self._epoch is None or self._seq is None else (self._epoch, self._seq)

    def live(self, epoch: str | None, seq: int | None) -> None:
        """A live message came."""
        if epoch is None or seq is None or epoch != self._epoch:
            return
        if self._seq is None:
            self._seq = seq - 1
        self._receive(seq)

    def history(
        self, epoch: str | None, seqs: Iterable[int | None], *, recovered: bool, more: bool
    ) -> tuple[int, int] | None:
        """One `message_history` came, of which there are several while `more` is true.

        Returns what a snapshot leaves out, as exclusive bounds: the old cursor's position and that of the
        snapshot's first message. `None`: nothing is left out.
        """
        positions = [seq for seq in seqs if seq is not None]
        begins, before = not self._more, self._seq
        self._more = more
        if epoch is None:
            return None
        if begins and not recovered:
            self._epoch, self._seq, self._ahead = epoch, None, set()
        elif begins and self._follows(positions):
            self._go_on_in(epoch)
        if epoch == self._epoch:
            self._take(positions)
        if not begins or recovered or before is None or not positions or positions[0] <= before + 1:
            return None
        return before, positions[0]

    def joined(self, epoch: str | None, seq: int | None) -> None:
        """The join was acknowledged: its history reaches `seq`, which matters where it was empty."""
        self._more = False
        if epoch is None or seq is None or self.position is not None:
            return
        if self._epoch in (None, epoch):
            self._epoch, self._seq = epoch, seq

    def cut_off(self) -> None:
        """The connection is gone, and with it the rest of a history that was coming."""
        self._more = False

    def has_reached(self, epoch: str | None, seq: int) -> bool:
        """Whether everything up to a room's head was received."""
        if seq == 0 or epoch is None:
            return True
        return self._epoch == epoch and self._seq is not None and self._seq >= seq

    def _follows(self, positions: list[int]) -> bool:
        return self._seq is not None and (not positions or positions[0] <= self._seq + 1)

    def _go_on_in(self, epoch: str) -> None:
        if epoch != self._epoch:
            self._epoch, self._ahead = epoch, set()

    def _take(self, positions: list[int]) -> None:
        if self._seq is None and positions:
            self._seq = positions[0] - 1
        for seq in positions:
            self._receive(seq)

    def _receive(self, seq: int) -> None:
        assert self._seq is not None
        if seq <= self._seq:
            return
        if seq > self._seq + 1:
            self._ahead.add(seq)
            return
        self._seq = seq
        while self._ahead and self._seq + 1 in self._ahead:
            self._seq += 1
            self._ahead.remove(self._seq)
