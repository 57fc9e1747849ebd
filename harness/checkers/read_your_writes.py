"""read-your-writes: once its message is acknowledged, a sender's view of the room has that message, also
after a failover.

A message that was acknowledged to a bot is missing in its view when

- the bot never received it, by whatever way, although it was in the room (`complete_delivery.py` says when);
- a join of the room that the bot invoked after the acknowledgement is answered with a head before the
  message's position; or
- the history of such a join, resume or snapshot, reaches from before the message's position to beyond it and
  leaves it out, and the bot had not received it before.

The first is a matter of the whole record: while a part of the history is lost, or the bot was not joined at
the end, or the run was cut short so that nobody waited for what was still on its way, it is no violation but
leaves the finding unknown. Excuses are those of acked-durable (`excuses.py`).
Without positions (pub/sub) only the first rule applies.

Counted are messages that were acknowledged to a member of the room, and joins after acknowledgements.
Without any acknowledged message: unknown.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.checkers import operations, stories
from harness.checkers.complete_delivery import entitlement, received, stayed_away
from harness.checkers.excuses import excused
from harness.checkers.findings import Tally
from harness.checkers.receipts import PAGED
from harness.checkers.sessions import BotView, Join
from harness.checkers.view import View
from harness.records.verdict import Property, Witness

NAME = "read-your-writes"
Ints = NDArray[np.int64]


def check(view: View) -> Property:
    """Compare every bot's own messages with what it saw of the room after their acknowledgements."""
    tally = Tally(name=NAME, counted="own messages, and joins after them")
    excuse = excused(view)
    doubt = ""
    for room, bot, own in _own(view):
        must = entitlement(view, bot.bot, room, own)
        tally.checked += int(np.count_nonzero(must))
        messages = view.messages_of(room)
        got = received(view, bot.bot, room, len(messages))[np.searchsorted(messages, own)]
        lacking = own[must & ~got]
        tally.excused += int(np.count_nonzero(excuse[lacking]))
        for message in lacking[~excuse[lacking]].tolist():
            unsure = _unsure(view, bot)
            if unsure:
                doubt = doubt or f"{stories.message(view, view.message(message))} may be missing: {unsure}"
            else:
                tally.violated(partial(_never, view, message))
        for join, message, wrong in _blind_joins(view, bot, room, own[~excuse[own]], tally):
            tally.violated(partial(_blind, view, bot, join, message, wrong))
    return tally.finding(doubt or ("" if len(view.acknowledged) else "no message was acknowledged"))


def _own(view: View) -> Iterator[tuple[int, BotView, Ints]]:
    """Yield every room, and every bot with the messages of it that were acknowledged to it."""
    messages = view.messages
    for room in np.unique(messages.room).tolist():
        own = view.messages_of(room)
        own = own[messages.acknowledged[own]]
        bots, first = np.unique(messages.bot[own], return_index=True)
        for bot, of_bot in zip(bots.tolist(), np.split(own, first[1:]), strict=bool(len(bots))):
            yield room, view.bots[bot], of_bot


def _unsure(view: View, bot: BotView) -> str:
    if view.lost_evidence:
        return view.lost_evidence[0]
    if view.meta.aborted is not None:
        return "the run was cut short, and what was still on its way was not waited for"
    return f"{bot.name} was not joined at the end" if stayed_away(view, bot) else ""


def _blind_joins(
    view: View, bot: BotView, room: int, own: Ints, tally: Tally
) -> Iterator[tuple[Join, int, str]]:
    """Yield the joins whose answer lacks what had been acknowledged before, with the first such message."""
    places = view.places.of_ack[own]
    acked_ns = view.messages.acked_ns[own]
    for join in bot.joins:
        if join.accepted_ns is None or view.room_number(join.room) != room:
            continue
        head = view.places.place(join.room, join.epoch, join.seq)
        before = (places >= 0) & (acked_ns < join.invoked_ns)
        tally.checked += int(before.any())
        if head < 0 or not before.any():
            continue
        behind = own[before & (places > head)]
        if len(behind):
            yield join, int(behind[0]), f"was told that the room's head is {join.seq}"
            continue
        missing = _left_out(view, join, own[before])
        if len(missing):
            yield join, int(missing[0]), "got a history that leaves it out"


def _left_out(view: View, join: Join, own: Ints) -> Ints:
    """Return the messages in the middle of a join's history that neither it nor anything before it had."""
    table = view.receipts
    came = table.by_join(join.number)
    came = came[
        (table.via[came] > 0) & (table.via[came] != PAGED) & (table.row[came] < (join.accepted_row or 0))
    ]
    if not len(came):
        return own[:0]
    placed = view.places.of_content[table.content[came]]
    if (placed < 0).any():
        return own[:0]
    places = view.places.of_ack[own]
    within = own[(places > placed.min()) & (places < placed.max())]
    stay = table.stay(join.bot, view.room_number(join.room))
    upto = stay.start + int(np.searchsorted(table.row[stay], join.accepted_row or 0))
    got = view.contents.owner[table.content[stay.start : upto]]
    missing: Ints = within[~np.isin(within, got)]
    return missing


def _never(view: View, message: int) -> Witness:
    about = view.message(message)
    story = f"{stories.acknowledgement(view, about)}; its own sender never received it"
    acked = int(view.messages.acked_ns[message])
    bot = view.bots[about.bot]
    lines = [
        *operations.sends(view, about),
        *operations.whereabouts(view, bot, about.room, about.invoked_ns, acked + 2_000_000_000),
        operations.never(view, about.bot, f"message {about.key} never came"),
    ]
    return operations.witness(story, lines, acked)


def _blind(view: View, bot: BotView, join: Join, message: int, wrong: str) -> Witness:
    about, accepted = view.message(message), join.accepted_ns
    assert accepted is not None
    story = (
        f"{stories.acknowledgement(view, about)}; {bot.name} joined {join.room} on {join.node} at "
        f"{stories.at(view, accepted)}{stories.beside_fault(view, accepted)} and {wrong}"
    )
    lines = [
        *operations.sends(view, about),
        *operations.whereabouts(view, bot, join.room, join.invoked_ns, accepted),
    ]
    return operations.witness(story, lines, accepted)
