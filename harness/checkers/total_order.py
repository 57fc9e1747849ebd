"""total-order: all recipients and all nodes agree on one order of messages per room.

Where the cluster gives positions (per room and epoch, `seq`), agreement means:

- *one message a position*: whoever names a position, by a receipt, an acknowledgement (a duplicate's
  too) or a final read, means the same message;
- *one position a message*: two observers never saw it at different places (one observer who saw it at
  two is a matter of no-duplicates; a place past the end of an epoch that is over is gone, and counts for
  neither);
- *every acknowledgement names its position*;
- *no holes*: in each epoch, between the first and the last position that anyone named, every position
  names a message. This is judged only when the final reads and the history are whole: else a hole may be a
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

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from harness.checkers import operations, stories
from harness.checkers.final_reads import FinalRead
from harness.checkers.findings import Tally
from harness.checkers.no_duplicates import two_places
from harness.checkers.observers import Observer, agree, observers, place_of
from harness.checkers.receipts import LIVE
from harness.checkers.view import View
from harness.records.history import Op
from harness.records.verdict import Property, Witness

NAME = "total-order"
Ints = NDArray[np.int64]


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
    return tally.finding("" if len(view.acknowledged) else "no message was acknowledged")


@dataclass(frozen=True)
class _Claims:
    """Somebody saw a message at a place: a row per content or acknowledgement that names one.

    `what` is whose message; for other people's, the number of messages and of the content. `source` is the
    content, or the number of contents and of the answer. Sorted by place, then `what`, then source; `place`
    numbers the places, and `gone` says which of them are.
    """

    room: Ints
    epoch: Ints
    seq: Ints
    what: Ints
    source: Ints
    gone: NDArray[np.bool_]
    place: Ints

    def at(self, place: int) -> Ints:
        """Return the rows of a place, one for each message that it is claimed for."""
        rows = np.flatnonzero(self.place == place)
        _, first = np.unique(self.what[rows], return_index=True)
        return rows[first]


def _by_position(view: View, tally: Tally) -> None:
    claims = _claims(view)
    tally.checked = int(claims.place[-1]) + 1 if len(claims.place) else 0
    _acknowledged_nowhere(view, tally)
    changes = np.flatnonzero((np.diff(claims.place) == 0) & (np.diff(claims.what) != 0))
    contested = np.unique(claims.place[changes])
    for place in contested.tolist():
        tally.violated(partial(_contested, view, claims, claims.at(place)))
    for message, rows in _displaced_messages(view, claims, contested):
        tally.violated(partial(_displaced, view, claims, message, rows))
    if not view.unsettled and not view.lost_evidence:
        for room, epoch, before, after in _holes(view, claims):
            tally.checked += after - before - 1
            tally.violated(partial(_hole, view, room, epoch, before, after), after - before - 1)
    for read in view.finals.reads.values():
        for before, after in _disordered(view, read):
            tally.violated(partial(_read_disorder, view, read, before, after))
    for top, late in _live_disorder(view):
        tally.violated(partial(_received_disorder, view, top, late))


def _claims(view: View) -> _Claims:
    contents, messages = view.contents, view.messages
    named = np.flatnonzero(
        (contents.room >= 0)
        & (contents.epoch >= 0)
        & (contents.seq > 0)
        & ((contents.owner >= 0) | (contents.foreign & (contents.message < 0)))
        & view.told
    )
    owners = contents.owner[named].astype(np.int64)
    acks = _placed_acks(view)
    whose = messages.attempts.message[messages.answers.attempt[acks]]
    epochs = view.answer_epoch[acks]
    room = np.concatenate([contents.room[named], messages.room[whose]]).astype(np.int64)
    epoch = np.concatenate([contents.epoch[named], epochs]).astype(np.int64)
    seq = np.concatenate([contents.seq[named], messages.answers.seq[acks]])
    what = np.concatenate([np.where(owners >= 0, owners, len(messages) + named), whose])
    source = np.concatenate([named, len(contents) + acks])
    order = np.lexsort((source, what, seq, epoch, room))
    room, epoch, seq = room[order], epoch[order], seq[order]
    new = (np.diff(room) != 0) | (np.diff(epoch) != 0) | (np.diff(seq) != 0)
    place = np.concatenate([[0], np.cumsum(new)]) if len(order) else np.empty(0, np.int64)
    gone = view.places.are_gone(room, epoch, seq)
    return _Claims(room, epoch, seq, what[order], source[order], gone, place)


def _placed_acks(view: View) -> Ints:
    answers = view.messages.answers
    return np.flatnonzero((answers.op == Op.SEND_OK) & (answers.text > 0) & (answers.seq > 0))


def _acknowledged_nowhere(view: View, tally: Tally) -> None:
    answers = view.messages.answers
    acks = np.flatnonzero(answers.op == Op.SEND_OK)
    tally.checked += len(acks)
    for ack in acks[(answers.text[acks] == 0) | (answers.seq[acks] == 0)].tolist():
        tally.violated(partial(_nowhere, view, ack))


def _displaced_messages(view: View, claims: _Claims, contested: Ints) -> Iterator[tuple[int, Ints]]:
    """Yield messages that observers saw at different places, none of which is contested anyway."""
    rows = np.flatnonzero((claims.what < len(view.messages)) & ~claims.gone)
    rows = rows[np.lexsort((claims.place[rows], claims.what[rows]))]
    first = np.append(True, (np.diff(claims.what[rows]) != 0) | (np.diff(claims.place[rows]) != 0))
    rows = rows[first[: len(rows)]]
    messages, counts = np.unique(claims.what[rows], return_counts=True)
    twice = two_places(view)
    for message in messages[counts > 1].tolist():
        own = rows[claims.what[rows] == message]
        if message not in twice and not np.isin(claims.place[own], contested).any():
            yield message, own[np.argsort(claims.source[own])]


def _holes(view: View, claims: _Claims) -> Iterator[tuple[int, int, int, int]]:
    """Yield room, epoch, and the positions around each hole; altered texts hold places too."""
    contents = view.contents
    held = np.flatnonzero(
        (contents.message < 0) & (contents.room >= 0) & (contents.epoch >= 0) & (contents.seq > 0)
    )
    room = np.concatenate([claims.room, contents.room[held]])
    epoch = np.concatenate([claims.epoch, contents.epoch[held]])
    seq = np.concatenate([claims.seq, contents.seq[held]])
    kept = ~view.places.are_gone(room, epoch, seq)
    room, epoch, seq = room[kept], epoch[kept], seq[kept]
    order = np.lexsort((seq, epoch, room))
    room, epoch, seq = room[order], epoch[order], seq[order]
    same = (np.diff(room) == 0) & (np.diff(epoch) == 0)
    for at in np.flatnonzero(same & (np.diff(seq) > 1)).tolist():
        yield int(room[at]), int(epoch[at]), int(seq[at]), int(seq[at + 1])


def _disordered(view: View, read: FinalRead) -> Iterator[tuple[int, int]]:
    """Yield neighbouring contents of a final read that do not rise."""
    contents, own = view.contents, read.contents
    own = own[(contents.seq[own] > 0) & (contents.room[own] == view.room_number(read.room))]
    falls = (np.diff(contents.seq[own]) <= 0) & (np.diff(own) != 0)
    for at in np.flatnonzero(falls).tolist():
        yield int(own[at]), int(own[at + 1])


def _live_disorder(view: View) -> Iterator[tuple[int, int]]:
    """Yield live receipts that came after one with a higher position of the epoch on the same connection."""
    contents, table = view.contents, view.receipts
    for stay in view.suspects:
        own = np.arange(stay.start, stay.stop)
        content = table.content[own]
        own = own[(table.via[own] == LIVE) & (contents.owner[content] >= 0) & (contents.seq[content] > 0)]
        highest: dict[tuple[int, int], tuple[int, int]] = {}
        seen: set[tuple[int, int]] = set()
        content = table.content[own]
        columns = (
            own,
            view.conn_of(own),
            contents.owner[content],
            contents.epoch[content],
            contents.seq[content],
        )
        for receipt, conn, message, epoch, seq in zip(*(c.tolist() for c in columns), strict=True):
            repeated = (conn, message) in seen
            seen.add((conn, message))
            top_seq, top = highest.setdefault((conn, epoch), (seq, receipt))
            if seq > top_seq:
                highest[conn, epoch] = (seq, receipt)
            elif seq < top_seq and not repeated:
                yield top, receipt


# Pub/sub: pairs of observers


def _by_pairs(view: View, tally: Tally) -> None:
    for room in view.plan.rooms:
        found = observers(view, room)
        messages = view.messages_of(view.room_number(room))
        tally.checked += len(found) * (len(found) - 1) // 2
        if len(found) < 2 or agree(found, len(messages)):
            continue
        for one, other in combinations(found, 2):
            common, swapped = _swapped(one, other, len(messages))
            if len(swapped):
                pairs = messages[swapped]
                tally.violated(partial(_swap, view, one, other, pairs, common))


def _swapped(one: Observer, other: Observer, count: int) -> tuple[int, Ints]:
    """Return how many messages both saw, and the one's neighbours among them that the other saw swapped."""
    places = place_of(other.order, count)
    common = one.order[places[one.order] >= 0]
    falls = np.flatnonzero(np.diff(places[common]) < 0)
    return len(common), np.stack([common[falls], common[falls + 1]], axis=1)


