"""What the bots sent, as columns: a row per message, attempt and answer (`messages.py` has the words).

Messages are sorted by sender and key, attempts by message and row, answers by attempt and row; `*_from`
has the first row of each message's attempts, and of each attempt's answers, and one number more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.checkers.content import NotSent, Sent, parse_sent
from harness.checkers.messages import Answer, Attempt, Message, Outcome, is_hopeless
from harness.checkers.names import Names
from harness.checkers.recorded import SENDS, Recorded, Taken
from harness.records.codes import OUT_OF_ORDER
from harness.records.history import FLAG_DEFINITE, FLAG_DUPLICATE, Op
from harness.records.plan import wire_name
from harness.records.token import Token, carries

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
LARGEST_NUMBER = (1 << 20) - 1  # of an attempt: nobody sends a message a million times
ACKNOWLEDGED, REJECTED, INDETERMINATE = 0, 1, 2
OUTCOMES = (Outcome.ACKNOWLEDGED, Outcome.REJECTED, Outcome.INDETERMINATE)


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


def read_messages(
    recorded: Recorded, names: Names, bots: Mapping[int, str], nodes: Mapping[tuple[int, int], str]
) -> Messages:
    """Read every send of the plan's bots, and what in them makes no sense."""
    taken = recorded.taken.of(*SENDS)
    ours = np.isin(taken.events["bot"], list(bots))
    taken = Taken(taken.row[ours], taken.events[ours])
    oddities: list[str] = []
    invokes = taken.of(Op.SEND)
    sent = _parse(recorded, names.run_id, invokes, oddities)
    invokes = _latest(_sound(invokes, sent))
    codes, message = np.unique(_code(invokes.events, "c"), return_inverse=True)
    order = np.lexsort((invokes.row, message))
    invokes, message = Taken(invokes.row[order], invokes.events[order]), message[order].astype(np.int64)
    attempts_from = _starts(message, len(codes))
    number = np.minimum(invokes.events["b"].astype(np.int64), LARGEST_NUMBER)
    answers, answered = _match(taken, codes, message, number, invokes.row, oddities)
    first = attempts_from[:-1]
    contents = invokes.events["a"].astype(np.int64)
    _note_changed_contents(codes, message, contents, first, sent, oddities)
    acks = _first_acks(answers, answered, message, len(codes))
    rejected = np.zeros(len(message), np.bool_)
    definite = (answers.events["op"] == Op.SEND_FAILED) & ((answers.events["flags"] & FLAG_DEFINITE) > 0)
    rejected[answered[definite]] = True
    all_rejected = np.bincount(message, ~rejected, len(codes)) == 0
    acked_ns, ack_answer = acks
    outcome = np.where(acked_ns >= 0, ACKNOWLEDGED, np.where(all_rejected, REJECTED, INDETERMINATE))
    texts = [sent[c].text for c in contents[first].tolist()]
    epoch_ids = _epochs(recorded, names, answers, ack_answer)
    rooms = np.array([names.rooms.number(sent[c].room) for c in contents[first].tolist()], np.int64)
    hopeless = _hopeless(recorded, answers, answered, message, len(codes))
    for row in np.flatnonzero((outcome == INDETERMINATE) & ~hopeless).tolist():
        hopeless[row] = _abandoned(
            row, recorded, answers, answered, attempts_from, contents, codes, rooms, sent
        )
    replies = np.array([_reply(sent[c], names) for c in contents[first].tolist()], np.int64).reshape(-1, 2)
    return Messages(
        bot=codes >> 32,
        key=codes & 0xFFFFFFFF,
        room=rooms,
        invoked_ns=invokes.events["t_ns"][first].astype(np.int64),
        invoked_row=invokes.row[first],
        outcome=outcome.astype(np.int64),
        acked_ns=acked_ns,
        ack_epoch=epoch_ids,
        ack_seq=np.where(ack_answer >= 0, _take(answers.events["d"].astype(np.int64), ack_answer), 0),
        resolved_ns=_resolved(answers, message[answered], (outcome != INDETERMINATE) | hopeless, acked_ns),
        reply_epoch=replies[:, 0],
        reply_seq=replies[:, 1],
        attempts_from=attempts_from,
        attempts=Attempts(
            message=message,
            number=number,
            row=invokes.row,
            t_ns=invokes.events["t_ns"].astype(np.int64),
            conn=invokes.events["conn"].astype(np.int64),
            content=contents,
            rejected=rejected,
            answers_from=_starts(answered, len(message)),
        ),
        answers=Answers(
            attempt=answered,
            t_ns=answers.events["t_ns"].astype(np.int64),
            op=answers.events["op"].astype(np.int64),
            flags=answers.events["flags"].astype(np.int64),
            text=answers.events["c"].astype(np.int64),
            seq=answers.events["d"].astype(np.int64),
        ),
        texts=texts,
        sent=sent,
        by_text=_by_text(texts, codes, names.run_id),
        nodes=nodes,
        recorded=recorded,
        names=names,
        oddities=tuple(oddities),
    )


