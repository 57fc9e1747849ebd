"""availability: sends succeed outside declared outages, and the longest time that a bot waits with none
acknowledged stays within its budget.

- *Sends*: of the messages whose first invoke and the 5 s after it lie outside every declared outage
  (`fault_windows.py`; from the inject to the proven heal), at least 99.9 % are acknowledged within 5 s
  of the first invoke, resends included. Where they are fewer, each that was not is a violation. A message
  that was refused for what it is (too long, malformed, not allowed) is its sender's fault and not counted.
- *Waits*: a wait runs while a bot has sends under way, and begins anew at each acknowledgement. None may be
  longer than `limits.longest_wait`; what of it lies in a declared outage does not count.

What was sent less than 5 s before the end of the record, and not answered, is not counted.

Counted are messages, and bots that waited. Without any message: unknown.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.checkers import operations, stories
from harness.checkers.findings import Tally
from harness.checkers.outcomes import REJECTED
from harness.checkers.view import View
from harness.checkers.waits import Wait, longest_waits
from harness.clock import NS
from harness.records.codes import GIVE_UP
from harness.records.history import Op
from harness.records.verdict import Property, Witness

NAME = "availability"
PATIENCE_NS = 5 * NS
ALLOWED = 0.001


def check(view: View) -> Property:
    """Compare every send with its patience, and every bot's longest wait with the budget."""
    tally = Tally(name=NAME, counted="messages outside declared outages, and bots that waited")
    counted = _counted(view)
    messages = view.messages
    took = np.where(messages.acked_ns >= 0, messages.acked_ns - messages.invoked_ns, np.iinfo(np.int64).max)
    late = np.flatnonzero(counted & (took > PATIENCE_NS))
    total = int(np.count_nonzero(counted))
    tally.checked = total
    if len(late) > ALLOWED * total:
        for message in late.tolist():
            tally.violated(partial(_unanswered, view, message))
    limit_ns = int(view.plan.limits.longest_wait_s * NS)
    for wait in longest_waits(view, _outages(view)):
        tally.checked += 1
        if wait.end_ns - wait.began_ns > limit_ns:
            tally.violated(partial(_waited, view, wait))
    return tally.finding("" if total else "no message was sent outside declared outages")


def _outages(view: View) -> tuple[tuple[int, int], ...]:
    return tuple(
        (window.began_ns, window.ended_ns if window.ended_ns is not None else view.last_ns)
        for window in view.outages
        if window.began_ns is not None
    )


def _counted(view: View) -> NDArray[np.bool_]:
    messages = view.messages
    invoked = messages.invoked_ns
    counted = ~_own_fault(view)
    for first, last in _outages(view):
        counted &= (invoked > last) | (invoked + PATIENCE_NS < first)
    unanswered = (messages.acked_ns < 0) & (invoked + PATIENCE_NS > view.last_ns)
    return counted & ~(unanswered & (messages.resolved_ns < 0))


def _own_fault(view: View) -> NDArray[np.bool_]:
    """Return the messages that were rejected for what they are."""
    messages = view.messages
    failed = np.flatnonzero(messages.answers.op == Op.SEND_FAILED)
    reasons, places = np.unique(messages.answers.text[failed], return_inverse=True)
    final = np.array(
        [view.recorded.text(reason).partition(":")[0] in GIVE_UP for reason in reasons.tolist()], np.bool_
    )
    found = np.zeros(len(messages), np.bool_)
    if len(failed):
        whose = messages.attempts.message[messages.answers.attempt[failed[final[places]]]]
        found[whose] = True
    found &= messages.outcome == REJECTED
    return found


def _unanswered(view: View, message: int) -> Witness:
    about = view.message(message)
    acked = int(view.messages.acked_ns[message])
    took = f"only {(acked - about.invoked_ns) / NS:.2f} s later" if acked >= 0 else "never"
    story = (
        f"{stories.message(view, about)} was sent at {stories.at(view, about.invoked_ns)}"
        f"{stories.beside_fault(view, about.invoked_ns)}, outside every declared outage, and "
        f"acknowledged {took}"
    )
    return operations.witness(story, operations.sends(view, about), about.invoked_ns)


def _waited(view: View, wait: Wait) -> Witness:
    bot = view.bots[wait.bot]
    story = (
        f"{bot.name} had sends under way for {(wait.end_ns - wait.began_ns) / NS:.2f} s from "
        f"{stories.at(view, wait.began_ns)}{stories.beside_fault(view, wait.began_ns)} with none "
        f"acknowledged; {view.plan.limits.longest_wait_s:g} s are allowed"
    )
    rooms = {join.room for join in bot.joins}
    lines = [
        line for room in rooms for line in operations.whereabouts(view, bot, room, wait.began_ns, wait.end_ns)
    ]
    return operations.witness(story, lines, wait.began_ns)
