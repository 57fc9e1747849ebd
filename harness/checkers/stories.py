"""Witnesses in words: who, what, when, and how that lies to the faults. Times are seconds of the plan."""

from collections.abc import Collection, Iterable

from harness.checkers.fault_windows import FaultWindow
from harness.checkers.messages import Attempt, Message
from harness.checkers.sessions import BotView, Receipt, Via
from harness.checkers.view import View
from harness.clock import NS
from harness.records.history import Op
from harness.records.plan import FaultPlan

NEARBY_S = 30.0  # a fault further away explains nothing
NAMES_SHOWN = 5
OPERATIONS_SHOWN = 24

_VIA = {
    Via.LIVE: "live",
    Via.RESUME: "by resume",
    Via.SNAPSHOT: "in a snapshot",
    Via.PAGED: "by paging the history",
}


def at(view: View, t_ns: int) -> str:
    """Return `12.41 s`."""
    return f"{(t_ns - view.zero_ns) / NS:.2f} s"


def listed(names: Collection[str]) -> str:
    """Return `a, b and c`; of many, the first few and how many more; of none, `nobody`."""
    if not names:
        return "nobody"
    shown = list(names)
    if len(shown) > NAMES_SHOWN:
        rest = len(shown) - NAMES_SHOWN
        shown = [*shown[:NAMES_SHOWN], f"{rest} other{'s' if rest > 1 else ''}"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def bots(view: View, ordinals: Iterable[int]) -> str:
    """Return the names of bots as a list."""
    return listed([view.name(bot) for bot in sorted(ordinals)])


def message(view: View, about: Message) -> str:
    """Return `bot-17's message 42 (room-2)`."""
    return f"{view.name(about.bot)}'s message {about.key} ({about.room})"


def acknowledgement(view: View, about: Message) -> str:
    """Return `bot-17's message 42 (room-2) was acknowledged by node-2 at 12.41 s, 0.30 s before …`."""
    first = about.first_ack
    if first is None:
        return f"{message(view, about)} was sent at {at(view, about.invoked_ns)} and never acknowledged"
    attempt, ack = first
    by = f" by {attempt.node}" if attempt.node else ""
    return (
        f"{message(view, about)} was acknowledged{by} at {at(view, ack.t_ns)}{beside_fault(view, ack.t_ns)}"
    )


def beside_fault(view: View, t_ns: int) -> str:
    """Return `, 0.30 s before node-2 was killed` for the nearest edge of a fault, or nothing."""
    edges = [(abs(edge - t_ns), edge, words) for edge, words in _edges(view.windows)]
    if not edges:
        return ""
    distance, edge, words = min(edges)
    if distance > NEARBY_S * NS:
        return ""
    return f", {distance / NS:.2f} s {'before' if t_ns <= edge else 'after'} {words}"


def _edges(windows: Iterable[FaultWindow]) -> Iterable[tuple[int, str]]:
    for window in windows:
        if window.began_ns is not None:
            yield window.began_ns, began(window)
        if window.ended_ns is not None:
            yield window.ended_ns, ended(window)


def began(window: FaultWindow) -> str:
    """Return `node-2 was killed`, or for any other fault that it began."""
    targets = listed(window.plan.targets)
    if window.plan.fault == "kill":
        return f"{targets} {'was' if len(window.plan.targets) == 1 else 'were'} killed"
    return f"fault {window.id} ({what(window.plan)}) began"


def ended(window: FaultWindow) -> str:
    """Return `node-2 was back`, or for any other fault that it was healed."""
    targets = listed(window.plan.targets)
    if window.plan.fault == "kill":
        return f"{targets} {'was' if len(window.plan.targets) == 1 else 'were'} back"
    return f"fault {window.id} ({what(window.plan)}) was healed"


def what(fault: FaultPlan) -> str:
    """Return `pause on node-2`, `partition of node-2 from redis`, `latency between redis and node-1`."""
    peers = [peer for peer in fault.peers if fault.targets != (peer,)]
    if not fault.targets:
        return fault.fault
    if not peers:
        return f"{fault.fault} on {listed(fault.targets)}"
    if fault.fault == "partition":
        return f"partition of {listed(fault.targets)} from {listed(peers)}"
    return f"{fault.fault} between {listed(fault.targets)} and {listed(peers)}"


def via(receipt: Receipt) -> str:
    """Return how a message came: `live`, `by resume` …"""
    return _VIA[receipt.via]


# Operations: one line each, `(moment, line)`, so that lines of several bots can be put in order.

Line = tuple[int, str]


def line(view: View, t_ns: int, who: str, what: str) -> Line:
    """Return one operation as a line."""
    return t_ns, f"{(t_ns - view.zero_ns) / NS:9.3f} s  {who}  {what}"


def in_order(lines: Iterable[Line]) -> tuple[str, ...]:
    """Return the lines in the order of time; of very many, the first and the last."""
    ordered = [text for _, text in sorted(set(lines))]
    if len(ordered) <= OPERATIONS_SHOWN:
        return tuple(ordered)
    half = OPERATIONS_SHOWN // 2
    left_out = f"  … {len(ordered) - 2 * half} more …"
    return (*ordered[:half], left_out, *ordered[-half:])


def sends(view: View, about: Message) -> list[Line]:
    """Return the lines of a message's attempts and answers."""
    return [found for attempt in about.attempts for found in _attempt(view, about, attempt)]


def _attempt(view: View, about: Message, attempt: Attempt) -> Iterable[Line]:
    who = _who(view.name(about.bot), attempt.conn, attempt.node)
    subject = f"message {about.key} to {about.room}, attempt {attempt.number}"
    number = f" (producer {attempt.producer}, n {attempt.n})" if attempt.n is not None else ""
    yield line(view, attempt.invoked_ns, who, f"sends {subject}{number}")
    for answer in attempt.answers:
        if answer.op is Op.SEND_OK:
            again = " as a duplicate" if answer.duplicate else ""
            what = f"acknowledged{_place(answer.epoch, answer.seq)}{again}"
        elif answer.op is Op.SEND_FAILED:
            what = f"{'definitely' if answer.definite else 'indefinitely'} refused: {answer.reason}"
        else:
            what = f"left without an answer: {answer.reason}"
        yield line(view, answer.t_ns, who, f"{subject}: {what}")


def receipt(view: View, got: Receipt) -> Line:
    """Return the line of a receipt."""
    who = _who(view.name(got.bot), got.conn, got.node)
    content = got.content
    what = "a message"
    if got.message >= 0:
        bot, key = int(view.messages.bot[got.message]), int(view.messages.key[got.message])
        what = f"{view.name(bot)}'s message {key}"
    room = content.room or "another room"
    return line(
        view, got.t_ns, who, f"receives {what} in {room}{_place(content.epoch, content.seq)}, {via(got)}"
    )


def whereabouts(view: View, bot: BotView, room: str, from_ns: int, to_ns: int) -> list[Line]:
    """Return where a bot was in a stretch of time: its connects, losses and joins of the room.

    The last join before the stretch is added: it says how the bot was connected when it began.
    """
    lines = []
    for connection in bot.connections:
        who = _who(bot.name, connection.conn, connection.node)
        if from_ns <= connection.opened_ns <= to_ns:
            lines.append(line(view, connection.opened_ns, who, "connects"))
        if connection.closed_ns is not None and from_ns <= connection.closed_ns <= to_ns:
            lines.append(line(view, connection.closed_ns, who, f"disconnected: {connection.reason}"))
    joins = [join for join in bot.joins if join.room == room and join.accepted_ns is not None]
    before = [join for join in joins if join.invoked_ns < from_ns][-1:]
    for join in [*before, *(join for join in joins if from_ns <= join.invoked_ns <= to_ns)]:
        assert join.accepted_ns is not None
        cursor = f"with cursor {join.cursor_seq}" if join.cursor_seq is not None else "without a cursor"
        way = "resumed" if join.recovered else "not resumed"
        what = f"joins {room} {cursor}, {way}{_place(join.epoch, join.seq)}"
        lines.append(line(view, join.accepted_ns, _who(bot.name, join.conn, join.node), what))
    return lines


def _who(name: str, conn: int, node: str) -> str:
    return f"{name}  connection {conn}{f' to {node}' if node else ''}"


def _place(epoch: str | None, seq: int) -> str:
    return f" at position {seq} of epoch {ascii(epoch)[1:-1]}" if seq and epoch is not None else ""
