"""gapless-resume: whoever resumes misses nothing, or is told honestly, for an allowed cause, that it
cannot resume.

A *resume* is an accepted join that named a cursor. It is right when

- it says `recovered: true`, its cursor does not lie past the end of an epoch that was over, its head is not
  before the cursor, its history holds every position after the cursor up to the head that its
  acknowledgement names, and the first live message of that epoch after it (if any came before the next
  join, leave or loss) is the one right after that head; or
- it says `recovered: false` for an allowed cause: the cursor's epoch is not in the room's log, the cursor
  lies past the end of its epoch, or what follows it is no longer retained.

The log is what the nodes served in the final reads. A resume may go on from one epoch in the next:
positions are compared by `seq`, which continues from the end at which an epoch was sealed. Messages of other
people hold positions too. Repetitions are a matter of no-duplicates, live gaps later on the connection of
complete-delivery.

Counted are resumes. In the pub/sub mode, which has no cursors, this does not apply (the judge says so without
asking; `records/guarantees.py`). A refusal can only be
judged with settled final reads; without them it leaves the finding unknown.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.checkers import stories
from harness.checkers.findings import Tally
from harness.checkers.receipts import LIVE, PAGED
from harness.checkers.sessions import BotView, Join
from harness.checkers.view import View
from harness.records.verdict import Property, Witness

NAME = "gapless-resume"


def check(view: View) -> Property:
    """Judge every accepted join that named a cursor."""
    tally = Tally(name=NAME, counted="joins with a cursor")
    logs = {room: _log(view, room) for room in view.plan.rooms}
    doubt = ""
    for bot in view.bots.values():
        for join in bot.joins:
            if join.cursor_seq is None or join.accepted_ns is None:
                continue
            tally.checked += 1
            log = logs.get(join.room)
            if not join.recovered and log is None:
                doubt = f"a resume in {join.room} was refused, and without its final reads nobody knows why"
                continue
            wrong = _gap(view, join, log) if join.recovered or log is None else _false_refusal(join, log)
            if wrong:
                tally.violated(partial(_witness, view, bot, join, wrong))
    return tally.finding(doubt)


@dataclass(frozen=True, slots=True)
class _Log:
    """The retained part of a room's log: the last position of each epoch, and the first of all."""

    ends: dict[str | None, int]
    first: int


def _log(view: View, room: str) -> _Log | None:
    """Return the log as the nodes served it; of several nodes the one that knows most counts."""
    reads = list(view.stores(room))
    if not reads or not all(read.settled for read in reads):
        return None
    contents = view.contents
    listed = np.unique(np.concatenate([read.contents for read in reads]))
    listed = listed[(contents.seq[listed] > 0) & (contents.room[listed] == view.room_number(room))]
    ends: dict[str | None, int] = {}
    for epoch in np.unique(contents.epoch[listed]).tolist():
        own = listed[contents.epoch[listed] == epoch]
        ends[view.names.epochs.name(epoch)] = int(contents.seq[own].max())
    return _Log(ends, int(contents.seq[listed].min()) if len(listed) else 1)


def _gap(view: View, join: Join, log: _Log | None) -> str:
    """Return what a resume that called itself complete left out, empty when nothing."""
    assert join.cursor_seq is not None
    end = log.ends.get(join.cursor_epoch) if log is not None and join.cursor_epoch != join.epoch else None
    if end is not None and join.cursor_seq > end:
        return f"of an epoch that ends at {end}, and was told that nothing is missing"
    if join.seq < join.cursor_seq:
        return f"and was told that the room's head is {join.seq}, before its cursor"
    history, live = _came(view, join)
    missing = list(_missing(join.cursor_seq, join.seq, view.contents.seq[view.receipts.content[history]]))
    if missing:
        return f"up to {join.seq}, and its history left out {stories.listed(missing)}"
    content = view.receipts.content[live]
    own = content[
        (view.contents.epoch[content] == view.names.epoch(join.epoch)) & (view.contents.seq[content] > 0)
    ]
    first_live = int(view.contents.seq[own].min()) if len(own) else 0
    if first_live > join.seq + 1:
        return f"up to {join.seq}, and the first live message was {first_live}"
    return ""


def _false_refusal(join: Join, log: _Log) -> str:
    """Return why a refusal was wrong, empty when its cause is allowed."""
    assert join.cursor_seq is not None
    end = log.ends.get(join.cursor_epoch)
    if end is None and join.cursor_epoch == join.epoch:
        end = join.seq
    if end is None or join.cursor_seq > end or join.cursor_seq + 1 < log.first:
        return ""
    if join.cursor_epoch == join.epoch and join.cursor_seq > join.seq:
        return ""
    return f"and was refused, although its epoch's log reaches from {log.first} to {end}"


def _came(view: View, join: Join) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the receipts of a join: its history, which came before the acknowledgement, and live ones."""
    table, own = view.receipts, view.receipts.by_join(join.number)
    old = (table.via[own] != LIVE) & (table.via[own] != PAGED)
    if join.accepted_row is not None:
        old &= table.row[own] < join.accepted_row
    return own[old], own[table.via[own] == LIVE]


def _missing(after: int, upto: int, seqs: NDArray[np.int64]) -> Iterator[str]:
    """Yield what lacks between two positions: `5` or `7 to 9`. The head is only claimed, and may be huge."""
    within = np.unique(seqs[(seqs > after) & (seqs <= upto)]).tolist()
    if len(within) == upto - after:
        return
    for before, following in pairwise((after, *within, upto + 1)):
        first, last = before + 1, following - 1
        if first <= last:
            yield str(first) if first == last else f"{first} to {last}"


def _witness(view: View, bot: BotView, join: Join, wrong: str) -> Witness:
    accepted = join.accepted_ns
    assert accepted is not None
    story = (
        f"{bot.name} resumed {join.room} on {join.node} at {stories.at(view, accepted)} from cursor "
        f"{join.cursor_seq}{stories.beside_fault(view, accepted)}, {wrong}"
    )
    history, live = _came(view, join)
    operations = [
        *stories.whereabouts(view, bot, join.room, join.invoked_ns, accepted),
        *(stories.receipt(view, view.receipt(one)) for one in (*history.tolist(), *live[:3].tolist())),
    ]
    return Witness(story=story, operations=stories.in_order(operations), t_ns=accepted)
