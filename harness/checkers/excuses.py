"""What excuses the absence of an acknowledged message: narrow, counted, and shown.

- *A destroyed log.* A fault of the plan that destroys the log (trait `destroys-log`) and was proven takes
  with it what lies past the surviving head. A message is excused if its acknowledged place is gone
  (`positions.py`), it was acknowledged before the fault was over, and no bot resumed in its room from a
  cursor past the surviving end with `recovered: true`: who was told that nothing is missing was lied to.
- *Retention.* Where the plan keeps only the last `retention` messages of a room, those before them are.

Restart, kill and pause excuse nothing.
"""

import numpy as np
from numpy.typing import NDArray

from harness.checkers.positions import Ends
from harness.checkers.view import View


def excused(view: View) -> NDArray[np.bool_]:
    """Return which messages nobody need find."""
    return _destroyed(view) | _trimmed(view)


def _destroyed(view: View) -> NDArray[np.bool_]:
    messages = view.messages
    found = np.zeros(len(messages), np.bool_)
    windows = [w for w in view.windows if "destroys-log" in w.plan.traits and w.proved is not None]
    if not windows:
        return found
    over = max(w.ended_ns if w.ended_ns is not None else view.last_ns for w in windows)
    for room, ends in view.places.ends.items():
        if _lied_to(view, room, ends):
            continue
        own = np.flatnonzero((messages.room == view.room_number(room)) & (messages.acked_ns >= 0))
        for message in own[messages.acked_ns[own] <= over].tolist():
            epoch = view.names.epochs.name(int(messages.ack_epoch[message]))
            found[message] = ends.is_gone(epoch, int(messages.ack_seq[message]))
    return found


def _lied_to(view: View, room: str, ends: Ends) -> bool:
    return any(
        join.recovered and join.cursor_seq is not None and ends.is_gone(join.cursor_epoch, join.cursor_seq)
        for join in view.joins
        if join.room == room and join.accepted_ns is not None
    )


def _trimmed(view: View) -> NDArray[np.bool_]:
    messages = view.messages
    found = np.zeros(len(messages), np.bool_)
    kept = view.plan.cluster.retention
    if kept is None:
        return found
    for room in view.plan.rooms:
        heads = [view.contents.seq[read.contents].max(initial=0) for read in view.stores(room)]
        head = int(max(heads, default=0))
        own = messages.room == view.room_number(room)
        found |= own & (messages.ack_seq > 0) & (messages.ack_seq <= head - kept)
    return found
