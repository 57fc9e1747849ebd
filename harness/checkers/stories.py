"""Witnesses in words: who, what, when, and how that lies to the faults. Times are seconds of the plan."""

from collections.abc import Collection, Iterable

from harness.checkers.fault_windows import FaultWindow
from harness.checkers.messages import Message
from harness.checkers.sessions import Receipt, Via
from harness.checkers.view import View
from harness.clock import NS
from harness.records.plan import FaultPlan

NEARBY_S = 30.0  # a fault further away explains nothing
NAMES_SHOWN = 5

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
