"""The final reads: what each node said of each room when all was over.

The reader repeats rounds until two are equal. A read is *settled* when its last two rounds were read
to their end and are equal; only then it speaks for the node.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.checkers.content import Received
from harness.checkers.recorded import Contents, Recorded
from harness.records.history import FLAG_COMPLETE, Op

STORE = "store"
TAIL = "tail"


@dataclass(frozen=True, kw_only=True, slots=True)
class FinalRead:
    """The last round of one node, room and source, in the order in which the node listed it."""

    node: str
    room: str
    source: str
    contents: tuple[Received, ...]
    t_ns: int
    rounds: int
    settled: bool
    why_not: str  # settled


@dataclass(frozen=True, kw_only=True, slots=True)
class FinalReads:
    """All final reads. `ended_ns`: when the last one was over, `None` when there was none."""

    reads: Mapping[tuple[str, str, str], FinalRead]
    ended_ns: int | None

    def get(self, node: str, room: str, source: str = STORE) -> FinalRead | None:
        """Return a node's read of a room."""
        return self.reads.get((node, room, source))


@dataclass(frozen=True, slots=True)
class _Round:
    number: int
    contents: tuple[Received, ...]
    complete: bool
    t_ns: int


def read_finals(rows: Iterable[Recorded], contents: Contents) -> FinalReads:
    """Collect the rounds. Rows belong to the next FINAL_READ_END of the same node, source and round."""
    open_rows: dict[tuple[str, str, int], list[Received]] = {}
    rounds: dict[tuple[str, str, str], list[_Round]] = {}
    for recorded in rows:
        row = recorded.row
        if row.op not in (Op.FINAL_READ, Op.FINAL_READ_END):
            continue
        node, source = recorded.text(row.b), recorded.text(row.c)
        if row.op is Op.FINAL_READ:
            open_rows.setdefault((node, source, row.d), []).append(contents.received(recorded))
            continue
        room = contents.room(recorded.text(row.a))
        own = tuple(open_rows.pop((node, source, row.d), ()))
        if room is not None:
            rounds.setdefault((node, room, source), []).append(
                _Round(row.d, own, bool(row.flags & FLAG_COMPLETE), row.t_ns)
            )
    reads = {key: _last(key, own) for key, own in rounds.items()}
    return FinalReads(reads=reads, ended_ns=max((read.t_ns for read in reads.values()), default=None))


def _last(key: tuple[str, str, str], rounds: list[_Round]) -> FinalRead:
    node, room, source = key
    ordered = sorted(rounds, key=lambda one: one.number)
    last, why_not = ordered[-1], _why_not(ordered)
    return FinalRead(
        node=node,
        room=room,
        source=source,
        contents=last.contents,
        t_ns=last.t_ns,
        rounds=len(ordered),
        settled=not why_not,
        why_not=why_not,
    )


def _why_not(rounds: list[_Round]) -> str:
    if not rounds[-1].complete:
        return "the last read broke off"
    if len(rounds) < 2 or not rounds[-2].complete:
        return "it was read to its end only once"
    if [c.raw for c in rounds[-2].contents] != [c.raw for c in rounds[-1].contents]:
        return "the last two reads differ"
    return ""
