"""complete-delivery: every recipient entitled to an acknowledged message has received it by the end.

A bot in a room *must see* an acknowledged message

- whose position lies after its join's position, and up to its leave's or the log's end; or
- whose send was first invoked after its join was acknowledged, and acknowledged before its leave was
  invoked (intervals on the machine's one clock).

It *may see* everything else of the room. It *has received* a message when the whole text reached it
under the name of its room: live, by resume, in a snapshot, or by paging. Disconnects do not end a
membership; senders are recipients of their own messages. In the pub/sub mode, which has no positions,
time alone entitles.

Counted are pairs of an acknowledged message and an entitled recipient. What a bot lacks that was not
joined at the end is not a violation but makes the finding unknown: it failed to come back
(`reconnection`), and nobody can tell what it would have got. So is a run without acknowledged messages.
"""

from collections.abc import Mapping
from functools import partial

from harness.checkers import stories
from harness.checkers.findings import Tally
from harness.checkers.messages import Message
from harness.checkers.positions import Order, order_of
from harness.checkers.sessions import BotView, Membership
from harness.checkers.view import View
from harness.records.verdict import Property, Witness

NAME = "complete-delivery"
AROUND_NS = 2_000_000_000  # before the send: enough to show how the recipient was connected


def check(view: View) -> Property:
    """Compare what every recipient must see with what it received."""
    tally = Tally(name=NAME, counted="acknowledged messages × entitled recipients")
    members: dict[str, list[Membership]] = {}
    for membership in view.memberships():
        members.setdefault(membership.room, []).append(membership)
    orders = {room: order_of(view, room) for room in members}
    undecided: set[int] = set()
    for message in sorted(view.acknowledged, key=_acked_ns):
        own, order = members.get(message.room, []), orders.get(message.room, {})
        entitled = {member.bot for member in own if must_see(member, message, order)}
        tally.checked += len(entitled)
        lacking = entitled - view.received.get((message.bot, message.key), frozenset())
        away = {bot for bot in lacking if message.room in view.bots[bot].missing_rooms}
        undecided |= away
        lost = sorted(lacking - away)
        if lost:
            tally.violated(partial(_witness, view, message, lost), len(lost))
    return tally.finding(_doubt(view, undecided))


def must_see(member: Membership, message: Message, order: Order) -> bool:
    """Whether the membership entitles to the acknowledged message."""
    return _by_time(member, message) or _by_position(member, message, order)


def _by_time(member: Membership, message: Message) -> bool:
    if message.invoked_ns <= member.joined_ns:
        return False
    return member.left_ns is None or _acked_ns(message) < member.left_ns


def _by_position(member: Membership, message: Message, order: Order) -> bool:
    first = message.first_ack
    if first is None or not first[1].seq or member.epoch is None:
        return False
    place = _rank(order, first[1].epoch, first[1].seq)
    joined = _rank(order, member.epoch, member.seq)
    if place is None or joined is None or place <= joined:
        return False
    if member.left_ns is None:
        return True
    left = _rank(order, member.left_epoch, member.left_seq) if member.left_seq else None
    return left is not None and place <= left


def _rank(order: Mapping[str | None, int], epoch: str | None, seq: int) -> tuple[int, int] | None:
    rank = order.get(epoch)
    return (rank, seq) if rank is not None else None


def _acked_ns(message: Message) -> int:
    first = message.first_ack
    return first[1].t_ns if first else 0


def _doubt(view: View, undecided: set[int]) -> str:
    if not view.acknowledged:
        return "no message was acknowledged"
    away = sorted(undecided | {bot.bot for bot in view.bots.values() if _stayed_away(view, bot)})
    verb = "was" if len(away) == 1 else "were"
    return f"{stories.bots(view, away)} {verb} not joined at the end" if away else ""


def _stayed_away(view: View, bot: BotView) -> bool:
    """It was lost before the final reads, or was never there: not merely hung up on at the very end."""
    if bot.joined_at_end:
        return False
    lost = bot.outages[-1].lost_ns if bot.outages and bot.outages[-1].back_ns is None else None
    ended = view.finals.ended_ns
    return lost is None or ended is None or lost <= ended


def _witness(view: View, message: Message, lost: list[int]) -> Witness:
    story = f"{stories.acknowledgement(view, message)}; {stories.bots(view, lost)} never received it"
    operations = stories.sends(view, message)
    acked = _acked_ns(message)
    for bot in lost[: stories.NAMES_SHOWN]:
        operations += stories.whereabouts(
            view, view.bots[bot], message.room, message.invoked_ns - AROUND_NS, acked + AROUND_NS
        )
    return Witness(story=story, operations=stories.in_order(operations), t_ns=acked)
