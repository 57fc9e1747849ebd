"""no-duplicates: nobody receives a message twice within a membership, and none has two places in the log.

A second receipt of a message within a membership is a violation

- on one join: always (its history ends at the position that its acknowledgement names, and live messages
  begin after it). But where a bot that is in the room joins again on the same connection, its old stay goes
  on until the new history replaces it: what came live meanwhile may come again by resume, beyond the cursor;
- on a later join: when it came live or by resume although the cursor of that join covered it, for a
  resume begins after the cursor. What lies beyond the cursor may come again: a cursor is the last
  *contiguous* position, and a bot may have received more than that. Without a cursor only what comes
  live is a repetition.

Not a violation is what the bot itself asked for again (paging), and what a snapshot repeats: a snapshot
is recent messages, whatever the bot knows. Nor is what comes anew after its first place is gone: when Redis
loses the end of its log, a message from there that is sent again is a new one to the cluster, which told
the bot of the new epoch.

A message *has two places* when one observer saw it at two: a bot that received it under two positions,
or a final read that lists it twice. (Two observers who saw it at different places disagree: that is
total-order.) Messages are known by their tokens, so it does not matter how the copies are numbered.

Counted are received messages and entries of final reads.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.checkers import operations, stories
from harness.checkers.findings import Tally
from harness.checkers.receipts import LIVE, PAGED, RESUME, SNAPSHOT
from harness.checkers.sessions import Join
from harness.checkers.view import View
from harness.records.verdict import Property, Witness

NAME = "no-duplicates"


def check(view: View) -> Property:
    """Look for second receipts in every membership and for second places everywhere."""
    tally = Tally(name=NAME, counted="received messages and entries of final reads")
    tally.checked = _in_memberships(view) + sum(len(read.contents) for read in view.finals.reads.values())
    for first, again in _repetitions(view):
        tally.violated(partial(_received_twice, view, first, again))
    for message, evidence in two_places(view).items():
        tally.violated(partial(_two_places, view, message, evidence))
    return tally.finding("" if len(view.acknowledged) else "no message was acknowledged")


def _in_memberships(view: View) -> int:
    """Count the receipts that came by a join that was accepted, then or later."""
    outside = (join.number for join in view.joins if join.membership < 0)
    by_none = int(np.count_nonzero(view.receipts.join < 0))
    return len(view.receipts) - by_none - sum(len(view.receipts.by_join(number)) for number in outside)


# Repetitions


@dataclass(frozen=True, slots=True)
class _Got:
    """One receipt of a message that came more than once."""

    receipt: int
    message: int
    row: int
    via: int
    join: int
    seq: int
    gone: bool


def _repetitions(view: View) -> Iterator[tuple[int, int]]:
    """Yield the receipts that are repetitions, each with the earlier one that makes it one."""
    for room in np.unique(view.receipts.stay_room).tolist():
        count = len(view.messages_of(room))
        for _, stay in view.receipts.stays(room):
            ranks = view.rank[view.receipts.content[stay]]
            repeated = np.bincount(ranks + 1, minlength=count + 1)[1:] > 1
            if repeated.any():
                own = np.flatnonzero(np.append(repeated, False)[ranks]) + stay.start
                yield from _in_stay(view, own)


def _in_stay(view: View, receipts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    seen: dict[tuple[int, int], list[_Got]] = defaultdict(list)
    for again in _got(view, receipts):
        membership = int(view.membership_of_join[again.join])
        if membership < 0:
            continue
        earlier = seen[membership, again.message]
        first = next((one for one in earlier if _repeats(view, one, again)), None)
        if first is not None:
            yield first.receipt, again.receipt
        if not again.gone:
            earlier.append(again)


def _got(view: View, receipts: NDArray[np.int64]) -> Iterator[_Got]:
    table, content = view.receipts, view.receipts.content[receipts]
    columns = (
        receipts,
        view.contents.owner[content],
        table.row[receipts],
        table.via[receipts],
        table.join[receipts],
        view.contents.seq[content],
        view.places.gone[content],
    )
    for values in zip(*(column.tolist() for column in columns), strict=True):
        yield _Got(*values)


def _repeats(view: View, first: _Got, again: _Got) -> bool:
    """Whether the second receipt was the cluster's fault."""
    if PAGED in (first.via, again.via) and first.join == again.join:
        return False
    if again.via == PAGED or again.join < 0:
        return False
    join = view.joins[again.join]
    if again.via == SNAPSHOT:
        return _in_history(first, join) and _in_history(again, join)
    if first.join == again.join and not _overtook(view, first, again):
        return True
    if join.cursor_seq is None:
        return again.via == LIVE
    return any(0 < one.seq <= join.cursor_seq for one in (first, again))


