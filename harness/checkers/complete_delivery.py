"""complete-delivery: every recipient entitled to an acknowledged message has received it by the end.

A bot in a room *must see* an acknowledged message

- whose position lies after its join's position, and up to its leave's or the log's end; or
- whose send was first invoked after its join was acknowledged, and acknowledged before its leave was
  invoked (intervals on the machine's one clock). A leave that was refused or never answered, because the
  store was away or the connection was lost, ends the stay where it stands: then only up to the last position
  that came, since nobody could let the bot go in order.

It *may see* everything else of the room. It *has received* a message when the whole text reached it
under the name of its room: live, by resume, in a snapshot, or by paging. Disconnects do not end a
membership; senders are recipients of their own messages. In the pub/sub mode, which has no positions,
time alone entitles.

Counted are pairs of an acknowledged message and an entitled recipient. Excused is what a destroyed log or
retention took before the recipient could have it (`excuses.py`). What a bot lacks that was not joined at the
end is not a violation but makes the finding unknown: it failed to come back (`reconnection`), and nobody can
tell what it would have got. So is a run without acknowledged messages.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.checkers import operations, stories
from harness.checkers.excuses import excused
from harness.checkers.findings import Tally
from harness.checkers.sessions import BotView, Membership
from harness.checkers.view import View
from harness.records.verdict import Property, Witness

NAME = "complete-delivery"
AROUND_NS = 2_000_000_000  # before the send: enough to show how the recipient was connected

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


def check(view: View) -> Property:
    """Compare what every recipient must see with what it received."""
    tally = Tally(name=NAME, counted="acknowledged messages × entitled recipients")
    excuse = excused(view)
    lacks: dict[int, list[int]] = defaultdict(list)
    undecided: set[int] = set()
    for bot, room, messages, must in entitled(view):
        tally.checked += int(np.count_nonzero(must))
        lacking = messages[must & ~received(view, bot, room, len(messages))]
        if not len(lacking):
            continue
        tally.excused += int(np.count_nonzero(excuse[lacking]))
        lacking = lacking[~excuse[lacking]]
        if view.names.rooms.name(room) in view.bots[bot].missing_rooms:
            undecided.add(bot)
        else:
            for message in lacking.tolist():
                lacks[message].append(bot)
    for message in sorted(lacks, key=lambda message: (view.messages.acked_ns[message], message)):
        lost = sorted(lacks[message])
        tally.violated(partial(_witness, view, message, lost), len(lost))
    return tally.finding(_doubt(view, undecided))


def entitled(view: View) -> Iterator[tuple[int, int, Ints, Bools]]:
    """Yield every bot and room in which it was, the room's messages, and which of them it must see."""
    for room, by_bot in view.members_of_rooms.items():
        messages = view.messages_of(room)
        for bot in by_bot:
            yield bot, room, messages, entitlement(view, bot, room, messages)


def entitlement(view: View, bot: int, room: int, messages: Ints) -> Bools:
    """Return which of these messages of a room a bot must see."""
    must = np.zeros(len(messages), np.bool_)
    for member in view.members_of_rooms.get(room, {}).get(bot, ()):
        must |= _by_time(view, member, messages) | _by_position(view, member, messages)
    return must & view.messages.acknowledged[messages]


def received(view: View, bot: int, room: int, count: int) -> Bools:
    """Return which of a room's messages a bot received in it."""
    got = np.zeros(count + 1, np.bool_)
    got[view.rank[view.receipts.content[view.receipts.stay(bot, room)]]] = True
    return got[:-1]


def _by_time(view: View, member: Membership, messages: Ints) -> Bools:
    must = view.messages.invoked_ns[messages] > member.joined_ns
    if member.left_ns is not None:
        must &= view.messages.acked_ns[messages] < member.left_ns
        if view.durable and not member.left_seq:
            must &= view.places.of_ack[messages] <= _reached(view, member)
    return must


def _reached(view: View, member: Membership) -> int:
    """Return the last place of a message that came in a membership, -1 where none did."""
    room = view.room_number(member.room)
    messages = view.messages_of(room)
    stay = view.receipts.stay(member.bot, room)
    own = view.membership_of_join[view.receipts.join[stay]] == member.number
    got = np.zeros(len(messages) + 1, np.bool_)
    got[view.rank[view.receipts.content[stay][own]]] = True
    return int(view.places.of_ack[messages][got[:-1]].max(initial=-1))


def _by_position(view: View, member: Membership, messages: Ints) -> Bools:
    joined = view.places.place(member.room, member.epoch, member.seq)
    if joined < 0:
        return np.zeros(len(messages), np.bool_)
    places = view.places.of_ack[messages]
    must = places > joined
    if member.left_ns is not None:
        left = view.places.place(member.room, member.left_epoch, member.left_seq) if member.left_seq else -1
        must &= places <= left
    return must


def _doubt(view: View, undecided: set[int]) -> str:
    if not len(view.acknowledged):
        return "no message was acknowledged"
    away = sorted(undecided | {bot.bot for bot in view.bots.values() if stayed_away(view, bot)})
    verb = "was" if len(away) == 1 else "were"
    return f"{stories.bots(view, away)} {verb} not joined at the end" if away else ""


def stayed_away(view: View, bot: BotView) -> bool:
    """It was lost before the final reads, or was never there: not merely hung up on at the very end."""
    if bot.joined_at_end:
        return False
    lost = bot.outages[-1].lost_ns if bot.outages and bot.outages[-1].back_ns is None else None
    ended = view.finals.ended_ns
    return lost is None or ended is None or lost <= ended


def _witness(view: View, message: int, lost: Sequence[int]) -> Witness:
    about, acked = view.message(message), int(view.messages.acked_ns[message])
    story = f"{stories.acknowledgement(view, about)}; {stories.bots(view, lost)} never received it"
    lines = [*operations.sends(view, about), *operations.receivers(view, message)]
    for bot in lost[: stories.NAMES_SHOWN]:
        lines += operations.whereabouts(
            view, view.bots[bot], about.room, about.invoked_ns - AROUND_NS, acked + AROUND_NS
        )
        lines.append(operations.never(view, bot, f"message {about.key} never came"))
    return operations.witness(story, lines, acked)
