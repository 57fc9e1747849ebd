"""causal-order: nobody sees an answer before what it answers, and whoever sends after seeing a message is
ordered after it. Both within a room.

- *Answers.* A message that names another as what it answers (`reply_to`, a position of its own room) lies
  after it in the log; and no bot receives, within a membership, the answer first and then, live or by
  resume, what it answers. What is older than a bot's visible window and paged later is exempt, and so is what
  it never receives: that is for complete-delivery.
- *Seen first.* What a bot had received of a room before it *first* invoked a send to it lies before that
  message. (Received means recorded before: one reader stamps both.)

Places that are gone are left out. Without positions (pub/sub) there are no answers; the second rule then goes
by receive order: of the message that the sender received last before it sent, and its own, nobody may receive
its own first, live. Messages that were sent more than once are left out there.

Counted are answers, and sends after something was seen. Without any acknowledged message: unknown.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.checkers import operations, stories
from harness.checkers.findings import Tally
from harness.checkers.receipts import LIVE, PAGED
from harness.checkers.view import View
from harness.records.verdict import Property, Witness

NAME = "causal-order"
Ints = NDArray[np.int64]


def check(view: View) -> Property:
    """Compare every message with what it answers, and with what its sender had seen."""
    tally = Tally(name=NAME, counted="answers, and sends after something was seen")
    if view.durable:
        _answers(view, tally)
        _seen_first(view, tally)
    else:
        _received_first(view, tally)
    return tally.finding("" if len(view.acknowledged) else "no message was acknowledged")


# Answers


def _answers(view: View, tally: Tally) -> None:
    answers, asked = _pairs(view)
    tally.checked += len(answers)
    places = view.places.of_message
    both = (places[answers] >= 0) & (places[asked] >= 0)
    for at in np.flatnonzero(both & (places[asked] >= places[answers])).tolist():
        tally.violated(partial(_before_in_log, view, int(answers[at]), int(asked[at])))
    for room in np.unique(view.messages.room[answers]).tolist():
        own = view.messages.room[answers] == room
        for answer, question in _received_before(view, room, answers[own], asked[own]):
            tally.violated(partial(_received_answer_first, view, answer, question))


def _pairs(view: View) -> tuple[Ints, Ints]:
    """Return the answers whose question is a message of ours, and these."""
    messages, places = view.messages, view.places
    answers = np.flatnonzero(messages.reply_seq > 0)
    wanted = np.array([_asked_place(view, int(answer)) for answer in answers], np.int64)
    by_place = _by_place(view)
    asked = np.array(
        [by_place.get((int(messages.room[a]), int(w)), -1) for a, w in zip(answers, wanted, strict=True)],
        np.int64,
    )
    known = (wanted >= 0) & (asked >= 0) & (places.of_message[asked] >= 0)
    return answers[known], asked[known]


def _by_place(view: View) -> dict[tuple[int, int], int]:
    messages, places = view.messages, view.places.of_message[:-1]
    if not (messages.reply_seq > 0).any():
        return {}
    own = np.flatnonzero(places >= 0)
    keys = zip(messages.room[own].tolist(), places[own].tolist(), strict=True)
    return dict(zip(keys, own.tolist(), strict=True))


def _asked_place(view: View, answer: int) -> int:
    sent = view.messages.sent_as(answer)
    return view.places.place(sent.room, *sent.answers) if sent.answers is not None else -1


def _received_before(view: View, room: int, answers: Ints, asked: Ints) -> Iterator[tuple[int, int]]:
    """Yield receipts of answers, and the later receipts of what they answer."""
    table, count = view.receipts, len(view.messages_of(room))
    ranks = np.full(len(view.messages) + 1, -1, np.int64)
    ranks[view.messages_of(room)] = np.arange(count)
    for _, stay in table.stays(room):
        first = np.full(count + 1, -1, np.int64)
        first[view.rank[table.content[stay]][::-1]] = np.arange(stay.stop - 1, stay.start - 1, -1)
        first[-1] = -1
        one, other = first[ranks[answers]], first[ranks[asked]]
        late = np.flatnonzero((one >= 0) & (other > one))
        for answer, question in zip(one[late].tolist(), other[late].tolist(), strict=True):
            joins = view.membership_of_join[table.join[[answer, question]]]
            if joins[0] == joins[1] >= 0 and table.via[question] != PAGED:
                yield answer, question


# Seen first


def _seen_first(view: View, tally: Tally) -> None:
    messages, table, places = view.messages, view.receipts, view.places.of_message
    gone = view.places.gone
    for room, bot, own in _senders(view):
        stay = table.stay(bot, room)
        if stay.start == stay.stop:
            continue
        content = table.content[stay]
        seen = np.where(gone[content], -1, places[view.contents.owner[content]])
        highest = np.maximum.accumulate(seen)
        before = np.searchsorted(table.row[stay], messages.invoked_row[own]) - 1
        tally.checked += int(np.count_nonzero(before >= 0))
        above = np.where(before >= 0, highest[before], -1)
        for at in np.flatnonzero((places[own] >= 0) & (above > places[own])).tolist():
            receipt = stay.start + int(np.flatnonzero(seen[: before[at] + 1] == above[at])[0])
            tally.violated(partial(_sent_before, view, int(own[at]), receipt))


def _senders(view: View) -> Iterator[tuple[int, int, Ints]]:
    """Yield room, bot, and the messages that the bot sent to the room."""
    messages = view.messages
    for room in np.unique(messages.room).tolist():
        of_room = view.messages_of(room)
        bots, first = np.unique(messages.bot[of_room], return_index=True)
        for bot, own in zip(bots.tolist(), np.split(of_room, first[1:]), strict=True):
            yield room, bot, own


# Pub/sub


def _received_first(view: View, tally: Tally) -> None:
    for room in np.unique(view.messages.room).tolist():
        causes, effects = _causes(view, room)
        tally.checked += len(effects)
        for cause, effect in _effect_first(view, room, causes, effects):
            tally.violated(partial(_received_effect_first, view, cause, effect))


def _causes(view: View, room: int) -> tuple[Ints, Ints]:
    """Return ranks of messages that their senders received last before they sent, and of what they sent."""
    messages, table = view.messages, view.receipts
    of_room = view.messages_of(room)
    once = np.diff(messages.attempts_from)[of_room] == 1
    causes, effects = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for number, bot, own in _senders(view):
        stay = table.stay(bot, room) if number == room else slice(0, 0)
        ranks = view.rank[table.content[stay]].astype(np.int64)
        at = np.flatnonzero((table.via[stay] == LIVE) & (ranks >= 0))
        if not len(at):
            continue
        before = np.searchsorted(table.row[stay][at], messages.invoked_row[own]) - 1
        mine = np.searchsorted(of_room, own[before >= 0])
        causes.append(ranks[at[before[before >= 0]]])
        effects.append(mine)
    cause, effect = np.concatenate(causes), np.concatenate(effects)
    sound = once[cause] & once[effect]
    return cause[sound], effect[sound]


def _effect_first(view: View, room: int, causes: Ints, effects: Ints) -> Iterator[tuple[int, int]]:
    table, count = view.receipts, len(view.messages_of(room))
    for _, stay in table.stays(room):
        live = np.flatnonzero(table.via[stay] == LIVE) + stay.start
        first = np.full(count + 1, -1, np.int64)
        first[view.rank[table.content[live]][::-1]] = live[::-1]
        first[-1] = -1
        late = np.flatnonzero((first[effects] >= 0) & (first[causes] > first[effects]))
        yield from zip(first[causes[late]].tolist(), first[effects[late]].tolist(), strict=True)


# Witnesses


def _before_in_log(view: View, answer: int, question: int) -> Witness:
    one, other = view.message(answer), view.message(question)
    story = (
        f"{stories.message(view, one)} answers {stories.message(view, other)} and lies before it in the log"
    )
    lines = [*operations.sends(view, one), *operations.sends(view, other)]
    return operations.witness(story, lines, one.invoked_ns)


def _received_answer_first(view: View, answer: int, question: int) -> Witness:
    first, late = view.receipt(answer), view.receipt(question)
    one, other = view.message(first.message), view.message(late.message)
    story = (
        f"{view.name(first.bot)} received {stories.message(view, one)} at {stories.at(view, first.t_ns)}"
        f"{stories.beside_fault(view, first.t_ns)}, and what it answers, {stories.message(view, other)}, "
        f"only at {stories.at(view, late.t_ns)}"
    )
    lines = [*operations.sends(view, one), *operations.sends(view, other)]
    lines += [operations.receipt(view, first), operations.receipt(view, late)]
    return operations.witness(story, lines, first.t_ns)


def _sent_before(view: View, message: int, receipt: int) -> Witness:
    about, got = view.message(message), view.receipt(receipt)
    story = (
        f"{stories.message(view, about)} was sent at {stories.at(view, about.invoked_ns)}"
        f"{stories.beside_fault(view, about.invoked_ns)}, after its sender had received "
        f"{stories.message(view, view.message(got.message))}, and lies before that in the log"
    )
    lines = [operations.receipt(view, got), *operations.sends(view, about)]
    return operations.witness(story, lines, about.invoked_ns)


def _received_effect_first(view: View, cause: int, effect: int) -> Witness:
    late, first = view.receipt(cause), view.receipt(effect)
    one, other = view.message(first.message), view.message(late.message)
    story = (
        f"{view.name(first.bot)} received {stories.message(view, one)} before "
        f"{stories.message(view, other)}, which its sender had received before it sent"
    )
    lines = [*operations.sends(view, one), *operations.sends(view, other)]
    lines += [operations.receipt(view, first), operations.receipt(view, late)]
    return operations.witness(story, lines, first.t_ns)
