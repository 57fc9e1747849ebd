"""presence: the user list equals the connected users within the deadline of the last change.

A user is *in a room* from a join's acknowledgement until its leave is invoked or its connection is over, as
the bot itself saw it. A bot that is in a room *is told* by the latest `user_list` of the room on its present
connection. It is told rightly of a user that is in the room when the list has it once, as `online`; and of
one that is not when the list has it not at all (`lost` is right only within the deadline).

The lists are looked at whenever a room is about to change and at the end of the load, before the bots hang
up. A user of whom a list is wrong is a violation for each bot that was told so, if the user's last change in
the room, the bot's own last join, and the last heal of a fault lie at least `limits.presence` back: that is
the time within which the list must come right. Users on a node that a fault holds at that moment
(`fault_windows.py` says whom faults hold) are undetermined; all users are, while Redis is held, and while a
fault is on that names no target: nobody knows whom such a `command` hits.

Users of other runs are left out. A list that is wrong at the end, before its deadline has passed, leaves the
finding unknown, as does a run in which no user list was received at all.

Counted are pairs of a bot that was told and a user of its room.
"""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from harness.checkers import fault_windows, operations, stories
from harness.checkers.findings import Tally
from harness.checkers.sessions import BotView
from harness.checkers.view import View
from harness.clock import NS
from harness.records.verdict import Property, Witness

NAME = "presence"
ONLINE = "online"


@dataclass(slots=True)
class _Room:
    """Who came and went in a room, and what who was told. Times rise."""

    changes: list[tuple[int, int, str]] = field(default_factory=list)  # when, bot, its node or ""
    told: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))  # when, content


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wrong:
    """At some moment a bot was told wrongly of a user."""

    t_ns: int
    told: int
    user: int
    room: str
    what: str


def check(view: View) -> Property:
    """Compare the lists with who was there, at every quiet moment."""
    tally = Tally(name=NAME, counted="told bots × users of their rooms")
    rooms = _rooms(view)
    undecided = ""
    for name, room in rooms.items():
        for wrong, settled in _moments(view, name, room, tally):
            if settled:
                tally.violated(partial(_witness, view, wrong))
            else:
                undecided = undecided or f"the run ended before a list had to be right: {_story(view, wrong)}"
    if not any(bot.user_lists for bot in view.bots.values()):
        undecided = "no user list was received"
    return tally.finding(undecided)


def _rooms(view: View) -> Mapping[str, _Room]:
    rooms = {room: _Room() for room in view.plan.rooms}
    contents = {one.content for bot in view.bots.values() for one in bot.user_lists}
    of_content = {content: _room_of(view, content) for content in contents}
    for bot in view.bots.values():
        for t_ns, room, node in bot.presence:
            if room in rooms:
                rooms[room].changes.append((t_ns, bot.bot, node))
        for one in bot.user_lists:
            room_ = of_content[one.content]
            if room_ in rooms:
                rooms[room_].told[bot.bot].append((one.t_ns, one.content))
    for found in rooms.values():
        found.changes.sort()
    return rooms


def _room_of(view: View, content: int) -> str:
    value = _parsed(view, content)
    room = value.get("room")
    return (view.names.room(room) or "") if isinstance(room, str) else ""


def _parsed(view: View, content: int) -> dict[str, Any]:
    try:
        value = json.loads(view.recorded.string(content) or "")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _listed(view: View, content: int) -> Mapping[str, Sequence[str]]:
    """Return the states that a list has of each user."""
    found: dict[str, list[str]] = defaultdict(list)
    users = _parsed(view, content).get("users")
    for entry in users if isinstance(users, list) else ():
        user, state = (entry.get("user"), entry.get("state")) if isinstance(entry, dict) else (entry, ONLINE)
        if isinstance(user, str):
            found[user].append(state if isinstance(state, str) else ONLINE)
    return found


def _moments(view: View, name: str, room: _Room, tally: Tally) -> Iterator[tuple[_Wrong, bool]]:
    """Sweep a room's changes; look before each that ends a quiet time, and at the end."""
    limit_ns = int(view.plan.limits.presence_s * NS)
    heals = sorted(window.ended_ns for window in view.windows if window.ended_ns is not None)
    changed: dict[int, int] = {}
    where: dict[int, str] = {}
    since: dict[int, int] = {}
    end_ns = _end_ns(view)
    latest = 0
    for t_ns, bot, node in [*(c for c in room.changes if c[0] < end_ns), (end_ns, 0, "")]:
        last = t_ns == end_ns and bot == 0
        healed = heals[bisect_right(heals, t_ns) - 1] if bisect_right(heals, t_ns) else 0
        if (last or t_ns - max(latest, healed) >= limit_ns) and latest:
            for wrong in _look(view, name, room, t_ns, where, since, tally):
                known = max(changed.get(wrong.user, 0), since[wrong.told], healed)
                settled = t_ns - known >= limit_ns
                if settled or last:
                    yield wrong, settled
        latest = changed[bot] = t_ns
        if node:
            where[bot] = node
            since[bot] = t_ns
        else:
            where.pop(bot, None)


