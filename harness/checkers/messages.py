"""Messages as their senders know them: attempts, answers, outcome. All of them lie in columns (`sends.py`);
these records are made of one message when a witness tells its story.

A message is *acknowledged* when any of its attempts was, however late; *rejected* when every attempt
was definitely rejected; else *indeterminate*: it may be in the log or not, and either is right.
"""

from dataclasses import dataclass
from enum import StrEnum

from harness.records.codes import GIVE_UP, OUT_OF_ORDER, RETRY
from harness.records.history import Op


class Outcome(StrEnum):
    """What became of a message, in its sender's eyes."""

    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """How an attempt ended: SEND_OK, SEND_FAILED or SEND_LOST. `seq` of 0 means null."""

    t_ns: int
    op: Op
    epoch: str | None = None
    seq: int = 0
    duplicate: bool = False
    definite: bool = False
    reason: str = ""


def is_hopeless(reason: str, *, definite: bool) -> bool:
    """Whether a refusal is one after which the sender gives the message up."""
    code = reason.partition(":")[0]
    return code in GIVE_UP or (definite and code not in RETRY and code != OUT_OF_ORDER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One send over one connection. An acknowledgement may follow a SEND_LOST: it came late."""

    number: int
    conn: int
    node: str
    invoked_ns: int
    producer: str | None
    n: int | None
    answers: tuple[Answer, ...]

    @property
    def acknowledged(self) -> Answer | None:
        """The first acknowledgement."""
        return next((answer for answer in self.answers if answer.op is Op.SEND_OK), None)

    @property
    def definitely_rejected(self) -> bool:
        """It had and will have no effect."""
        return any(answer.op is Op.SEND_FAILED and answer.definite for answer in self.answers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message of a bot; `key` numbers them from 1. `room` is the logical name."""

    bot: int
    key: int
    room: str
    text: str
    reply_to: str
    attempts: tuple[Attempt, ...]

    @property
    def outcome(self) -> Outcome:
        if any(attempt.acknowledged for attempt in self.attempts):
            return Outcome.ACKNOWLEDGED
        if all(attempt.definitely_rejected for attempt in self.attempts):
            return Outcome.REJECTED
        return Outcome.INDETERMINATE

    @property
    def acknowledged(self) -> bool:
        """Whether any attempt was acknowledged."""
        return self.outcome is Outcome.ACKNOWLEDGED

    @property
    def invoked_ns(self) -> int:
        """When its first attempt was invoked."""
        return self.attempts[0].invoked_ns

    @property
    def first_ack(self) -> tuple[Attempt, Answer] | None:
        """The earliest acknowledgement and the attempt that got it."""
        acks = ((attempt, attempt.acknowledged) for attempt in self.attempts)
        return min(
            ((attempt, ack) for attempt, ack in acks if ack), key=lambda pair: pair[1].t_ns, default=None
        )

    @property
    def acks(self) -> tuple[tuple[Attempt, Answer], ...]:
        """Every acknowledgement, of all attempts."""
        return tuple(
            (attempt, answer)
            for attempt in self.attempts
            for answer in attempt.answers
            if answer.op is Op.SEND_OK
        )
