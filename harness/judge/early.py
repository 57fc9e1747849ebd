"""What is certain of a run before it is over: violations that nothing which comes later can undo.

Of a history that still grows a *prefix* is judged: all that was stamped up to a moment `until_ns`, read after
that moment. Not every violation of a prefix is one of the whole, so three things are left out:

- guarantees about what has to happen by the end (a message that is missing may still come), and those that
  compare with the final reads, so that only those in `CERTAIN` are looked at;
- definite rejections: a message whose attempts were all rejected may be sent once more. Without them no
  message counts as rejected, which only ever acquits;
- the final reads, of which a prefix may hold one half.

"Nobody sent it" is certain, though the files of several writers are never read at one moment: an invoke is in
its file before it is on the socket. So what was received up to `until_ns` was sent before, and that stands in
the files of all writers when they are read after it. That is why sends are taken beyond the moment, too.

One thing can still take a place in the log away from what was judged by it: the cluster may say that the log
ended before that place, by a new epoch. Where the plan itself has a fault that may lose the log's end,
nothing that rests on places is claimed; elsewhere a claim stands unless the cluster does that unasked.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.checkers import causal_order, fifo_order, integrity, monotonic_reads, no_duplicates, total_order
from harness.checkers.registry import CHECKERS
from harness.checkers.view import prepare
from harness.records.guarantees import NOT_APPLICABLE
from harness.records.history import FLAG_DEFINITE, HistoryFile, Op
from harness.records.journal import FaultEntry, MemberEntry
from harness.records.meta import Meta
from harness.records.plan import Plan
from harness.records.verdict import Property, Verdict

_WITHOUT_PLACES = (integrity.NAME,)
# Without positions a message that is sent again excuses what looked like a swap: no order is certain there.
CERTAIN = {
    "durable": (
        no_duplicates.NAME,
        integrity.NAME,
        total_order.NAME,
        fifo_order.NAME,
        causal_order.NAME,
        monotonic_reads.NAME,
    ),
    "pubsub": (no_duplicates.NAME, integrity.NAME),
}


def certain(plan: Plan) -> tuple[str, ...]:
    """Return the guarantees of the plan whose violations are certain as soon as they are seen."""
    of_mode = CERTAIN[plan.cluster.delivery]
    usable = _WITHOUT_PLACES if _may_lose_the_log(plan) else of_mode
    never = NOT_APPLICABLE[plan.cluster.delivery]
    return tuple(name for name in plan.checks if name in usable and name not in never)


def _may_lose_the_log(plan: Plan) -> bool:
    def loses(traits: Sequence[str], targets: Sequence[str]) -> bool:
        killed = "takes-down" in traits and plan.cluster.redis in targets
        return "destroys-log" in traits or (killed and plan.cluster.appendfsync != "always")

    return any(loses(fault.traits, fault.targets) for fault in plan.faults)


def violations(
    *,
    plan: Plan,
    meta: Meta,
    histories: Sequence[HistoryFile],
    until_ns: int,
    faults: Sequence[FaultEntry] = (),
    members: Sequence[MemberEntry] = (),
) -> tuple[Property, ...]:
    """Return the guarantees that are violated for certain. The histories were read after `until_ns`."""
    names = certain(plan)
    if not names:
        return ()
    view = prepare(
        plan=plan,
        meta=meta,
        histories=[_prefix(file, until_ns) for file in histories],
        faults=faults,
        members=members,
    )
    found = (CHECKERS[name](view) for name in names)
    return tuple(each for each in found if each.verdict is Verdict.FAIL)


def _prefix(file: HistoryFile, until_ns: int) -> HistoryFile:
    """Cut a history before its first event that is too late, but for the sends; no end of it is torn."""
    events = file.events
    late = np.flatnonzero(events["t_ns"] > until_ns)
    end = int(late[0]) if len(late) else len(events)
    later = events[end:]
    kept = np.concatenate([_kept(events[:end]), later[later["op"] == Op.SEND]])
    return HistoryFile(name=file.name, strings=file.strings, events=kept)


def _kept(events: NDArray[np.void]) -> NDArray[np.void]:
    rejected = (events["op"] == Op.SEND_FAILED) & ((events["flags"] & FLAG_DEFINITE) != 0)
    kept: NDArray[np.void] = events[~rejected & (events["bot"] != 0)]
    return kept