def _in_history(got: _Got, join: Join) -> bool:
    """Whether it came in the history of a join: before its acknowledgement."""
    before = join.accepted_row is None or got.row < join.accepted_row
    return got.join == join.number and got.via in (RESUME, SNAPSHOT) and before


def _overtook(view: View, first: _Got, again: _Got) -> bool:
    """Whether the first came live by an older join of the connection, while the new one was under way."""
    if first.via != LIVE or again.via != RESUME:
        return False
    join = view.joins[again.join]
    own = view.bots[join.bot]
    membership = next(m for m in own.memberships if m.number == join.membership)
    return any(
        older.conn == join.conn
        and older.room == join.room
        and (older.accepted_ns is None or older.accepted_ns >= membership.joined_ns)
        for older in own.joins
        if older.number < join.number
    )


# Second places


def two_places(view: View) -> dict[int, tuple[str, ...]]:
    """Return the messages that one observer saw at two places, with what it saw in words."""
    found: dict[int, tuple[str, ...]] = {}
    contents = view.contents
    for read in view.finals.reads.values():
        own = contents.owner[read.contents]
        messages, counts = np.unique(own[own >= 0], return_counts=True)
        for message in messages[counts > 1].tolist():
            places = contents.seq[read.contents[own == message]].tolist()
            at = "twice" if len(set(places)) == 1 else f"at positions {stories.listed(_words(places))}"
            story = f"{read.node} listed it {at} ({read.source} of {read.room})"
            found[message] = (*found.get(message, ()), story)
    for message, bot, seqs in _received_at_two(view):
        story = f"{view.name(bot)} received it at positions {stories.listed(_words(seqs))}"
        found[message] = (*found.get(message, ()), story)
    return found


def _received_at_two(view: View) -> Iterator[tuple[int, int, list[int]]]:
    """Yield message, bot and positions. Few messages are known at two positions at all."""
    contents = view.contents
    placed = (contents.owner >= 0) & (contents.seq > 0) & ~view.places.gone
    pairs = np.unique(np.stack([contents.owner[placed], contents.seq[placed]]), axis=1)
    messages, counts = np.unique(pairs[0], return_counts=True)
    suspects = np.zeros(len(view.messages) + 1, np.bool_)
    suspects[messages[counts > 1]] = True
    seen: dict[tuple[int, int], set[int]] = defaultdict(set)
    for receipt in view.who_received(placed & suspects[contents.owner]).tolist():
        content = int(view.receipts.content[receipt])
        bot = int(view.receipts.stay_bot[view.receipts.stay_of(receipt)])
        seen[bot, int(contents.owner[content])].add(int(contents.seq[content]))
    for (bot, message), seqs in sorted(seen.items()):
        if len(seqs) > 1:
            yield message, bot, sorted(seqs)


def _words(numbers: list[int]) -> list[str]:
    return [str(number) for number in numbers]


def _received_twice(view: View, one: int, other: int) -> Witness:
    first, again = view.receipt(one), view.receipt(other)
    about = view.message(again.message)
    join = view.joins[again.join] if again.join >= 0 else None
    cursor = join.cursor_seq if join is not None and first.join != again.join else None
    story = (
        f"{view.name(again.bot)} received {stories.message(view, about)} twice: {stories.via(first)} at "
        f"{stories.at(view, first.t_ns)} and {stories.via(again)} at {stories.at(view, again.t_ns)}"
        f"{stories.beside_fault(view, again.t_ns)}"
        + (f"; it had resumed with cursor {cursor}" if cursor is not None else "")
    )
    bot = view.bots[again.bot]
    lines = [
        *operations.sends(view, about),
        operations.receipt(view, first),
        *operations.whereabouts(view, bot, about.room, first.t_ns, again.t_ns),
        operations.receipt(view, again),
    ]
    return operations.witness(story, lines, again.t_ns)


def _two_places(view: View, message: int, evidence: tuple[str, ...]) -> Witness:
    about = view.message(message)
    story = (
        f"{stories.acknowledgement(view, about)}; it has two places in the log: {stories.listed(evidence)}"
    )
    first = about.first_ack
    return operations.witness(
        story, operations.sends(view, about), first[1].t_ns if first else about.invoked_ns
    )
