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

from collections.abc import Iterator, Mapping
from functools import partial

from harness.checkers import stories
from harness.checkers.final_reads import FinalRead
from harness.checkers.findings import Tally
from harness.checkers.messages import Message
from harness.checkers.positions import Ends, ends_of, is_gone
from harness.checkers.sessions import Join, Membership, Receipt, Via
from harness.checkers.view import MessageId, View
from harness.records.verdict import Property, Witness

NAME = "no-duplicates"


def check(view: View) -> Property:
    """Look for second receipts in every membership and for second places everywhere."""
    tally = Tally(name=NAME, counted="received messages and entries of final reads")
    ends = ends_of(view)
    for membership in view.memberships():
        tally.checked += len(membership.receipts)
        for first, again in _repetitions(view, membership, ends):
            tally.violated(partial(_received_twice, view, first, again))
    for read in view.finals.reads.values():
        tally.checked += len(read.contents)
    for whose, evidence in two_places(view).items():
        tally.violated(partial(_two_places, view, view.messages[whose], evidence))
    return tally.finding("" if view.acknowledged else "no message was acknowledged")


def _repetitions(
    view: View, membership: Membership, ends: Mapping[str, Ends]
) -> Iterator[tuple[Receipt, Receipt]]:
    seen: dict[MessageId, list[Receipt]] = {}
    joins = view.bots[membership.bot].joins
    for receipt in membership.receipts:
        whose = view.belongs(receipt.content)
        if whose is None:
            continue
        earlier = seen.setdefault(whose, [])
        first = next((one for one in earlier if _repeats(one, receipt, joins, membership)), None)
        if first is not None:
            yield first, receipt
        if not is_gone(ends, receipt.content):
            earlier.append(receipt)


def _repeats(first: Receipt, again: Receipt, joins: tuple[Join, ...], membership: Membership) -> bool:
    """Whether the second receipt was the cluster's fault."""
    if Via.PAGED in (first.via, again.via) and first.join == again.join:
        return False
    if again.via is Via.PAGED or again.join is None:
        return False
    join = joins[again.join]
    if again.via is Via.SNAPSHOT:
        return first in join.history and again in join.history
    if first.join == again.join and not _overtook(first, again, joins, membership):
        return True
    if join.cursor_seq is None:
        return again.via is Via.LIVE
    return any(0 < one.content.seq <= join.cursor_seq for one in (first, again))


def _overtook(first: Receipt, again: Receipt, joins: tuple[Join, ...], membership: Membership) -> bool:
    """Whether the first came live by an older join of the connection, while the new one was under way."""
    assert again.join is not None
    if first.via is not Via.LIVE or again.via is not Via.RESUME:
        return False
    return any(
        older.conn == again.conn
        and older.room == membership.room
        and (older.accepted_ns is None or older.accepted_ns >= membership.joined_ns)
        for older in joins[: again.join]
    )


def two_places(view: View) -> dict[MessageId, tuple[str, ...]]:
    """Return the messages that one observer saw at two places, with what it saw in words."""
    found: dict[MessageId, tuple[str, ...]] = {}
    ends = ends_of(view)
    for read in view.finals.reads.values():
        for whose, places in _listed_twice(view, read).items():
            at = "twice" if len(set(places)) == 1 else f"at positions {stories.listed(_words(places))}"
            found[whose] = (
                *found.get(whose, ()),
                f"{read.node} listed it {at} ({read.source} of {read.room})",
            )
    for bot in view.bots.values():
        seen: dict[MessageId, set[int]] = {}
        for receipt in bot.receipts:
            whose_ = view.belongs(receipt.content)
            if whose_ is not None and receipt.content.seq and not is_gone(ends, receipt.content):
                seen.setdefault(whose_, set()).add(receipt.content.seq)
        for whose, seqs in seen.items():
            if len(seqs) > 1:
                story = f"{bot.name} received it at positions {stories.listed(_words(sorted(seqs)))}"
                found[whose] = (*found.get(whose, ()), story)
    return found


def _listed_twice(view: View, read: FinalRead) -> dict[MessageId, list[int]]:
    places: dict[MessageId, list[int]] = {}
    for content in read.contents:
        whose = view.belongs(content)
        if whose is not None:
            places.setdefault(whose, []).append(content.seq)
    return {whose: own for whose, own in places.items() if len(own) > 1}


def _words(numbers: list[int]) -> list[str]:
    return [str(number) for number in numbers]


def _received_twice(view: View, first: Receipt, again: Receipt) -> Witness:
    about = view.message_of(again.content)
    assert about is not None
    join = view.bots[again.bot].joins[again.join] if again.join is not None else None
    cursor = join.cursor_seq if join is not None and first.join != again.join else None
    story = (
        f"{view.name(again.bot)} received {stories.message(view, about)} twice: {stories.via(first)} at "
        f"{stories.at(view, first.t_ns)} and {stories.via(again)} at {stories.at(view, again.t_ns)}"
        f"{stories.beside_fault(view, again.t_ns)}"
        + (f"; it had resumed with cursor {cursor}" if cursor is not None else "")
    )
    bot = view.bots[again.bot]
    operations = [
        *stories.sends(view, about),
        stories.receipt(view, first),
        *stories.whereabouts(view, bot, about.room, first.t_ns, again.t_ns),
        stories.receipt(view, again),
    ]
    return Witness(story=story, operations=stories.in_order(operations), t_ns=again.t_ns)


def _two_places(view: View, about: Message, evidence: tuple[str, ...]) -> Witness:
    story = (
        f"{stories.acknowledgement(view, about)}; it has two places in the log: {stories.listed(evidence)}"
    )
    first = about.first_ack
    return Witness(
        story=story,
        operations=stories.in_order(stories.sends(view, about)),
        t_ns=first[1].t_ns if first else about.invoked_ns,
    )
