"""convergence: after healing, all nodes serve the same history, from store and tail, within the deadline.

By the settled final reads of each room, on the nodes that the plan leaves alive:

- all *stores* list the same messages at the same positions in the same order;
- each *tail*, which is what a node itself has delivered and may begin anywhere, is the end of that log: from
  its first position on it lists what the stores list, up to their head. An empty tail says nothing.

The log that counts is the one that most stores serve (of several, the first node's). Every node that differs
is one violation per room and source, however much it differs.

The deadline, `limits.convergence`, runs from the end of the load or of the last fault, whichever is later: a
round of reads that began after it and still differed from the node's last one is a violation too, even though
the node got there in the end.

Counted are logs: nodes × rooms × sources. Where a read is missing or not settled, it is unknown. In the
pub/sub mode the positions are null, and lists are compared by their messages.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.checkers import operations, stories
from harness.checkers.final_reads import STORE, TAIL, FinalRead
from harness.checkers.findings import Tally
from harness.checkers.view import View
from harness.clock import NS
from harness.records.verdict import Property, Witness

NAME = "convergence"
Log = NDArray[np.int64]


def check(view: View) -> Property:
    """Compare every node's final reads with those of the others."""
    tally = Tally(name=NAME, counted="logs: nodes × rooms × sources")
    for room in view.plan.rooms:
        reads = [read for read in _reads(view, room) if read.settled]
        tally.checked += len(reads)
        common = _common(view, [read for read in reads if read.source == STORE])
        for read in reads:
            wrong = _differs(view, read, common) if common is not None else ""
            if wrong:
                tally.violated(partial(_other, view, read, wrong))
            late = _late(view, read)
            if late is not None:
                tally.violated(partial(_too_late, view, read, late))
    return tally.finding(_doubt(view))


def _doubt(view: View) -> str:
    if view.unsettled:
        return f"the final reads are incomplete: {view.unsettled[0]}"
    return "" if len(view.acknowledged) else "no message was acknowledged"


def _reads(view: View, room: str) -> Iterator[FinalRead]:
    for source in (STORE, TAIL):
        for node in view.final_nodes:
            read = view.finals.get(node, room, source)
            if read is not None:
                yield read


def _log(view: View, contents: NDArray[np.int32], room: str) -> Log:
    """Return what a read says of the room, a row per entry: epoch, seq and whose message it is.

    Other people's messages are known by their content. Entries of another room, and what is no message at
    all, are a matter of integrity.
    """
    table = view.contents
    own = contents[table.room[contents] == view.room_number(room)]
    own = own[table.seq[own] > 0] if view.durable else own[(table.message[own] >= 0) | table.foreign[own]]
    whose = np.where(table.message[own] >= 0, table.message[own], len(view.messages) + own)
    return np.stack([table.epoch[own], table.seq[own], whose]).astype(np.int64)


def _common(view: View, stores: list[FinalRead]) -> Log | None:
    if not stores:
        return None
    logs = [_log(view, read.contents, read.room) for read in stores]
    counts = Counter(log.tobytes() for log in logs)
    most = max(counts.values())
    return next(log for log in logs if counts[log.tobytes()] == most)


def _differs(view: View, read: FinalRead, common: Log) -> str:
    own = _log(view, read.contents, read.room)
    if read.source == TAIL:
        if not own.shape[1]:
            return ""
        common = common[:, _first_of(own, common) :]
    if np.array_equal(own, common):
        return ""
    missing, other = _without(common, own), _without(own, common)
    if missing.shape[1] or other.shape[1]:
        what = [f"lacks {_places(missing)}"] * bool(missing.shape[1])
        what += [f"has {_places(other)} that is not theirs"] * bool(other.shape[1])
        return " and ".join(what)
    return "lists the same messages in another order"


def _first_of(own: Log, common: Log) -> int:
    """Return where in the common log a tail begins; at its end where it has nothing of it."""
    found = np.flatnonzero((common == own[:, :1]).all(axis=0))
    if len(found):
        return int(found[0])
    later = np.flatnonzero(common[1] >= own[1, 0])
    return int(later[0]) if len(later) else common.shape[1]


def _without(one: Log, other: Log) -> Log:
    """Return the entries of the one that the other has not."""
    theirs = set(map(tuple, other.T.tolist()))
    kept = [at for at, entry in enumerate(map(tuple, one.T.tolist())) if entry not in theirs]
    return one[:, kept]


def _places(entries: Log) -> str:
    if not entries[1].any():
        return f"{entries.shape[1]} messages"
    first, last = int(entries[1].min()), int(entries[1].max())
    if entries.shape[1] == 1:
        return f"position {first}"
    return f"{entries.shape[1]} messages between positions {first} and {last}"


def _late(view: View, read: FinalRead) -> int | None:
    """Return when, after the deadline, the node still served something else than in the end."""
    deadline = _deadline_ns(view)
    final = _log(view, read.contents, read.room).tobytes()
    for earlier in read.rounds[:-1]:
        if earlier.complete and earlier.t_ns > deadline:
            log = _log(view, earlier.contents, read.room)
            if log.tobytes() != final:
                return earlier.t_ns
    return None


def _deadline_ns(view: View) -> int:
    ends = [window.ended_ns for window in view.windows if window.ended_ns is not None]
    load_ended = view.meta.load_ended_ns if view.meta.load_ended_ns is not None else view.zero_ns
    return max([load_ended, *ends]) + int(view.plan.limits.convergence_s * NS)


def _other(view: View, read: FinalRead, wrong: str) -> Witness:
    others = stories.listed([node for node in view.final_nodes if node != read.node])
    of = "its own store and" if read.source == TAIL else ""
    story = (
        f"at the end, {read.node}'s {read.source} of {read.room} differs from {of or 'the stores of'} "
        f"{others}: it {wrong}"
    )
    lines = [
        operations.read(
            view, one, f"{one.source} of {one.room}: {len(one.contents)} messages", lacking=one is read
        )
        for one in _reads(view, read.room)
    ]
    return operations.witness(story, lines, read.t_ns)


def _too_late(view: View, read: FinalRead, t_ns: int) -> Witness:
    story = (
        f"{read.node}'s {read.source} of {read.room} still changed after {stories.at(view, t_ns)}; "
        f"{view.plan.limits.convergence_s:g} s after healing are allowed"
    )
    return Witness(story=story, t_ns=t_ns)
