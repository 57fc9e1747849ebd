"""What the bots sent, as columns: a row per message, attempt and answer (`messages.py` has the words).

Messages are sorted by sender and key, attempts by message and row, answers by attempt and row; `*_from`
has the first row of each message's attempts, and of each attempt's answers, and one number more.
`sends_reader.py` makes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.checkers.content import Sent
from harness.checkers.messages import Answer, Attempt, Message
from harness.checkers.names import Names
from harness.checkers.outcomes import ACKNOWLEDGED
from harness.checkers.recorded import Recorded
from harness.records.history import FLAG_DEFINITE, FLAG_DUPLICATE, Op

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """One send over one connection. `clean` attempts have no effect: definitely rejected."""

    message: Ints
    number: Ints
    row: Ints
    t_ns: Ints
    conn: Ints
    content: Ints  # the global id of what was sent
    rejected: Bools
    answers_from: Ints


@dataclass(frozen=True, kw_only=True)
class Answers:
    """How attempts ended."""

    attempt: Ints
    t_ns: Ints
    op: Ints
    flags: Ints
    text: Ints  # the global id of the epoch, or of the error or reason
    seq: Ints  # of an acknowledgement; 0 is null


@dataclass(frozen=True, kw_only=True)
class Messages:
    """A row per message. Times are -1 and epochs too where there is none; a `seq` of 0 is null."""

    bot: Ints
    key: Ints
    room: Ints
    invoked_ns: Ints
    invoked_row: Ints
    outcome: Ints
    acked_ns: Ints  # the first acknowledgement
    ack_epoch: Ints
    ack_seq: Ints
    resolved_ns: Ints  # when its sender was done with it
    reply_epoch: Ints
    reply_seq: Ints
    attempts_from: Ints
    attempts: Attempts
    answers: Answers
    texts: Sequence[str]
    sent: Mapping[int, Sent]  # by content
    by_text: Mapping[str, int]
    nodes: Mapping[tuple[int, int], str]  # by bot and connection
    recorded: Recorded
    names: Names
    oddities: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.bot)

    @property
    def acknowledged(self) -> Bools:
        """Which were acknowledged."""
        found: Bools = self.outcome == ACKNOWLEDGED
        return found

    def find(self, bot: int, key: int) -> int:
        """Return the row of a bot's message, -1 where it has not sent it."""
        code = (bot << 32) | key
        codes = (self.bot << 32) | self.key
        at = int(np.searchsorted(codes, code))
        return at if at < len(codes) and codes[at] == code else -1

    def sent_as(self, message: int) -> Sent:
        """Return what was sent first."""
        return self.sent[int(self.attempts.content[self.attempts_from[message]])]

    def identities(self, message: int) -> frozenset[tuple[str | None, int | None]]:
        """Return the `(producer, n)` under which it was sent."""
        own = slice(self.attempts_from[message], self.attempts_from[message + 1])
        return frozenset(
            (sent.producer, sent.n) for c in self.attempts.content[own].tolist() if (sent := self.sent[c])
        )

    def story(self, message: int) -> Message:
        """Return one message with all its attempts and answers, for a witness."""
        first = self.sent_as(message)
        own = range(int(self.attempts_from[message]), int(self.attempts_from[message + 1]))
        return Message(
            bot=int(self.bot[message]),
            key=int(self.key[message]),
            room=first.room,
            text=first.text,
            reply_to=first.reply_to,
            attempts=tuple(self._attempt(attempt) for attempt in own),
        )

    def _attempt(self, attempt: int) -> Attempt:
        table = self.attempts
        bot, conn = int(self.bot[table.message[attempt]]), int(table.conn[attempt])
        sent = self.sent[int(table.content[attempt])]
        own = range(int(table.answers_from[attempt]), int(table.answers_from[attempt + 1]))
        return Attempt(
            number=int(table.number[attempt]),
            conn=conn,
            node=self.nodes.get((bot, conn), ""),
            invoked_ns=int(table.t_ns[attempt]),
            producer=sent.producer,
            n=sent.n,
            answers=tuple(self._answer(answer) for answer in own),
        )

    def _answer(self, answer: int) -> Answer:
        table = self.answers
        op, t_ns, text = Op(int(table.op[answer])), int(table.t_ns[answer]), int(table.text[answer])
        flags = int(table.flags[answer])
        if op is Op.SEND_OK:
            epoch = self.recorded.string(text)
            duplicate = bool(flags & FLAG_DUPLICATE)
            return Answer(t_ns=t_ns, op=op, epoch=epoch, seq=int(table.seq[answer]), duplicate=duplicate)
        definite = op is Op.SEND_FAILED and bool(flags & FLAG_DEFINITE)
        return Answer(t_ns=t_ns, op=op, definite=definite, reason=self.recorded.text(text))
