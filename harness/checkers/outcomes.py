"""What became of each message, in its sender's eyes: from its attempts and their answers, in columns.

*Acknowledged*, *rejected* and *indeterminate* are defined in `messages.py`. A sender is *done with* a message
when it was acknowledged or rejected. It is done with an indeterminate one, too, which stays so for good,

- after an answer that no repetition mends (`is_hopeless`);
- or when it *abandoned* it: the cluster has forgotten the producer, and may have had the message. So it is
  where the last answer of all was `out_of_order`, and the sender, later than its last attempt, sent anything
  in that room under another producer: it never goes back to one that it gave up. Messages that may not be in
  the log move with it to the new producer, and then that is their last attempt's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.checkers.content import Sent
from harness.checkers.messages import Outcome, is_hopeless
from harness.checkers.recorded import Recorded, Taken
from harness.records.codes import OUT_OF_ORDER
from harness.records.history import FLAG_DEFINITE, Op

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
ACKNOWLEDGED, REJECTED, INDETERMINATE = 0, 1, 2
OUTCOMES = (Outcome.ACKNOWLEDGED, Outcome.REJECTED, Outcome.INDETERMINATE)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """Attempts, sorted by message and row, and their answers, sorted by attempt and row.

    `message` is each attempt's, `attempt` each answer's. Messages are numbered by sender, then by key;
    `attempts_from` has the first attempt of each, and one number more.
    """

    bot: Ints  # of each message
    room: Ints  # of each message
    attempts_from: Ints
    invokes: Taken
    message: Ints
    answers: Taken
    attempt: Ints
    sent: dict[int, Sent]  # by content
    recorded: Recorded

    def producer(self, attempt: int) -> str | None:
        """Return the producer under which an attempt was made."""
        return self.sent[int(self.invokes.events["a"][attempt])].producer

    def refusals(self) -> Ints:
        """Return the answers that are refusals."""
        return np.flatnonzero(self.answers.events["op"] == Op.SEND_FAILED)


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """A row per message, but for `rejected`, which has one per attempt. -1: never, none."""

    outcome: Ints
    acked_ns: Ints
    ack_answer: Ints  # the first acknowledgement
    resolved_ns: Ints  # when its sender was done with it
    rejected: Bools  # the attempts that had and will have no effect


def read_outcomes(tried: Tried) -> Outcomes:
    """Decide what became of every message."""
    count = len(tried.bot)
    acked_ns, ack_answer = _first_acks(tried, count)
    rejected = _rejected(tried)
    all_rejected = np.bincount(tried.message, ~rejected, count) == 0
    outcome = np.where(acked_ns >= 0, ACKNOWLEDGED, np.where(all_rejected, REJECTED, INDETERMINATE))
    done = (outcome != INDETERMINATE) | _hopeless(tried, count)
    for message in np.flatnonzero(~done).tolist():
        done[message] = _abandoned(tried, message)
    return Outcomes(
        outcome=outcome.astype(np.int64),
        acked_ns=acked_ns,
        ack_answer=ack_answer,
        resolved_ns=_resolved(tried, done, acked_ns),
        rejected=rejected,
    )


def _first_acks(tried: Tried, count: int) -> tuple[Ints, Ints]:
    """Return the time and the answer of each message's first acknowledgement, -1 where there is none."""
    acked_ns, answer = np.full(count, -1, np.int64), np.full(count, -1, np.int64)
    events = tried.answers.events
    acks = np.flatnonzero(events["op"] == Op.SEND_OK)
    whose = tried.message[tried.attempt[acks]] if len(acks) else np.empty(0, np.int64)
    order = np.lexsort((acks, events["t_ns"][acks], whose))[::-1]
    acked_ns[whose[order]] = events["t_ns"][acks[order]]
    answer[whose[order]] = acks[order]
    return acked_ns, answer


def _rejected(tried: Tried) -> Bools:
    rejected = np.zeros(len(tried.message), np.bool_)
    refusals = tried.refusals()
    definite = refusals[(tried.answers.events["flags"][refusals] & FLAG_DEFINITE) > 0]
    rejected[tried.attempt[definite]] = True
    return rejected


def _hopeless(tried: Tried, count: int) -> Bools:
    """Return which messages got an answer after which their sender gives them up."""
    hopeless = np.zeros(count, np.bool_)
    refusals = tried.refusals()
    events = tried.answers.events[refusals]
    reasons, places = np.unique(events["c"], return_inverse=True)
    definite = (events["flags"] & FLAG_DEFINITE) > 0
    for is_definite in (False, True):
        ends = np.array(
            [is_hopeless(tried.recorded.text(r), definite=is_definite) for r in reasons.tolist()], np.bool_
        )
        chosen = (definite == is_definite) & (ends[places] if len(ends) else False)
        hopeless[tried.message[tried.attempt[refusals[chosen]]]] = True
    return hopeless


def _abandoned(tried: Tried, message: int) -> bool:
    first, end = tried.attempts_from[message : message + 2].tolist()
    own = np.arange(*np.searchsorted(tried.attempt, [first, end]))
    if len(np.unique(tried.attempt[own])) < end - first:
        return False  # One is not answered yet, and decides.
    answers = tried.answers.events[own]
    last = answers[np.argmax(answers["t_ns"])]
    code = tried.recorded.text(int(last["c"])).partition(":")[0]
    if last["op"] != Op.SEND_FAILED or code != OUT_OF_ORDER:
        return False
    return _went_on(tried, message, end - 1)


def _went_on(tried: Tried, message: int, last: int) -> bool:
    """Whether, after a message's last attempt, its sender sent in the room under another producer."""
    of_room = (tried.bot == tried.bot[message]) & (tried.room == tried.room[message])
    later = np.flatnonzero(of_room[tried.message] & (tried.invokes.row > tried.invokes.row[last]))
    producer = tried.producer(last)
    return any(tried.producer(attempt) != producer for attempt in later.tolist())


def _resolved(tried: Tried, done: Bools, acked_ns: Ints) -> Ints:
    """Return when each message's sender was done with it, -1 where it never was."""
    last = np.full(len(done), -1, np.int64)
    np.maximum.at(last, tried.message[tried.attempt], tried.answers.events["t_ns"].astype(np.int64))
    return np.where(acked_ns >= 0, acked_ns, np.where(done, last, -1))
