"""One run as its folder shows it at this moment: plan, members, faults, what the bots do, how it stands.

Everything is read anew whenever somebody looks. What is not there yet is left out, what cannot be read is
told in a sentence; only the end of `live.jsonl` is read: a run of a week costs as much as one of a minute.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from harness import clock
from harness.records.folder import RunFolder
from harness.records.journal import FaultEntry, MemberEntry
from harness.records.live import Moment, Said, read_live
from harness.records.meta import Meta
from harness.records.plan import Plan
from harness.records.reading import Missing, Unreadable, journal, record, told
from harness.records.verdict import RunVerdict
from harness.saved_runs import UNDER_WAY
from harness.serving.listing import Row

T = TypeVar("T")

Live = tuple[tuple[Moment, ...], tuple[Said, ...]]

LIVE_BYTES = 512 * 1024  # about a quarter of an hour
SAID_SHOWN = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """A run at a moment. What there is not (yet) is `None` or empty.

    `troubles`: files that are there and cannot be read, a sentence each.
    """

    row: Row
    now_ns: int
    plan: Plan | None = None
    meta: Meta | None = None
    verdict: RunVerdict | None = None
    members: tuple[MemberEntry, ...] = ()
    faults: tuple[FaultEntry, ...] = ()
    moments: tuple[Moment, ...] = ()
    said: tuple[Said, ...] = ()
    troubles: tuple[str, ...] = ()

    @property
    def now(self) -> Moment | None:
        """The newest moment that the run showed."""
        return self.moments[-1] if self.moments else None

    @property
    def under_way(self) -> bool:
        """Whether it goes on, or is being judged."""
        return self.row.run.verdict == UNDER_WAY

    @property
    def settled(self) -> bool:
        """Whether nothing of it will change any more: its report is written, or will never be."""
        return not self.under_way and (self.row.has_report or self.row.quiet)

    @property
    def phase(self) -> str:
        """What goes on, in a word or two; of a run that is over what the list says."""
        if not self.under_way:
            return self.row.run.verdict
        if self.meta is None or self.meta.load_began_ns is None:
            return "starting"
        if self.meta.ended_ns is not None:
            return "judging" if self.meta.aborted is None else "ended early"
        if self.meta.load_ended_ns is not None:
            return "reading"
        return self.now.phase if self.now is not None else "starting"

    @property
    def zero_ns(self) -> int:
        """Time zero of the plan; of a run whose load has not begun its first moment."""
        if self.meta is None:
            return self.now_ns
        return self.meta.began_ns if self.meta.load_began_ns is None else self.meta.load_began_ns

    @property
    def end_ns(self) -> int:
        """Up to when there is anything to show: now, or the end of its load."""
        if self.meta is not None and self.meta.load_ended_ns is not None:
            return self.meta.load_ended_ns
        if self.under_way:
            return max(self.now_ns, self.zero_ns)
        return max((entry.t_ns for entry in self.members), default=self.zero_ns)

    def at_s(self, t_ns: int) -> float:
        """Return seconds from time zero."""
        return (t_ns - self.zero_ns) / clock.NS


def look(row: Row) -> Scene:
    """Read what the folder says now. Never raises on what lies in it."""
    folder = RunFolder(row.run.path)
    reading = _Reading()
    read: Callable[[], Live] = lambda: told(folder.live, lambda path: read_live(path, last_bytes=LIVE_BYTES))  # noqa: E731
    moments, said = reading.of(read) or ((), ())
    return Scene(
        row=row,
        now_ns=clock.now_ns(),
        plan=reading.of(lambda: record(Plan, folder.plan)),
        meta=reading.of(lambda: record(Meta, folder.meta)),
        verdict=reading.of(lambda: record(RunVerdict, folder.verdict)),
        members=reading.of(lambda: journal(MemberEntry, folder.members)) or (),
        faults=reading.of(lambda: journal(FaultEntry, folder.faults)) or (),
        moments=moments,
        said=said[-SAID_SHOWN:],
        troubles=tuple(reading.troubles),
    )


class _Reading:
    def __init__(self) -> None:
        self.troubles: list[str] = []

    def of(self, read: Callable[[], T]) -> T | None:
        """Return what is read; nothing of what is not there (yet), or cannot be read, which is told."""
        try:
            return read()
        except Missing:
            return None
        except Unreadable as error:
            self.troubles.append(f"{error.path.name} {error.what}")
            return None
