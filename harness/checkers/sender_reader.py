"""From one bot's rows to its messages with their attempts and answers."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.checkers.content import NotSent, Sent, parse_sent
from harness.checkers.messages import Answer, Attempt, Message
from harness.checkers.recorded import ANSWERS, Recorded
from harness.records.history import FLAG_DEFINITE, FLAG_DUPLICATE, Op, Row


@dataclass(kw_only=True, slots=True)
class _Attempt:
    row: Row
    sent: Sent
    node: str
    answers: list[Answer] = field(default_factory=list)


def read_messages(
    bot: int, rows: Iterable[Recorded], run_id: str
) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """Return the bot's messages in the order of their keys, and what in its rows makes no sense."""
    attempts: dict[int, dict[int, _Attempt]] = {}
    nodes: dict[int, str] = {}
    oddities: list[str] = []
    for recorded in rows:
        row = recorded.row
        if row.op is Op.CONNECT:
            nodes[row.conn] = recorded.text(row.a)
        elif row.op is Op.SEND:
            try:
                sent = parse_sent(recorded.string(row.a) or "", run_id)
            except NotSent as error:
                oddities.append(f"bot {bot} recorded {error}")
                continue
            attempts.setdefault(row.c, {})[row.b] = _Attempt(row=row, sent=sent, node=nodes.get(row.conn, ""))
        elif row.op in ANSWERS:
            found = attempts.get(row.a, {}).get(row.b)
            if found is None:
                oddities.append(f"bot {bot} recorded an answer to message {row.a}, which it had not sent")
                continue
            found.answers.append(_answer(recorded))
    messages = []
    for key, own in sorted(attempts.items()):
        if len({(attempt.sent.room, attempt.sent.text) for attempt in own.values()}) > 1:
            oddities.append(f"bot {bot} sent different messages under the key {key}")
        messages.append(_message(bot, key, tuple(own.values())))
    return tuple(messages), tuple(oddities)


def _answer(recorded: Recorded) -> Answer:
    row = recorded.row
    if row.op is Op.SEND_OK:
        return Answer(
            t_ns=row.t_ns,
            op=row.op,
            epoch=recorded.string(row.c),
            seq=row.d,
            duplicate=bool(row.flags & FLAG_DUPLICATE),
        )
    definite = row.op is Op.SEND_FAILED and bool(row.flags & FLAG_DEFINITE)
    return Answer(t_ns=row.t_ns, op=row.op, definite=definite, reason=recorded.text(row.c))


def _message(bot: int, key: int, attempts: tuple[_Attempt, ...]) -> Message:
    first = attempts[0].sent
    return Message(
        bot=bot,
        key=key,
        room=first.room,
        text=first.text,
        reply_to=first.reply_to,
        attempts=tuple(
            Attempt(
                number=attempt.row.b,
                conn=attempt.row.conn,
                node=attempt.node,
                invoked_ns=attempt.row.t_ns,
                producer=attempt.sent.producer,
                n=attempt.sent.n,
                answers=tuple(attempt.answers),
            )
            for attempt in attempts
        ),
    )
