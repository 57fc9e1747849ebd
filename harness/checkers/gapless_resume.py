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

Told honestly is also who stays: an epoch's messages come live on a connection only after a `message_history`
of the room, or the acknowledgement of a join of it, has named that epoch there. Otherwise the log changed
under a recipient whose cursor is of the old one. Each such epoch of a connection is one violation, whatever
the number of its messages; what comes outside of any join is for integrity.

Counted are resumes, and each epoch of each room that came live on a connection. In the pub/sub mode, which
has no cursors, this does not apply (the judge says so without asking; `records/guarantees.py`). A refusal can
only be judged with settled final reads; without them it leaves the finding unknown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.checkers import operations, stories
from harness.checkers.findings import Tally
from harness.checkers.receipts import LIVE, PAGED
from harness.checkers.sessions import BotView, Join
from harness.checkers.view import View
from harness.records.history import Op
from harness.records.verdict import Property, Witness

NAME = "gapless-resume"
Ints = NDArray[np.int64]


def check(view: View) -> Property:
    """Judge every accepted join that named a cursor, and every epoch that began on a connection."""
    tally = Tally(name=NAME, counted="joins with a cursor and epochs of live messages on a connection")
    doubt = _judge_resumes(view, tally)
    first, announced = _begun(view)
    tally.checked += len(first)
    for receipt in first[~announced].tolist():
        tally.violated(partial(_unannounced, view, receipt))
    return tally.finding(doubt)


def _judge_resumes(view: View, tally: Tally) -> str:
    """Judge every accepted join that named a cursor; return why some could not be, empty when all could."""
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
    return doubt


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
    lines = [
        *operations.whereabouts(view, bot, join.room, join.invoked_ns, accepted),
        *(operations.receipt(view, view.receipt(one)) for one in (*history.tolist(), *live[:3].tolist())),
    ]
    return operations.witness(story, lines, accepted)


# Epochs. A *stand* is a room on a connection; the key of an epoch there is one number of both.


def _begun(view: View) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the first live receipt of each epoch of each stand, and whether it had been named by then."""
    stands: dict[tuple[int, int, str], int] = {}
    of_join = np.array(
        [stands.setdefault((join.bot, join.conn, join.room), len(stands)) for join in view.joins], np.int64
    )
    keys, first = _first_live(view, of_join)
    named = _first_named(view, stands)
    told = np.array(sorted(named), np.int64)
    rows = np.array([*(named[key] for key in told.tolist()), np.iinfo(np.int64).max], np.int64)
    at = np.searchsorted(told, keys)
    at[~np.isin(keys, told)] = len(told)  # Never named.
    return first, rows[at] < view.receipts.row[first]


def _first_live(view: View, stand_of_join: Ints) -> tuple[Ints, Ints]:
    """Return the keys of the epochs that came live by a join, and the first receipt of each."""
    table, contents = view.receipts, view.contents
    epochs, width = np.where(contents.seq > 0, contents.epoch, -1), len(view.names.epochs)
    keys, first = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for piece in table.pieces():
        join, epoch = table.join[piece], epochs[table.content[piece]]
        own = np.flatnonzero((table.via[piece] == LIVE) & (join >= 0) & (epoch >= 0))
        key = stand_of_join[join[own]] * width + epoch[own]
        changes = np.flatnonzero(np.diff(key, prepend=-1))  # Few: receipts of a stand lie together.
        found, places = np.unique(key[changes], return_index=True)
        keys.append(found)
        first.append(own[changes[places]] + piece.start)
    found, places = np.unique(np.concatenate(keys), return_index=True)
    return found, np.concatenate(first)[places]


def _first_named(view: View, stands: Mapping[tuple[int, int, str], int]) -> dict[int, int]:
    """Return the first row in which a history or an acknowledged join named an epoch, by its key."""
    taken, names = view.recorded.taken.of(Op.HISTORY, Op.JOIN_OK), view.names
    columns = (taken.row, *(taken.events[name] for name in ("bot", "conn", "a", "b")))
    found: dict[int, int] = {}
    width = len(names.epochs)
    for row, bot, conn, room, epoch in zip(*(column.tolist() for column in columns), strict=True):
        stand = stands.get((bot, conn, names.room(view.recorded.text(room)) or ""))
        number = names.epoch(view.recorded.string(epoch))
        if stand is not None and number >= 0:
            found.setdefault(stand * width + number, row)
    return found


def _unannounced(view: View, receipt: int) -> Witness:
    got = view.receipt(receipt)
    bot, join = view.bots[got.bot], view.joins[got.join]
    story = (
        f"{bot.name} received position {got.content.seq} of epoch {got.content.epoch!a} live in {join.room} "
        f"on {got.node} at {stories.at(view, got.t_ns)}{stories.beside_fault(view, got.t_ns)}, and neither a "
        f"history nor a join on this connection had told it of that epoch"
    )
    own = view.receipts.by_join(got.join)
    shown = (*own[own < receipt][-1:].tolist(), receipt)
    lines = [
        *operations.whereabouts(view, bot, join.room, join.invoked_ns, got.t_ns),
        *(operations.receipt(view, view.receipt(one)) for one in shown),
    ]
    return operations.witness(story, lines, got.t_ns)
