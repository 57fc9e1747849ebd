"""total-order: all recipients and all nodes agree on one order of messages per room.

Where the cluster gives positions (per room and epoch, `seq`), agreement means:

- *one message a position*: whoever names a position, by a receipt, an acknowledgement (a duplicate's
  too) or a final read, means the same message;
- *one position a message*: two observers never saw it at different places (one observer who saw it at
  two is a matter of no-duplicates; a place past the end of an epoch that is over is gone, and counts for
  neither);
- *every acknowledgement names its position*;
- *no holes*: in each epoch, between the first and the last position that anyone named, every position
  names a message. This is judged only when the final reads are complete: before that a hole may be a
  message that nobody was left to see. It is judged up to where the log goes on in another epoch: places
  past that end are gone, and with them the messages of which nobody heard;
- *read in order*: a final read lists rising positions, over epochs too, for `seq` continues;
- *received in order*: on one connection the positions of an epoch that come live rise (repetitions aside).

In the pub/sub mode there are no positions. There every observer (a bot by its live receipts, a node by
its final reads) has an order of first sights, and any two observers must have seen the messages that they
have in common in the same order. A pair of observers that disagrees is one violation, in however many
messages; its story says in how many.

Counted are positions (those in holes too) and acknowledgements, or pairs of observers. Without any
acknowledged message: unknown.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, combinations, pairwise

from harness.checkers import stories
from harness.checkers.content import Received
from harness.checkers.final_reads import FinalRead
from harness.checkers.findings import Tally
from harness.checkers.messages import Answer, Attempt, Message
from harness.checkers.no_duplicates import two_places
from harness.checkers.positions import Ends, ends_of
from harness.checkers.sessions import Receipt, Via
from harness.checkers.view import MessageId, View
from harness.records.verdict import Property, Witness

NAME = "total-order"
Place = tuple[str, str, int]  # room, epoch, seq
_Pair = tuple[MessageId, MessageId]


def check(view: View) -> Property:
    """Compare all that anyone said about order."""
    tally = (
        Tally(name=NAME, counted="positions in logs, and acknowledgements that name them")
        if view.durable
        else Tally(name=NAME, counted="pairs of observers of a room")
    )
    if view.durable:
        _by_position(view, tally)
    else:
        _by_pairs(view, tally)
    return tally.finding("" if view.acknowledged else "no message was acknowledged")


@dataclass(frozen=True, slots=True)
class _Claim:
    """Somebody saw a message at a place. `what` is whose message; for other people's, its raw content."""

    place: Place
    what: MessageId | str
    who: str
    t_ns: int | None


def _by_position(view: View, tally: Tally) -> None:
    at_place: dict[Place, dict[MessageId | str, _Claim]] = {}
    of_message: dict[MessageId, dict[Place, _Claim]] = {}
    for claim in _claims(view):
        at_place.setdefault(claim.place, {}).setdefault(claim.what, claim)
        if not isinstance(claim.what, str):
            of_message.setdefault(claim.what, {}).setdefault(claim.place, claim)
    tally.checked = len(at_place)
    _acknowledged_nowhere(view, tally)
    contested = {place for place, claims in at_place.items() if len(claims) > 1}
    for place in sorted(contested):
        tally.violated(partial(_contested, view, place, tuple(at_place[place].values())))
    twice, ends = two_places(view), ends_of(view)
    for whose, all_places in of_message.items():
        places = {place: claim for place, claim in all_places.items() if not _is_gone(ends, place)}
        if len(places) > 1 and whose not in twice and not contested & set(places):
            tally.violated(partial(_displaced, view, whose, tuple(places.values())))
    if not view.unsettled:
        for hole in _holes(place for place in {*at_place, *_held(view)} if not _is_gone(ends, place)):
            missing = hole[2] - hole[1] - 1
            tally.checked += missing
            tally.violated(partial(_hole, view, *hole), missing)
    for read in view.finals.reads.values():
        for before, after in _disordered(read):
            tally.violated(partial(_read_disorder, view, read, before, after))
    for before_, after_ in _live_disorder(view):
        tally.violated(partial(_received_disorder, view, before_, after_))


def _acknowledged_nowhere(view: View, tally: Tally) -> None:
    for message in view.messages.values():
        for attempt, ack in message.acks:
            tally.checked += 1
            if ack.epoch is None or not ack.seq:
                tally.violated(partial(_nowhere, view, message, attempt, ack))


