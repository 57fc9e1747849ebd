"""The final reads: what every living node says of every room, once the load has ended.

Each node is read from the store and from its own tail, page by page; rounds repeat until two in a row
are equal on every node, because a log that still moves is no basis for a verdict.
"""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness import clock
from harness.backends.base import Member
from harness.http_get import get
from harness.records.history import FLAG_COMPLETE, HistoryWriter, Op, canonical

SOURCES = ("store", "tail")
PAGE = 1000
REQUEST_TIMEOUT_S = 3.0
PAUSE_NS = clock.NS // 5

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
        logs, trouble = _round(writer, nodes, rooms, number)
        stable = not trouble and logs == before
        if stable or clock.now_ns() > deadline_ns:
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
    writer: HistoryWriter, nodes: tuple[Member, ...], rooms: tuple[str, ...], number: int
) -> tuple[dict[tuple[str, str, str], _Log], str]:
    logs: dict[tuple[str, str, str], _Log] = {}
    trouble = ""
    for node in nodes:
        for room in rooms:
            for source in SOURCES:
                try:
                    log = _read_log(node, room, source)
                except (OSError, ValueError, KeyError, TypeError) as error:
                    trouble = f"{node.name} did not give its log of {room} ({source}): {error}"
                    _record(writer, node, room, source, number, None)
                else:
                    logs[node.name, room, source] = log
                    _record(writer, node, room, source, number, log)
    writer.flush()
    return logs, trouble


def _read_log(node: Member, room: str, source: str) -> _Log:
    messages: list[str] = []
    after = 0
    while True:
        page = _get(node, room, source, after)
        messages += [canonical(message) for message in page["messages"]]
        count = len(page["messages"])
        if count < PAGE:
            return _Log(tuple(messages), (page["epoch"], page["head"] or 0))
        last = page["messages"][-1]["seq"]
        after = last if last is not None else after + count


def _get(node: Member, room: str, source: str, after: int) -> dict[str, Any]:
    query = urllib.parse.urlencode({"after": after, "limit": PAGE, "source": source})
    url = f"{node.url}/rooms/{urllib.parse.quote(room, safe='')}/messages?{query}"
    status, body = get(url, timeout_s=REQUEST_TIMEOUT_S)
    if status != 200:
        raise ValueError(f"status {status}: {body[:200]!r}")
    page = json.loads(body)
    if not isinstance(page, dict):
        raise ValueError("the answer is not an object")  # noqa: TRY004 - a bad answer, not a bad argument
    return page


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