# Witnesses


def _subject(view: View, what: int) -> str:
    if what >= len(view.messages):
        return "another user's message"
    return stories.message(view, view.message(what))


def _sends(view: View, claims: Collection[int]) -> list[operations.Line]:
    own = (what for what in claims if what < len(view.messages))
    return [line for whose in own for line in operations.sends(view, view.message(whose))]


def _who(view: View, source: int) -> tuple[str, int | None, int]:
    """Return who claims by this source, when, and a number by which claims are put in order."""
    if source >= len(view.contents):
        answer = source - len(view.contents)
        attempt = int(view.messages.answers.attempt[answer])
        message = int(view.messages.attempts.message[attempt])
        node = view.message(message).attempts[attempt - int(view.messages.attempts_from[message])].node
        whom = f"the acknowledgement by {node or 'a node'}"
        return whom, int(view.messages.answers.t_ns[answer]), 1 << 62
    receipts = np.flatnonzero(view.receipts.content == source)
    if len(receipts):
        first = view.receipt(int(receipts[0]))
        return view.name(first.bot), first.t_ns, int(receipts[0])
    for number, read in enumerate(view.finals.reads.values()):
        if source in read.contents:
            return f"{read.node}'s {read.source}", None, (1 << 61) + number
    return "somebody", None, 1 << 62