def _claims(view: View) -> Iterator[_Claim]:
    for receipt in view.receipts():
        yield from _claim(view, receipt.content, view.name(receipt.bot), receipt.t_ns)
    for read in view.finals.reads.values():
        for content in read.contents:
            if content.room == read.room:
                yield from _claim(view, content, f"{read.node}'s {read.source}", None)
    for message in view.messages.values():
        for attempt, ack in message.acks:
            if ack.epoch is not None and ack.seq:
                place = (message.room, ack.epoch, ack.seq)
                whom = f"the acknowledgement by {attempt.node or 'a node'}"
                yield _Claim(place, (message.bot, message.key), whom, ack.t_ns)


def _claim(view: View, content: Received, who: str, t_ns: int | None) -> Iterator[_Claim]:
    place = _place(content)
    if place is None:
        return
    whose = view.belongs(content)
    if whose is not None:
        yield _Claim(place, whose, who, t_ns)
    elif content.foreign:
        yield _Claim(place, content.raw, who, t_ns)


def _held(view: View) -> Iterator[Place]:
    """Yield the places of altered texts: something is there, though nobody can say whose it is."""
    received = (receipt.content for receipt in view.receipts())
    listed = (content for read in view.finals.reads.values() for content in read.contents)
    for content in chain(received, listed):
        if view.message_of(content) is None:
            place = _place(content)
            if place is not None:
                yield place


def _place(content: Received) -> Place | None:
    if content.room is None or content.epoch is None or not content.seq:
        return None
    return content.room, content.epoch, content.seq


def _is_gone(ends: Mapping[str, Ends], place: Place) -> bool:
    room, epoch, seq = place
    return room in ends and ends[room].is_gone(epoch, seq)


def _holes(at_place: Iterable[Place]) -> Iterator[tuple[tuple[str, str], int, int]]:
    """Yield room and epoch, and the positions around each hole."""
    seqs: dict[tuple[str, str], list[int]] = {}
    for room, epoch, seq in at_place:
        seqs.setdefault((room, epoch), []).append(seq)
    for of, own in sorted(seqs.items()):
        for before, after in pairwise(sorted(own)):
            if after > before + 1:
                yield of, before, after


def _disordered(read: FinalRead) -> Iterator[tuple[Received, Received]]:
    """Yield neighbours of a final read that do not rise."""
    placed = [content for content in read.contents if content.seq and content.room == read.room]
    for before, after in pairwise(placed):
        if after.seq <= before.seq and after.raw != before.raw:
            yield before, after


def _live_disorder(view: View) -> Iterator[tuple[Receipt, Receipt]]:
    """Yield live receipts that came after one with a higher position on the same connection."""
    for bot in view.bots.values():
        highest: dict[tuple[int, str, str | None], Receipt] = {}
        seen: set[tuple[int, MessageId]] = set()
        for receipt in bot.receipts:
            whose = view.belongs(receipt.content)
            if receipt.via is not Via.LIVE or whose is None or not receipt.content.seq:
                continue
            repeated = (receipt.conn, whose) in seen
            seen.add((receipt.conn, whose))
            assert receipt.content.room is not None
            stream = (receipt.conn, receipt.content.room, receipt.content.epoch)
            top = highest.setdefault(stream, receipt)
            if receipt.content.seq > top.content.seq:
                highest[stream] = receipt
            elif receipt.content.seq < top.content.seq and not repeated:
                yield top, receipt


# Pub/sub: pairs of observers


@dataclass(frozen=True, slots=True)
class _Observer:
    who: str
    order: Sequence[MessageId]
    bot: int | None = None


def _by_pairs(view: View, tally: Tally) -> None:
    for room in view.plan.rooms:
        for one, other in combinations(_observers(view, room), 2):
            tally.checked += 1
            common, swapped = _swapped(one, other)
            if swapped:
                tally.violated(partial(_swap, view, one, other, swapped, common))


def _observers(view: View, room: str) -> list[_Observer]:
    found = []
    for bot in view.bots.values():
        live = (r.content for r in bot.receipts if r.via is Via.LIVE and r.content.room == room)
        found.append(_Observer(bot.name, _first_sights(view, live), bot.bot))
    for read in view.finals.reads.values():
        if read.room == room:
            found.append(_Observer(f"{read.node}'s {read.source}", _first_sights(view, read.contents)))
    return [observer for observer in found if observer.order]


def _first_sights(view: View, contents: Iterable[Received]) -> tuple[MessageId, ...]:
    return tuple(dict.fromkeys(whose for content in contents if (whose := view.belongs(content))))


