"""fifo-order: the messages of one producer in a room are never swapped for anyone.

- *In the log*: with positions, `n` of each producer rises with the position, over epochs too. What
  counts is the place that the stores list (the first, of two), or that was acknowledged or seen, of messages
  that they do not list; who saw it elsewhere disagrees, which is for total-order.
- *As received*: what one bot gets live on one connection from one producer comes with rising `n`. A
  repetition is a matter of no-duplicates.

Without positions (pub/sub), where n may be missing, the second rule goes by the sender's own numbering, and
leaves out messages that were sent more than once: there nothing orders a resend.

A producer that was abandoned (with a gap in its n, or after a rejection) is another producer than its
successor. A message whose producer or n was altered on its way is a matter of integrity. Counted are messages
by producer and room, and receipts that were looked at one by one. Without any acknowledged message: unknown.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.checkers import operations, stories
from harness.checkers.findings import Tally
from harness.checkers.receipts import LIVE
from harness.checkers.view import View
from harness.records.verdict import Property, Witness

NAME = "fifo-order"
Ints = NDArray[np.int64]


def check(view: View) -> Property:
    """Compare the numbers of every producer's messages with their order."""
    tally = Tally(name=NAME, counted="messages in the order of their producers")
    tally.checked = int(np.count_nonzero(view.seen))
    if view.durable:
        for before, after in _swapped_in_logs(view):
            tally.violated(partial(_in_the_log, view, before, after))
    for earlier, later in _swapped_on_the_way(view):
        tally.violated(partial(_received, view, earlier, later))
    return tally.finding("" if len(view.acknowledged) else "no message was acknowledged")


def _swapped_in_logs(view: View) -> Iterator[tuple[int, int]]:
    """Yield neighbours of one producer (as contents) whose numbers do not rise."""
    contents, places = view.contents, view.places
    own = np.flatnonzero(
        (contents.owner >= 0)
        & (contents.producer >= 0)
        & (contents.n > 0)
        & (places.of_content >= 0)
        & (places.of_content == places.of_message[contents.owner])
        & ~contents.wrong
        & view.told
    )
    order = np.lexsort((places.of_content[own], contents.producer[own], contents.room[own]))
    own = own[order]
    same = (np.diff(contents.room[own]) == 0) & (np.diff(contents.producer[own]) == 0)
    moves = (np.diff(places.of_content[own]) > 0) & (np.diff(contents.owner[own]) != 0)
    for at in np.flatnonzero(same & moves & (np.diff(contents.n[own]) <= 0)).tolist():
        yield int(own[at]), int(own[at + 1])


def _swapped_on_the_way(view: View) -> Iterator[tuple[int, int]]:
    """Yield receipts of one producer that came live in the wrong order on one connection."""
    if view.durable:  # Where places rise, and rise with n, no bot can have seen a swap.
        for stay in view.suspects:
            yield from _swapped_in_stay(view, np.arange(stay.start, stay.stop))
        return
    for room in range(len(view.plan.rooms)):
        for _, stay in view.receipts.stays(room):
            own = np.arange(stay.start, stay.stop)
            if _may_be_swapped(view, own):
                yield from _swapped_in_stay(view, own)


def _may_be_swapped(view: View, own: Ints) -> bool:
    messages = view.contents.owner[view.receipts.content[own]]
    messages = messages[messages >= 0]
    messages = messages[np.argsort(view.messages.bot[messages], kind="stable")]
    same = np.diff(view.messages.bot[messages]) == 0
    return bool((same & (np.diff(view.messages.key[messages]) < 0)).any())


def _swapped_in_stay(view: View, own: Ints) -> Iterator[tuple[int, int]]:
    contents, table, messages = view.contents, view.receipts, view.messages
    content = table.content[own]
    own = own[(table.via[own] == LIVE) & (contents.owner[content] >= 0) & ~contents.wrong[content]]
    content = table.content[own]
    whose = contents.owner[content]
    once = np.diff(messages.attempts_from)[whose] == 1
    stream = contents.producer[content] if view.durable else messages.bot[whose]
    number = contents.n[content] if view.durable else messages.key[whose]
    counts = (number > 0) & (stream >= 0) & (once | view.durable)
    columns = (own, view.conn_of(own), whose, stream, number)
    highest: dict[tuple[int, int], tuple[int, int]] = {}
    seen: set[tuple[int, int]] = set()
    for receipt, conn, message, of, n in zip(*(c[counts].tolist() for c in columns), strict=True):
        repeated = (conn, message) in seen
        seen.add((conn, message))
        top, first = highest.setdefault((conn, of), (n, receipt))
        if n > top:
            highest[conn, of] = (n, receipt)
        elif n < top and not repeated:
            yield first, receipt


def _in_the_log(view: View, before: int, after: int) -> Witness:
    contents = view.contents
    one, other = (view.message(int(contents.owner[content])) for content in (before, after))
    epoch = view.names.epochs.name(int(contents.epoch[after]))
    story = (
        f"{stories.message(view, other)} has n {contents.n[after]} of producer "
        f"{view.names.producers.name(int(contents.producer[after]))!a} and lies at position "
        f"{contents.seq[after]} of epoch {epoch!a}, after {stories.message(view, one)} with n "
        f"{contents.n[before]} at position {contents.seq[before]}"
    )
    lines = [*operations.sends(view, one), *operations.sends(view, other)]
    return operations.witness(story, lines, other.invoked_ns)


def _received(view: View, earlier: int, later: int) -> Witness:
    first, late = view.receipt(earlier), view.receipt(later)
    one, other = view.message(first.message), view.message(late.message)
    story = (
        f"{view.name(late.bot)} received {stories.message(view, other)} after {stories.message(view, one)} "
        f"at {stories.at(view, late.t_ns)}{stories.beside_fault(view, late.t_ns)}, live and on one "
        "connection, though their producer sent them the other way round"
    )
    lines = [*operations.sends(view, one), *operations.sends(view, other)]
    lines += [operations.receipt(view, first), operations.receipt(view, late)]
    return operations.witness(story, lines, late.t_ns)
