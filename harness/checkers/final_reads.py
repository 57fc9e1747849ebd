"""The final reads: what each node said of each room when all was over.

The reader repeats rounds until two are equal. A read is *settled* when its last two rounds were read
to their end and are equal; only then it speaks for the node.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.checkers.contents import Contents
from harness.checkers.names import Names
from harness.checkers.recorded import Listed, Recorded
from harness.records.history import FLAG_COMPLETE, Op

STORE = "store"
TAIL = "tail"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Round:
    """One round of one node, room and source; `contents` in the order in which the node listed them."""

    number: int
    contents: NDArray[np.int32]
    complete: bool
    t_ns: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FinalRead:
    """The last round of one node, room and source."""

    node: str
    room: str
    source: str
    contents: NDArray[np.int32]
    t_ns: int
    rounds: tuple[Round, ...]
    settled: bool
    why_not: str  # settled


@dataclass(frozen=True, kw_only=True, slots=True)
class FinalReads:
    """All final reads. `ended_ns`: when the last one was over, `None` when there was none."""

    reads: Mapping[tuple[str, str, str], FinalRead]
    ended_ns: int | None
    foreign: int

    def get(self, node: str, room: str, source: str = STORE) -> FinalRead | None:
        """Return a node's read of a room."""
        return self.reads.get((node, room, source))


def read_finals(recorded: Recorded, contents: Contents, names: Names) -> FinalReads:
    """Collect the rounds. Entries belong to the next FINAL_READ_END of the same node, source and round."""
    listed = recorded.listed
    ends = recorded.taken.of(Op.FINAL_READ_END)
    entry_keys, end_keys = _keys(listed, ends.events)
    order = np.argsort(entry_keys, kind="stable")
    codes = (entry_keys[order] << 32) | listed.row[order]  # sorted: rows rise within a key
    content = contents.of_raw[listed.content][order]
    begun: dict[int, int] = {}
    rounds: dict[tuple[str, str, str], list[Round]] = {}
    for end, key, row in zip(ends.events, end_keys.tolist(), ends.row.tolist(), strict=True):
        if end["bot"] != 0:
            continue
        upto = int(np.searchsorted(codes, (key << 32) | row))
        since = begun.get(key, int(np.searchsorted(codes, key << 32)))
        begun[key] = upto
        room = names.room(recorded.text(int(end["a"])))
        if room is not None:
            own = (recorded.text(int(end["b"])), room, recorded.text(int(end["c"])))
            rounds.setdefault(own, []).append(
                Round(
                    number=int(end["d"]),
                    contents=content[since:upto],
                    complete=bool(end["flags"] & FLAG_COMPLETE),
                    t_ns=int(end["t_ns"]),
                )
            )
    reads = {own: _last(own, found) for own, found in rounds.items()}
    return FinalReads(
        reads=reads,
        ended_ns=max((read.t_ns for read in reads.values()), default=None),
        foreign=int(np.count_nonzero(contents.foreign[content])),
    )


def _keys(entries: Listed, ends: NDArray[np.void]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the combinations of node, source and round."""
    columns = ((entries.node, "b"), (entries.source, "c"), (entries.round, "d"))
    numbers = np.zeros(len(entries.row) + len(ends), np.int64)
    for own, operand in columns:
        both = np.concatenate([own.astype(np.int64), ends[operand].astype(np.int32).astype(np.int64)])
        _, inverse = np.unique(both, return_inverse=True)
        _, numbers = np.unique((numbers << 31) | inverse, return_inverse=True)
    return numbers[: len(entries.row)], numbers[len(entries.row) :]


def _last(key: tuple[str, str, str], rounds: Sequence[Round]) -> FinalRead:
    node, room, source = key
    ordered = tuple(sorted(rounds, key=lambda one: one.number))
    last, why_not = ordered[-1], _why_not(ordered)
    return FinalRead(
        node=node,
        room=room,
        source=source,
        contents=last.contents,
        t_ns=last.t_ns,
        rounds=ordered,
        settled=not why_not,
        why_not=why_not,
    )


def _why_not(rounds: Sequence[Round]) -> str:
    if not rounds[-1].complete:
        return "the last read broke off"
    if len(rounds) < 2 or not rounds[-2].complete:
        return "it was read to its end only once"
    if not np.array_equal(rounds[-2].contents, rounds[-1].contents):
        return "the last two reads differ"
    return ""