def _code(events: NDArray[np.void], operand: str) -> Ints:
    """Return bot and key in one number."""
    codes: Ints = (events["bot"].astype(np.int64) << 32) | events[operand]
    return codes


def _starts(sorted_ids: Ints, count: int) -> Ints:
    """Return where each id's run begins in a sorted column, and its length at the end."""
    return np.searchsorted(sorted_ids, np.arange(count + 1)).astype(np.int64)


def _take(values: Ints, at: Ints) -> Ints:
    """Return the values at places; at -1 anything."""
    return values[at] if len(values) else np.zeros(len(at), np.int64)


def _parse(recorded: Recorded, run_id: str, invokes: Taken, oddities: list[str]) -> dict[int, Sent]:
    sent: dict[int, Sent] = {}
    contents, places = np.unique(invokes.events["a"], return_index=True)
    for content, place in zip(contents.tolist(), places.tolist(), strict=True):
        try:
            sent[content] = parse_sent(recorded.string(content) or "", run_id)
        except NotSent as error:
            oddities.append(f"bot {invokes.events['bot'][place]} recorded {error}")
    return sent


def _sound(invokes: Taken, sent: Mapping[int, Sent]) -> Taken:
    good = np.isin(invokes.events["a"], list(sent))
    return invokes if good.all() else Taken(invokes.row[good], invokes.events[good])


def _latest(invokes: Taken) -> Taken:
    """Keep the last of several rows with one bot, key and number."""
    codes = _code(invokes.events, "c")
    numbers = invokes.events["b"]
    order = np.lexsort((invokes.row, numbers, codes))
    same = (codes[order][1:] == codes[order][:-1]) & (numbers[order][1:] == numbers[order][:-1])
    if not same.any():
        return invokes
    kept = np.sort(order[np.append(~same, True)])
    return Taken(invokes.row[kept], invokes.events[kept])


def _match(
    taken: Taken, codes: Ints, message: Ints, number: Ints, rows: Ints, oddities: list[str]
) -> tuple[Taken, Ints]:
    """Return the answers to attempts that were made, sorted by attempt, and whose they are."""
    answers = taken.of(Op.SEND_OK, Op.SEND_FAILED, Op.SEND_LOST)
    asked = np.searchsorted(codes, _code(answers.events, "a"))
    known = asked < len(codes)
    known[known] = codes[asked[known]] == _code(answers.events, "a")[known]
    places = np.lexsort((number, message))
    keys = (message[places] << 20) | number[places]
    wanted = (asked << 20) | np.minimum(answers.events["b"].astype(np.int64), LARGEST_NUMBER)
    at = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
    if len(keys):
        known &= keys[at] == wanted
        attempt = places[at]
        known &= rows[attempt] < answers.row
    else:
        attempt = np.zeros(len(answers.row), np.int64)
        known[:] = False
    for event in answers.events[~known]:
        oddities.append(
            f"bot {event['bot']} recorded an answer to message {event['a']}, which it had not sent"
        )
    answers, attempt = Taken(answers.row[known], answers.events[known]), attempt[known]
    order = np.lexsort((answers.row, attempt))
    return Taken(answers.row[order], answers.events[order]), attempt[order].astype(np.int64)


def _note_changed_contents(
    codes: Ints, message: Ints, contents: Ints, first: Ints, sent: Mapping[int, Sent], oddities: list[str]
) -> None:
    changed = np.flatnonzero(contents != contents[first][message]) if len(first) else np.empty(0, np.int64)
    for attempt in changed.tolist():
        own, original = sent[int(contents[attempt])], sent[int(contents[first[message[attempt]]])]
        if (own.room, own.text) != (original.room, original.text):
            code = int(codes[message[attempt]])
            oddities.append(f"bot {code >> 32} sent different messages under the key {code & 0xFFFFFFFF}")