def _swapped(one: _Observer, other: _Observer) -> tuple[int, list[_Pair]]:
    """Return how many messages both saw, and the one's neighbours among them that the other saw swapped."""
    place = {whose: index for index, whose in enumerate(other.order)}
    common = [whose for whose in one.order if whose in place]
    swapped = [(before, after) for before, after in pairwise(common) if place[before] > place[after]]
    return len(common), swapped


# Witnesses


def _subject(view: View, what: MessageId | str) -> str:
    return "another user's message" if isinstance(what, str) else stories.message(view, view.messages[what])


def _sends(view: View, claims: Iterable[MessageId | str]) -> tuple[str, ...]:
    own = (what for what in claims if not isinstance(what, str))
    return stories.in_order(line for whose in own for line in stories.sends(view, view.messages[whose]))


def _moment(claims: Iterable[_Claim]) -> int | None:
    return min((claim.t_ns for claim in claims if claim.t_ns is not None), default=None)


def _contested(view: View, place: Place, claims: tuple[_Claim, ...]) -> Witness:
    means = [f"{_subject(view, claim.what)} for {claim.who}" for claim in claims]
    moment = _moment(claims)
    beside = stories.beside_fault(view, moment) if moment is not None else ""
    story = f"position {place[2]} of {place[0]} is {stories.listed(means)}{beside}"
    return Witness(story=story, operations=_sends(view, (claim.what for claim in claims)), t_ns=moment)


def _displaced(view: View, whose: MessageId, claims: tuple[_Claim, ...]) -> Witness:
    places = [f"{claim.place[2]} of epoch {claim.place[1]!a} for {claim.who}" for claim in claims]
    story = f"{_subject(view, whose)} is at position {stories.listed(places)}"
    return Witness(story=story, operations=_sends(view, [whose]), t_ns=_moment(claims))


def _hole(view: View, of: tuple[str, str], before: int, after: int) -> Witness:
    missing = (
        f"position {before + 1} names"
        if after == before + 2
        else f"positions {before + 1} to {after - 1} name"
    )
    story = f"in {of[0]}, epoch {of[1]!a}, {missing} no message, but {before} and {after} do"
    return Witness(story=story)


def _read_disorder(view: View, read: FinalRead, before: Received, after: Received) -> Witness:
    story = (
        f"the final read of {read.node} ({read.source} of {read.room}) lists position {after.seq} "
        f"after position {before.seq}"
    )
    whose = [found for content in (before, after) if (found := view.belongs(content))]
    return Witness(story=story, operations=_sends(view, whose), t_ns=read.t_ns)


def _received_disorder(view: View, top: Receipt, late: Receipt) -> Witness:
    whose = view.belongs(late.content)
    subject = _subject(view, whose) if whose is not None else "a message"
    story = (
        f"{view.name(late.bot)} received {subject}, position {late.content.seq}, at "
        f"{stories.at(view, late.t_ns)}{stories.beside_fault(view, late.t_ns)}, live and after position "
        f"{top.content.seq} on the same connection"
    )
    operations = stories.in_order([stories.receipt(view, top), stories.receipt(view, late)])
    return Witness(story=story, operations=operations, t_ns=late.t_ns)


def _nowhere(view: View, message: Message, attempt: Attempt, ack: Answer) -> Witness:
    story = (
        f"{stories.message(view, message)} was acknowledged by {attempt.node or 'a node'} at "
        f"{stories.at(view, ack.t_ns)}{stories.beside_fault(view, ack.t_ns)}, without a position"
    )
    return Witness(story=story, operations=stories.in_order(stories.sends(view, message)), t_ns=ack.t_ns)


def _swap(view: View, one: _Observer, other: _Observer, swapped: Sequence[_Pair], common: int) -> Witness:
    pair = swapped[0]
    first, second = (_subject(view, whose) for whose in pair)
    story = (
        f"{one.who} saw {first} before {second}; {other.who} saw them the other way round; of the {common} "
        f"messages that both saw, {len(set(chain.from_iterable(swapped)))} stand in such pairs"
    )
    lines = [line for whose in pair for line in stories.sends(view, view.messages[whose])]
    for bot in (one.bot, other.bot):
        lines += _live_receipts(view, bot, pair) if bot is not None else []
    moment = min(view.messages[whose].invoked_ns for whose in pair)
    return Witness(story=story, operations=stories.in_order(lines), t_ns=moment)


def _live_receipts(view: View, bot: int, pair: tuple[MessageId, MessageId]) -> list[stories.Line]:
    return [
        stories.receipt(view, receipt)
        for receipt in view.bots[bot].receipts
        if receipt.via is Via.LIVE and view.belongs(receipt.content) in pair
    ]
