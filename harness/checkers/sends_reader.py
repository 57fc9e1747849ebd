"""From the rows of sends and answers to the columns of `sends.py`: whose is what, and what makes no sense."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.checkers.content import NotSent, Sent, parse_sent
from harness.checkers.names import Names
from harness.checkers.outcomes import Outcomes, Tried, read_outcomes
from harness.checkers.recorded import SENDS, Recorded, Taken
from harness.checkers.sends import Answers, Attempts, Messages
from harness.records.history import Op
from harness.records.plan import wire_name
from harness.records.token import Token, carries

Ints = NDArray[np.int64]
LARGEST_NUMBER = (1 << 20) - 1  # of an attempt: nobody sends a message a million times


def read_messages(
    recorded: Recorded, names: Names, bots: Mapping[int, str], nodes: Mapping[tuple[int, int], str]
) -> Messages:
    """Read every send of the plan's bots, and what in them makes no sense."""
    taken = recorded.taken.of(*SENDS)
    ours = np.isin(taken.events["bot"], list(bots))
    oddities: list[str] = []
    codes, tried = _tried(recorded, names, Taken(taken.row[ours], taken.events[ours]), oddities)
    outcomes = read_outcomes(tried)
    first = tried.attempts_from[:-1]
    contents = tried.invokes.events["a"].astype(np.int64)
    texts = [tried.sent[c].text for c in contents[first].tolist()]
    replies = [_reply(tried.sent[c], names) for c in contents[first].tolist()]
    reply_epoch, reply_seq = np.array(replies, np.int64).reshape(-1, 2).T
    ack = outcomes.ack_answer
    return Messages(
        bot=tried.bot,
        key=codes & 0xFFFFFFFF,
        room=tried.room,
        invoked_ns=tried.invokes.events["t_ns"][first].astype(np.int64),
        invoked_row=tried.invokes.row[first],
        outcome=outcomes.outcome,
        acked_ns=outcomes.acked_ns,
        ack_epoch=_epochs(recorded, names, tried.answers, ack),
        ack_seq=np.where(ack >= 0, _take(tried.answers.events["d"].astype(np.int64), ack), 0),
        resolved_ns=outcomes.resolved_ns,
        reply_epoch=reply_epoch,
        reply_seq=reply_seq,
        attempts_from=tried.attempts_from,
        attempts=_attempts(tried, outcomes),
        answers=_answers(tried),
        texts=texts,
        sent=tried.sent,
        by_text=_by_text(texts, codes, names.run_id),
        nodes=nodes,
        recorded=recorded,
        names=names,
        oddities=tuple(oddities),
    )


def _tried(recorded: Recorded, names: Names, taken: Taken, oddities: list[str]) -> tuple[Ints, Tried]:
    """Return the code of each message, and what was tried and answered."""
    invokes = taken.of(Op.SEND)
    sent = _parse(recorded, names.run_id, invokes, oddities)
    invokes = _latest(_sound(invokes, sent))
    codes, message = np.unique(_code(invokes.events, "c"), return_inverse=True)
    order = np.lexsort((invokes.row, message))
    invokes, message = Taken(invokes.row[order], invokes.events[order]), message[order].astype(np.int64)
    attempts_from = _starts(message, len(codes))
    answers, attempt = _match(taken, codes, message, _number(invokes), invokes.row, oddities)
    contents = invokes.events["a"].astype(np.int64)
    first = contents[attempts_from[:-1]]
    _note_changed_contents(codes, message, contents, first, sent, oddities)
    return codes, Tried(
        bot=codes >> 32,
        room=np.array([names.rooms.number(sent[c].room) for c in first.tolist()], np.int64),
        attempts_from=attempts_from,
        invokes=invokes,
        message=message,
        answers=answers,
        attempt=attempt,
        sent=sent,
        recorded=recorded,
    )


def _attempts(tried: Tried, outcomes: Outcomes) -> Attempts:
    events = tried.invokes.events
    return Attempts(
        message=tried.message,
        number=_number(tried.invokes),
        row=tried.invokes.row,
        t_ns=events["t_ns"].astype(np.int64),
        conn=events["conn"].astype(np.int64),
        content=events["a"].astype(np.int64),
        rejected=outcomes.rejected,
        answers_from=_starts(tried.attempt, len(tried.message)),
    )


def _answers(tried: Tried) -> Answers:
    events = tried.answers.events
    return Answers(
        attempt=tried.attempt,
        t_ns=events["t_ns"].astype(np.int64),
        op=events["op"].astype(np.int64),
        flags=events["flags"].astype(np.int64),
        text=events["c"].astype(np.int64),
        seq=events["d"].astype(np.int64),
    )


def _number(invokes: Taken) -> Ints:
    return np.minimum(invokes.events["b"].astype(np.int64), LARGEST_NUMBER)


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
    for attempt in np.flatnonzero(contents != first[message]).tolist():
        own, original = sent[int(contents[attempt])], sent[int(first[message[attempt]])]
        if (own.room, own.text) != (original.room, original.text):
            code = int(codes[message[attempt]])
            oddities.append(f"bot {code >> 32} sent different messages under the key {code & 0xFFFFFFFF}")


def _epochs(recorded: Recorded, names: Names, answers: Taken, ack_answer: Ints) -> Ints:
    ids = np.where(ack_answer >= 0, _take(answers.events["c"].astype(np.int64), ack_answer), 0)
    found, places = np.unique(ids, return_inverse=True)
    return np.array([names.epoch(recorded.string(i)) for i in found.tolist()], np.int64)[places]


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
