"""monotonic-reads: the positions that a bot receives in a membership only rise, across all its connections.

What comes for the first time in a membership must lie beyond

- what came before it by the same join: its history, then what comes live;
- the cursor, where it comes by a resume, for a resume goes on after it;
- the head that the join's acknowledgement named, where it comes live.

And a join within a membership must not go back: the head that its acknowledgement names is not before a
position that the bot had received.

Not looked at are snapshots (recent messages, whatever the bot knows) and what the bot pages: both are told to
be old. Nor is what still comes live by an older join while a new one of the same connection is under way. A
message that came before is a matter of no-duplicates. Places that are gone do not count. In the pub/sub mode,
which has no positions, this does not apply.

Counted are receipts, live or by resume, and accepted joins. Without any acknowledged message: unknown.
"""

from collections import defaultdict
from collections.abc import Iterator
from functools import partial

import numpy as np

from harness.checkers import operations, stories
from harness.checkers.findings import Tally
from harness.checkers.receipts import LIVE, RESUME
from harness.checkers.sessions import Join
from harness.checkers.view import View
from harness.records.verdict import Property, Witness

NAME = "monotonic-reads"


def check(view: View) -> Property:
    """Follow every bot's positions through its memberships."""
    tally = Tally(name=NAME, counted="received messages, and joins")
    accepted = [join for join in view.joins if join.accepted_ns is not None]
    tally.checked = int(np.count_nonzero(view.receipts.via <= RESUME)) + len(accepted)
    looked_at: set[int] = set()
    for stay in view.suspects:
        looked_at.add(stay.start)
        for floor, receipt in _falls(view, stay):
            tally.violated(partial(_fell, view, floor, receipt))
    for join in accepted:
        for what, receipt in _below(view, join, looked_at):
            tally.violated(partial(_fell, view, what, receipt))
        highest = _highest_before(view, join)
        if highest is not None:
            tally.violated(partial(_went_back, view, join, highest))
    return tally.finding("" if len(view.acknowledged) else "no message was acknowledged")


def _falls(view: View, stay: slice) -> Iterator[tuple[str, int]]:
    """Yield, in a stay whose places do not simply rise, what came too late, and after what."""
    seen: dict[int, set[int]] = defaultdict(set)
    highest: dict[int, tuple[int, str]] = {}
    for receipt, place, message, via, number in _received(view, stay):
        membership = int(view.membership_of_join[number])
        known = message in seen[membership]
        seen[membership].add(message)
        if membership < 0 or known or place < 0 or via > RESUME:
            continue
        join = view.joins[number]
        if _still_by_an_older(view, join, receipt, via):
            continue
        top, floor = highest.setdefault(number, _floor(view, join))
        if via == LIVE and place > top:
            top, floor = max((top, floor), _head(view, join))
        if place < top:
            yield floor, receipt
        else:
            highest[number] = (place, f"after position {view.contents.seq[view.receipts.content[receipt]]}")


def _received(view: View, stay: slice) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield receipt, place, message, via and join of a stay's receipts of our messages."""
    table, contents, places = view.receipts, view.contents, view.places
    content = table.content[stay]
    place = np.where(places.gone[content], -1, places.of_content[content])
    columns = (
        np.arange(stay.start, stay.stop),
        place,
        contents.owner[content],
        table.via[stay],
        table.join[stay],
    )
    own = contents.owner[content] >= 0
    yield from zip(*(column[own].tolist() for column in columns), strict=True)


def _below(view: View, join: Join, looked_at: set[int]) -> Iterator[tuple[str, int]]:
    """Yield what came by a join from before its cursor or head, in a stay whose places rise."""
    table = view.receipts
    stay = table.stay(join.bot, view.room_number(join.room))
    own = table.by_join(join.number)
    if not len(own) or stay.start in looked_at:
        return
    places = view.places.of_content[table.content[own]]
    for via, (top, floor) in ((RESUME, _floor(view, join)), (LIVE, _head(view, join))):
        late = own[(table.via[own] == via) & (places >= 0) & (places <= top)]
        for receipt in late[:1].tolist() if len(late) else ():
            if not _came_before(view, stay, receipt) and not _still_by_an_older(view, join, receipt, via):
                yield floor, receipt


def _came_before(view: View, stay: slice, receipt: int) -> bool:
    content = view.receipts.content[stay.start : receipt]
    return bool((view.contents.owner[content] == view.contents.owner[view.receipts.content[receipt]]).any())


def _floor(view: View, join: Join) -> tuple[int, str]:
    if join.cursor_seq is None or not join.recovered:
        return -1, ""
    place = view.places.place(join.room, join.cursor_epoch, join.cursor_seq)
    return place, f"from cursor {join.cursor_seq}"


def _head(view: View, join: Join) -> tuple[int, str]:
    place = view.places.place(join.room, join.epoch, join.seq) if join.accepted_ns is not None else -1
    return place, f"after a join whose head was {join.seq}"


def _still_by_an_older(view: View, join: Join, receipt: int, via: int) -> bool:
    if via != LIVE or (join.accepted_row is not None and view.receipts.row[receipt] > join.accepted_row):
        return False
    return any(
        older.conn == join.conn and older.room == join.room
        for older in view.bots[join.bot].joins
        if older.number < join.number
    )


def _highest_before(view: View, join: Join) -> int | None:
    """Return a receipt of the membership, from before the join, whose place its head does not reach."""
    head = view.places.place(join.room, join.epoch, join.seq)
    if head < 0:
        return None
    table = view.receipts
    stay = table.stay(join.bot, view.room_number(join.room))
    end = stay.start + int(np.searchsorted(table.row[stay], join.row))
    own = slice(_since(view, join, stay), end)
    content = table.content[own]
    counts = (view.membership_of_join[table.join[own]] == join.membership) & (
        view.contents.owner[content] >= 0
    )
    places = np.where(counts & ~view.places.gone[content], view.places.of_content[content], -1)
    if not len(places) or places.max() <= head:
        return None
    return int(own.start) + int(places.argmax())


def _since(view: View, join: Join, stay: slice) -> int:
    """Return where to begin looking: the room's join before this one answers for what lies before it."""
    before = [
        other.row for other in view.bots[join.bot].joins if other.room == join.room and other.row < join.row
    ]
    table = view.receipts
    return int(stay.start + np.searchsorted(table.row[stay], before[-1])) if before else stay.start


def _fell(view: View, floor: str, number: int) -> Witness:
    got = view.receipt(number)
    about, join = view.message(got.message), view.joins[got.join]
    story = (
        f"{view.name(got.bot)} received {stories.message(view, about)}, position {got.content.seq}, "
        f"{stories.via(got)} at {stories.at(view, got.t_ns)}{stories.beside_fault(view, got.t_ns)}, {floor}"
    )
    bot = view.bots[got.bot]
    lines = operations.whereabouts(view, bot, join.room, join.invoked_ns, got.t_ns)
    return operations.witness(story, [*lines, operations.receipt(view, got)], got.t_ns)


def _went_back(view: View, join: Join, number: int) -> Witness:
    got, accepted = view.receipt(number), join.accepted_ns
    assert accepted is not None
    story = (
        f"{view.name(join.bot)} joined {join.room} on {join.node} at {stories.at(view, accepted)}"
        f"{stories.beside_fault(view, accepted)} and was told that the room's head is {join.seq}, after it "
        f"had received position {got.content.seq}"
    )
    lines = operations.whereabouts(view, view.bots[join.bot], join.room, got.t_ns, accepted)
    return operations.witness(story, [*lines, operations.receipt(view, got)], accepted)