def _end_ns(view: View) -> int:
    """Return when the bots began to hang up, or were hung up on after all had been read.

    Who had left every room before is not meant: that hanging up is no end of the lists (`wordaround load`).
    """
    read_ns = view.finals.ended_ns if view.finals.ended_ns is not None else view.last_ns
    quits = [
        c.closed_ns
        for bot in view.bots.values()
        for c in bot.connections
        if c.closed_ns is not None
        and (c.by_own_wish or c.closed_ns > read_ns)
        and _is_in_a_room(bot, c.closed_ns)
    ]
    return min(quits, default=view.last_ns)


def _is_in_a_room(bot: BotView, t_ns: int) -> bool:
    return any({room: node for when, room, node in bot.presence if when < t_ns}.values())


def _look(
    view: View,
    name: str,
    room: _Room,
    t_ns: int,
    where: Mapping[int, str],
    since: Mapping[int, int],
    tally: Tally,
) -> Iterator[_Wrong]:
    active = [window.plan for window in view.windows if window.covers(t_ns - 1)]
    held = {member for fault in active for member in fault_windows.held(view.plan.cluster, fault)}
    if view.plan.cluster.redis in held or any(not fault.targets for fault in active):
        return
    known = {*where, *(bot for _, bot, _ in room.changes)}
    members = sorted(bot for bot in known if where.get(bot) not in held)
    mistakes: dict[int, Sequence[tuple[int, str]]] = {}
    for told in where:
        if where[told] in held:
            continue
        lists = room.told.get(told, [])
        at = bisect_right(lists, (t_ns, 1 << 62)) - 1
        latest = lists[at][1] if at >= 0 and lists[at][0] >= _connected_ns(view, told, t_ns) else -1
        if latest not in mistakes:
            mistakes[latest] = _mistakes(view, latest, members, where)
        tally.checked += len(members)
        for user, what in mistakes[latest]:
            yield _Wrong(t_ns=t_ns, told=told, user=user, room=name, what=what)


def _mistakes(
    view: View, content: int, members: Sequence[int], where: Mapping[int, str]
) -> Sequence[tuple[int, str]]:
    """Return of whom a list is wrong, and how; the content -1 stands for no list at all."""
    listed = dict(_listed(view, content)) if content >= 0 else {}
    found = []
    for user in members:
        states = listed.pop(view.wire_user(user), ())
        what = _what(states, there=user in where, any_list=content >= 0)
        if what:
            found.append((user, what))
    if listed:
        strangers = (bot for bot in view.bots if bot not in where and bot not in members)
        found += [(bot, "the list had it") for bot in strangers if view.wire_user(bot) in listed]
    return found


def _connected_ns(view: View, bot: int, t_ns: int) -> int:
    opened = [c.opened_ns for c in view.bots[bot].connections if c.opened_ns <= t_ns]
    return max(opened, default=0)


def _what(states: Sequence[str], *, there: bool, any_list: bool) -> str:
    """Return what a list says wrongly of a user, empty when nothing."""
    if there and not any_list:
        return "no list had come on this connection"
    if there and not states:
        return "the list had it not"
    if there and len(states) > 1:
        return f"the list had it {len(states)} times"
    if there and states[0] != ONLINE:
        return f"the list had it as {states[0]!a}"
    return f"the list still had it as {states[0]!a}" if states and not there else ""


def _story(view: View, wrong: _Wrong) -> str:
    changes = [c for c in view.bots[wrong.user].presence if c[1] == wrong.room and c[0] <= wrong.t_ns]
    if changes:
        last = changes[-1]
        how = "in it" if last[2] else "out of it"
        since = f"which was {how} since {stories.at(view, last[0])}{stories.beside_fault(view, last[0])}"
    else:
        since = "which was never in it"
    return (
        f"at {stories.at(view, wrong.t_ns)} {view.name(wrong.told)} was told wrongly of "
        f"{view.name(wrong.user)} in {wrong.room}, {since}: {wrong.what}"
    )


def _witness(view: View, wrong: _Wrong) -> Witness:
    lines = []
    for bot in {wrong.told, wrong.user}:
        lines += operations.whereabouts(view, view.bots[bot], wrong.room, 0, wrong.t_ns)
    return operations.witness(_story(view, wrong), lines, wrong.t_ns)
