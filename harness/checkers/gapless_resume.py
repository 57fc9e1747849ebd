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

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from harness.checkers import stories
from harness.checkers.findings import Tally
from harness.checkers.sessions import BotView, Join, Receipt
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
            wrong = _gap(join, log) if join.recovered or log is None else _false_refusal(join, log)
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
    ends: dict[str | None, int] = {}
    first: int | None = None
    reads = list(view.stores(room))
    if not reads or not all(read.settled for read in reads):
        return None
    for read in reads:
        for content in read.contents:
            if content.seq and content.room == room:
                ends[content.epoch] = max(content.seq, ends.get(content.epoch, 0))
                first = content.seq if first is None else min(first, content.seq)
    return _Log(ends, first or 1)


def _gap(join: Join, log: _Log | None) -> str:
    """Return what a resume that called itself complete left out, empty when nothing."""
    assert join.cursor_seq is not None
    end = log.ends.get(join.cursor_epoch) if log is not None and join.cursor_epoch != join.epoch else None
    if end is not None and join.cursor_seq > end:
        return f"of an epoch that ends at {end}, and was told that nothing is missing"
    if join.seq < join.cursor_seq:
        return f"and was told that the room's head is {join.seq}, before its cursor"
    missing = list(_missing(join.cursor_seq, join.seq, _seqs(join.history)))
    if missing:
        return f"up to {join.seq}, and its history left out {stories.listed(missing)}"
    own = tuple(receipt for receipt in join.live if receipt.content.epoch == join.epoch)
    first_live = min(_seqs(own), default=0)
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


def _seqs(receipts: tuple[Receipt, ...]) -> set[int]:
    return {receipt.content.seq for receipt in receipts if receipt.content.seq}


def _missing(after: int, upto: int, seqs: Iterable[int]) -> Iterator[str]:
    """Yield what lacks between two positions: `5` or `7 to 9`. The head is only claimed, and may be huge."""
    within = sorted(seq for seq in seqs if after < seq <= upto)
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
    operations = [
        *stories.whereabouts(view, bot, join.room, join.invoked_ns, accepted),
        *(stories.receipt(view, receipt) for receipt in (*join.history, *join.live[:3])),
    ]
    return Witness(story=story, operations=stories.in_order(operations), t_ns=accepted)