def _first_acks(answers: Taken, answered: Ints, message: Ints, count: int) -> tuple[Ints, Ints]:
    """Return the time and the answer of each message's first acknowledgement, -1 where there is none."""
    acked_ns, answer = np.full(count, -1, np.int64), np.full(count, -1, np.int64)
    acks = np.flatnonzero(answers.events["op"] == Op.SEND_OK)
    whose = message[answered[acks]] if len(acks) else np.empty(0, np.int64)
    order = np.lexsort((acks, answers.events["t_ns"][acks], whose))[::-1]
    acked_ns[whose[order]] = answers.events["t_ns"][acks[order]]
    answer[whose[order]] = acks[order]
    return acked_ns, answer


def _epochs(recorded: Recorded, names: Names, answers: Taken, ack_answer: Ints) -> Ints:
    ids = np.where(ack_answer >= 0, _take(answers.events["c"].astype(np.int64), ack_answer), 0)
    found, places = np.unique(ids, return_inverse=True)
    return np.array([names.epoch(recorded.string(i)) for i in found.tolist()], np.int64)[places]


def _hopeless(recorded: Recorded, answers: Taken, answered: Ints, message: Ints, count: int) -> Bools:
    """Return which messages got an answer after which their sender gives them up."""
    failed = answers.events["op"] == Op.SEND_FAILED
    hopeless = np.zeros(count, np.bool_)
    reasons, places = np.unique(answers.events["c"][failed], return_inverse=True)
    definite = (answers.events["flags"][failed] & FLAG_DEFINITE) > 0
    for is_definite in (False, True):
        ends = np.array(
            [is_hopeless(recorded.text(r), definite=is_definite) for r in reasons.tolist()], np.bool_
        )
        chosen = (definite == is_definite) & (ends[places] if len(ends) else False)
        hopeless[message[answered[failed][chosen]]] = True
    return hopeless


def _abandoned(
    row: int,
    recorded: Recorded,
    answers: Taken,
    answered: Ints,
    attempts_from: Ints,
    contents: Ints,
    codes: Ints,
    rooms: Ints,
    sent: Mapping[int, Sent],
) -> bool:
    """Whether its sender left it behind: the cluster has forgotten its producer, and may have had it.

    That is so where it was last refused as out of order, and its sender went on in the room under another
    producer: an earlier message is never sent again behind a later one.
    """
    tries = slice(int(attempts_from[row]), int(attempts_from[row + 1]))
    own = np.flatnonzero((answered >= tries.start) & (answered < tries.stop))
    if len(np.unique(answered[own])) < tries.stop - tries.start:
        return False  # One is not answered yet, and decides.
    last = own[np.argmax(answers.events["t_ns"][own])]
    code = recorded.text(int(answers.events["c"][last])).partition(":")[0]
    if answers.events["op"][last] != Op.SEND_FAILED or code != OUT_OF_ORDER:
        return False
    producer = sent[int(contents[tries.stop - 1])].producer
    of_bot = (codes >> 32) == (codes[row] >> 32)
    later = np.flatnonzero(of_bot & (codes > codes[row]) & (rooms == rooms[row]))
    return any(sent[int(contents[attempts_from[other + 1] - 1])].producer != producer for other in later)


def _resolved(answers: Taken, answered: Ints, done: Bools, acked_ns: Ints) -> Ints:
    """Return when each message's sender was done with it, -1 where it never was."""
    last = np.full(len(done), -1, np.int64)
    np.maximum.at(last, answered, answers.events["t_ns"].astype(np.int64))
    return np.where(acked_ns >= 0, acked_ns, np.where(done, last, -1))


def _reply(sent: Sent, names: Names) -> tuple[int, int]:
    return (-1, 0) if sent.answers is None else (names.epoch(sent.answers[0]), sent.answers[1])


def _by_text(texts: Sequence[str], codes: Ints, run_id: str) -> dict[str, int]:
    """Return the message of each text that carries its own token; others are nobody's."""
    found: dict[str, int] = {}
    for index, (text, code) in enumerate(zip(texts, codes.tolist(), strict=True)):
        try:
            if carries(text, Token(run_id, code >> 32, code & 0xFFFFFFFF)):
                found[text] = index
        except UnicodeEncodeError:  # A lone surrogate: no bot writes such a text.
            continue
    return found


def wire_users(bots: Mapping[int, str], run_id: str) -> dict[int, str]:
    """Return the names under which bots' messages travel."""
    return {bot: wire_name(name, run_id) for bot, name in bots.items()}
