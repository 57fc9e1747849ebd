"""The final reads: what every living node says of every room, once the load has ended.

Each node is read from the store and from its own tail, page by page; rounds repeat until two in a row
are equal on every node, because a log that still moves is no basis for a verdict.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from harness import clock, rest_pages
from harness.backends.base import Member
from harness.records.history_format import FLAG_COMPLETE, HistoryWriter, Op, canonical
from harness.rest_pages import BadPage

SOURCES = ("store", "tail")
PAUSE_NS = clock.NS // 5
# However late it is, two rounds are read to their ends while pages come: how long that takes is a matter of
# how much was said, and ten minutes of talk are hundreds of pages on each node. A node that never comes to an
# end is left after this time.
ROUNDS_GRACE_NS = 120 * clock.NS

Head = tuple[str | None, int]  # epoch and seq; (None, 0) where the cluster has no positions


@dataclass(frozen=True, kw_only=True, slots=True)
class FinalReads:
    """What came of it: whether two rounds were equal, and each room's head by its wire name."""

    stable: bool
    rounds: int
    heads: dict[str, Head]
    trouble: str = ""  # why not stable


@dataclass(frozen=True, slots=True)
class _Log:
    messages: tuple[str, ...]
    head: Head


def read_until_stable(
    writer: HistoryWriter, nodes: Iterable[Member], rooms: Iterable[str], *, deadline_ns: int
) -> FinalReads:
    """Read all rooms on all nodes until two rounds agree, and record every round in the history."""
    nodes, rooms = tuple(nodes), tuple(rooms)
    before: dict[tuple[str, str, str], _Log] | None = None
    number = 0
    while True:
        number += 1
        logs, trouble = _round(writer, nodes, rooms, number, deadline_ns + ROUNDS_GRACE_NS)
        stable = not trouble and logs == before
        compared = trouble or before is not None
        if stable or (compared and clock.now_ns() > deadline_ns):
            return FinalReads(
                stable=stable, rounds=number, heads=_heads(logs), trouble=trouble or _unless(stable)
            )
        before = logs
        _pause(deadline_ns)


def _unless(stable: bool) -> str:
    return "" if stable else "no two rounds in a row were equal before the deadline"


def _pause(deadline_ns: int) -> None:
    # Between two rounds a node's tail gets the time to move, so that equal rounds mean something.
    time.sleep(min(PAUSE_NS, max(0, deadline_ns - clock.now_ns())) / clock.NS)


def _round(
    writer: HistoryWriter, nodes: tuple[Member, ...], rooms: tuple[str, ...], number: int, give_up_ns: int
) -> tuple[dict[tuple[str, str, str], _Log], str]:
    logs: dict[tuple[str, str, str], _Log] = {}
    trouble = ""
    for node in nodes:
        for room in rooms:
            for source in SOURCES:
                try:
                    log = _read_log(node, room, source, give_up_ns)
                except (OSError, BadPage) as error:
                    trouble = f"{node.name} did not give its log of {room} ({source}): {error}"
                    _record(writer, node, room, source, number, None)
                else:
                    logs[node.name, room, source] = log
                    _record(writer, node, room, source, number, log)
    writer.flush()
    return logs, trouble


def _read_log(node: Member, room: str, source: str, give_up_ns: int) -> _Log:
    messages: list[str] = []
    for page in rest_pages.pages(node.own_url or "", room, after=0, source=source):
        messages += map(canonical, page.messages)
        head: Head = (page.epoch, page.head)
        if clock.now_ns() > give_up_ns:
            raise BadPage(f"still reading after {len(messages)} messages")
    return _Log(tuple(messages), head)


def _record(
    writer: HistoryWriter, node: Member, room: str, source: str, number: int, log: _Log | None
) -> None:
    now = clock.now_ns()
    name, where = writer.intern(node.name), writer.intern(source)
    for message in log.messages if log else ():
        writer.record(now, Op.FINAL_READ, a=writer.intern(message), b=name, c=where, d=number)
    complete = FLAG_COMPLETE if log else 0
    writer.record(now, Op.FINAL_READ_END, flags=complete, a=writer.intern(room), b=name, c=where, d=number)


def _heads(logs: dict[tuple[str, str, str], _Log]) -> dict[str, Head]:
    heads: dict[str, Head] = {}
    for (_, room, source), log in logs.items():
        if source == "store" and log.head[1] >= heads.get(room, (None, 0))[1]:
            heads[room] = log.head
    return heads