def _contested(view: View, claims: _Claims, rows: Ints) -> Witness:
    told = sorted(
        ((*_who(view, int(claims.source[row])), int(claims.what[row])) for row in rows), key=lambda c: c[2]
    )
    means = [f"{_subject(view, what)} for {who}" for who, _, _, what in told]
    moment = min((t_ns for _, t_ns, _, _ in told if t_ns is not None), default=None)
    beside = stories.beside_fault(view, moment) if moment is not None else ""
    seq, room = int(claims.seq[rows[0]]), view.names.rooms.name(int(claims.room[rows[0]]))
    story = f"position {seq} of {room} is {stories.listed(means)}{beside}"
    return operations.witness(story, _sends(view, [c[3] for c in told]), moment)


def _displaced(view: View, claims: _Claims, message: int, rows: Ints) -> Witness:
    told = [(*_who(view, int(claims.source[row])), row) for row in rows]
    places = [
        f"{claims.seq[row]} of epoch {view.names.epochs.name(int(claims.epoch[row]))!a} for {who}"
        for who, _, _, row in told
    ]
    moment = min((t_ns for _, t_ns, _, _ in told if t_ns is not None), default=None)
    story = f"{_subject(view, message)} is at position {stories.listed(places)}"
    return operations.witness(story, _sends(view, [message]), moment)


def _hole(view: View, room: int, epoch: int, before: int, after: int) -> Witness:
    missing = (
        f"position {before + 1} names"
        if after == before + 2
        else f"positions {before + 1} to {after - 1} name"
    )
    names = view.names
    where = f"in {names.rooms.name(room)}, epoch {names.epochs.name(epoch)!a}"
    return Witness(story=f"{where}, {missing} no message, but {before} and {after} do")


def _read_disorder(view: View, read: FinalRead, before: int, after: int) -> Witness:
    contents = view.contents
    story = (
        f"the final read of {read.node} ({read.source} of {read.room}) lists position {contents.seq[after]} "
        f"after position {contents.seq[before]}"
    )
    whose = [int(contents.owner[content]) for content in (before, after) if contents.owner[content] >= 0]
    return operations.witness(story, _sends(view, whose), read.t_ns)


def _received_disorder(view: View, earlier: int, later: int) -> Witness:
    top, late = view.receipt(earlier), view.receipt(later)
    story = (
        f"{view.name(late.bot)} received {_subject(view, late.message)}, position {late.content.seq}, at "
        f"{stories.at(view, late.t_ns)}{stories.beside_fault(view, late.t_ns)}, live and after position "
        f"{top.content.seq} on the same connection"
    )
    lines = [operations.receipt(view, top), operations.receipt(view, late)]
    return operations.witness(story, lines, late.t_ns)


def _nowhere(view: View, ack: int) -> Witness:
    attempt, t_ns = int(view.messages.answers.attempt[ack]), int(view.messages.answers.t_ns[ack])
    number = int(view.messages.attempts.message[attempt])
    message = view.message(number)
    node = message.attempts[attempt - int(view.messages.attempts_from[number])].node
    story = (
        f"{stories.message(view, message)} was acknowledged by {node or 'a node'} at "
        f"{stories.at(view, t_ns)}{stories.beside_fault(view, t_ns)}, without a position"
    )
    return operations.witness(story, operations.sends(view, message), t_ns)


def _swap(view: View, one: Observer, other: Observer, swapped: Ints, common: int) -> Witness:
    pair: Sequence[int] = swapped[0].tolist()
    first, second = (_subject(view, whose) for whose in pair)
    story = (
        f"{one.who} saw {first} before {second}; {other.who} saw them the other way round; of the {common} "
        f"messages that both saw, {len(np.unique(swapped))} stand in such pairs"
    )
    lines = list(chain.from_iterable(operations.sends(view, view.message(whose)) for whose in pair))
    for bot in (one.bot, other.bot):
        lines += _live_receipts(view, bot, pair) if bot is not None else []
    moment = int(view.messages.invoked_ns[list(pair)].min())
    return operations.witness(story, lines, moment)


def _live_receipts(view: View, bot: int, pair: Sequence[int]) -> list[operations.Line]:
    table = view.receipts
    stay = table.stay(bot, int(view.messages.room[pair[0]]))
    own = np.isin(view.contents.owner[table.content[stay]], pair) & (table.via[stay] == LIVE)
    return [operations.receipt(view, view.receipt(at)) for at in (np.flatnonzero(own) + stay.start).tolist()]
