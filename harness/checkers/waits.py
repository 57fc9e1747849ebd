"""How long bots waited: while any send of a bot is under way, since its last acknowledgement.

A wait begins when a bot that has nothing under way sends, and begins anew at each acknowledgement; it is over
when nothing is under way any more.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.checkers.view import View

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """One bot's longest wait; `end_ns` is the acknowledgement, or the end of all that was under way."""

    bot: int
    began_ns: int
    end_ns: int


def longest_waits(view: View, pauses: tuple[tuple[int, int], ...] = ()) -> tuple[Wait, ...]:
    """Return the longest wait of each bot that sent anything.

    `pauses` are stretches of time that count for nobody: a wait that begins within one begins at its end.
    """
    messages = view.messages
    bots, first = np.unique(messages.bot, return_index=True)
    ends = [*first.tolist(), len(messages)][1:]
    found = []
    for bot, begin, end in zip(bots.tolist(), first.tolist(), ends, strict=True):
        own = slice(begin, end)
        invoked = messages.invoked_ns[own]
        over = np.where(messages.resolved_ns[own] >= 0, messages.resolved_ns[own], view.last_ns)
        over = np.maximum(over, invoked + 1)  # What was sent as the very last thing waits for a moment, too.
        began, ended = _waits(invoked, over, messages.acknowledged[own])
        lasted = ended - _after(began, pauses)
        longest = int(lasted.argmax())
        start = int(ended[longest] - lasted[longest])
        found.append(Wait(bot=bot, began_ns=start, end_ns=int(ended[longest])))
    return tuple(found)


def _waits(invoked: Ints, over: Ints, acknowledged: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Sweep one bot's sends; returns where its waits begin and end."""
    times = np.concatenate([invoked, over])
    changes = np.concatenate([np.ones(len(invoked), np.int64), np.full(len(over), -1)])
    acks = np.concatenate([np.zeros(len(invoked), np.bool_), acknowledged])
    order = np.lexsort((acks, changes, times))
    times, changes, acks = times[order], changes[order], acks[order]
    before = np.cumsum(changes) - changes  # under way before each edge
    ends = (before > 0) & (acks | (before + changes == 0))
    begins = acks | (before == 0)
    latest = np.maximum.accumulate(np.where(begins, np.arange(len(times)), -1))
    started = np.concatenate([[0], latest[:-1]])  # the last beginning before each edge
    at = np.flatnonzero(ends)
    return times[started[at]], times[at]


def _after(began: Ints, pauses: tuple[tuple[int, int], ...]) -> Ints:
    for first, last in sorted(pauses):
        began = np.where((began >= first) & (began <= last), last, began)
    return began
