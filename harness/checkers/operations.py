"""The operations behind a story: of each a line for people, and a step for the diagram of the story.

Lines carry their moment, so that those of several bots can be put in order. What a reader of the lines would
not miss (that nothing came) is a step alone; what has no other end (a refused join) is a line alone.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from harness.checkers import stories
from harness.checkers.final_reads import STORE, FinalRead
from harness.checkers.messages import Answer, Attempt, Message
from harness.checkers.sessions import BotView, Connection, Join, Receipt
from harness.checkers.view import View
from harness.clock import NS
from harness.records.history import Op
from harness.records.verdict import Step, StepKind, Witness

SHOWN = 24
STEPS_KEPT = 48
RECIPIENTS_SHOWN = 2  # of those who did receive what others lack


class Line(NamedTuple):
    """One operation: its moment, how it reads, and how it is drawn. An empty text is a step alone."""

    t_ns: int
    text: str
    step: Step | None = None


def witness(story: str, lines: Iterable[Line], t_ns: int | None) -> Witness:
    """Return a story with the operations behind it, in order; of very many, the first and the last."""
    ordered = sorted(dict.fromkeys(lines), key=lambda line: line.t_ns)
    texts = sorted((line.t_ns, line.text) for line in ordered if line.text)
    steps = [line.step for line in ordered if line.step is not None]
    half = STEPS_KEPT // 2
    return Witness(
        story=story,
        operations=_ends([text for _, text in texts]),
        t_ns=t_ns,
        steps=tuple(steps if len(steps) <= STEPS_KEPT else steps[:half] + steps[-half:]),
    )


def _ends(texts: Sequence[str]) -> tuple[str, ...]:
    if len(texts) <= SHOWN:
        return tuple(texts)
    half = SHOWN // 2
    left_out = f"  … {len(texts) - 2 * half} more …"
    return (*texts[:half], left_out, *texts[-half:])


def line(view: View, t_ns: int, who: str, what: str, step: Step | None = None) -> Line:
    """Return one operation as a line."""
    return Line(t_ns, f"{(t_ns - view.zero_ns) / NS:9.3f} s  {who}  {what}", step)


def sends(view: View, about: Message) -> list[Line]:
    """Return the lines of a message's attempts and answers."""
    return [found for attempt in about.attempts for found in _attempt(view, about, attempt)]


def _attempt(view: View, about: Message, attempt: Attempt) -> Iterable[Line]:
    bot = view.name(about.bot)
    who = _who(bot, attempt.conn, attempt.node)
    subject = f"message {about.key} to {about.room}, attempt {attempt.number}"
    number = f" (producer {attempt.producer}, n {attempt.n})" if attempt.n is not None else ""
    again = "again, " if attempt.number > 1 else ""
    step = Step(
        t_ns=attempt.invoked_ns,
        kind=StepKind.SEND,
        source=bot,
        target=attempt.node,
        label=f"message {about.key} {again}to {about.room}",
    )
    yield line(view, attempt.invoked_ns, who, f"sends {subject}{number}", step)
    for answer in attempt.answers:
        step = _answer(bot, about, attempt, answer)
        yield line(view, answer.t_ns, who, f"{subject}: {_said(answer)}", step)


def _said(answer: Answer) -> str:
    if answer.op is Op.SEND_OK:
        again = " as a duplicate" if answer.duplicate else ""
        return f"acknowledged{_place(answer.epoch, answer.seq)}{again}"
    if answer.op is Op.SEND_FAILED:
        return f"{'definitely' if answer.definite else 'indefinitely'} refused: {answer.reason}"
    return f"left without an answer: {answer.reason}"


def _answer(bot: str, about: Message, attempt: Attempt, answer: Answer) -> Step:
    if answer.op is Op.SEND_OK:
        kind, label = StepKind.ACKNOWLEDGED, f"message {about.key} acknowledged"
    elif answer.op is Op.SEND_FAILED:
        kind, label = StepKind.REFUSED, f"message {about.key} refused: {answer.reason}"
    else:
        label = f"no answer: {answer.reason}"
        return Step(t_ns=answer.t_ns, kind=StepKind.UNANSWERED, source=bot, label=label)
    return Step(
        t_ns=answer.t_ns,
        kind=kind,
        source=attempt.node or bot,
        target=bot if attempt.node else "",
        label=label,
        position=answer.seq,
    )


def receipt(view: View, got: Receipt) -> Line:
    """Return the line of a receipt."""
    name = view.name(got.bot)
    content = got.content
    what = "a message"
    if got.message >= 0:
        bot, key = int(view.messages.bot[got.message]), int(view.messages.key[got.message])
        what = f"{view.name(bot)}'s message {key}"
    room = content.room or "another room"
    step = Step(
        t_ns=got.t_ns,
        kind=StepKind.RECEIVED,
        source=got.node or name,
        target=name if got.node else "",
        label=f"{what}, {stories.via(got)}",
        position=content.seq,
    )
    words = f"receives {what} in {room}{_place(content.epoch, content.seq)}, {stories.via(got)}"
    return line(view, got.t_ns, _who(name, got.conn, got.node), words, step)


def receivers(view: View, message: int) -> list[Line]:
    """Return the lines of the first few who received a message, to be set against those who did not."""
    own = view.contents.owner == message
    receipts = view.who_received(own)[: 4 * RECIPIENTS_SHOWN].tolist()
    first = {one.bot: one for one in reversed([view.receipt(number) for number in receipts])}
    return [receipt(view, one) for one in sorted(first.values(), key=lambda got: got.row)[:RECIPIENTS_SHOWN]]


def never(view: View, bot: int, what: str) -> Line:
    """Return the step of a bot to which something never came, until the end of what was recorded."""
    end = view.last_ns
    return Line(end, "", Step(t_ns=end, kind=StepKind.NEVER, source=view.name(bot), label=what))


def read(view: View, found: FinalRead, what: str, *, lacking: bool = False) -> Line:
    """Return the line of a final read: a node lists a room, from the store or from its own memory."""
    step = Step(
        t_ns=found.t_ns,
        kind=StepKind.LACKING if lacking else StepKind.READ,
        source=view.plan.cluster.redis if found.source == STORE else found.node,
        target=found.node if found.source == STORE else "",
        label=what,
    )
    return line(view, found.t_ns, found.node, what, step)


def whereabouts(view: View, bot: BotView, room: str, from_ns: int, to_ns: int) -> list[Line]:
    """Return where a bot was in a stretch of time: its connects, losses and joins of the room.

    The last join before the stretch is added: it says how the bot was connected when it began.
    """
    lines = []
    for connection in bot.connections:
        if from_ns <= connection.opened_ns <= to_ns:
            lines.append(_opened(view, bot, connection))
        if connection.closed_ns is not None and from_ns <= connection.closed_ns <= to_ns:
            lines.append(_closed(view, bot, connection, connection.closed_ns))
    joins = [join for join in bot.joins if join.room == room and join.accepted_ns is not None]
    before = [join for join in joins if join.invoked_ns < from_ns][-1:]
    lines += [
        _joined(view, bot, join)
        for join in [*before, *(join for join in joins if from_ns <= join.invoked_ns <= to_ns)]
    ]
    return lines


def _opened(view: View, bot: BotView, connection: Connection) -> Line:
    step = Step(
        t_ns=connection.opened_ns,
        kind=StepKind.CONNECTED,
        source=bot.name,
        target=connection.node,
        label="connects",
    )
    return line(
        view, connection.opened_ns, _who(bot.name, connection.conn, connection.node), "connects", step
    )


def _closed(view: View, bot: BotView, connection: Connection, t_ns: int) -> Line:
    step = Step(
        t_ns=t_ns,
        kind=StepKind.CUT_OFF,
        source=bot.name,
        target=connection.node,
        label=f"cut off: {connection.reason}",
    )
    who = _who(bot.name, connection.conn, connection.node)
    return line(view, t_ns, who, f"disconnected: {connection.reason}", step)


def _joined(view: View, bot: BotView, join: Join) -> Line:
    assert join.accepted_ns is not None
    cursor = f"with cursor {join.cursor_seq}" if join.cursor_seq is not None else "without a cursor"
    way = "resumed" if join.recovered else "not resumed"
    step = Step(
        t_ns=join.accepted_ns,
        kind=StepKind.JOINED,
        source=join.node or bot.name,
        target=bot.name if join.node else "",
        label=f"resumed, {cursor}" if join.recovered else f"joined, {cursor}",
        position=join.seq,
    )
    what = f"joins {join.room} {cursor}, {way}{_place(join.epoch, join.seq)}"
    return line(view, join.accepted_ns, _who(bot.name, join.conn, join.node), what, step)


def _who(name: str, conn: int, node: str) -> str:
    return f"{name}  connection {conn}{f' to {node}' if node else ''}"


def _place(epoch: str | None, seq: int) -> str:
    return f" at position {seq} of epoch {ascii(epoch)[1:-1]}" if seq and epoch is not None else ""
