"""Judges runs that go on, as far as that can be: one at a time, in a thread, only while somebody looks.

The history is judged anew each time, so the price grows with it. Two rules bound that: between two
judgements, of whichever runs, lie at least two seconds and four times what the last one took, which is at
most a fifth of a core; and a history beyond `MOST_BYTES` is not judged before its end, which is said. The
thread steps back behind every other process of the machine where the system lets it.

A judgement may fail: a file was just being replaced, or a foreign history trips a checker over something that
no run has. It is tried again in its turn, and said when it has failed several times in a row.
"""

import contextlib
import os
import sys
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness import clock
from harness.errors import HarnessError
from harness.judge import early
from harness.judge.folder import violations_so_far
from harness.records.folder import RunFolder
from harness.records.meta import Meta
from harness.records.plan import Plan
from harness.records.verdict import Witness
from harness.serving.following import Scene

PAUSE_S = 2.0
SHARE = 4  # times what it took, between two judgements
MOST_BYTES = 64 << 20  # two million events
_LOOK_S = 0.1  # how soon it is seen that somebody looks
INTEREST_S = 10.0  # Who has not asked for so long looks no more.
STORIES = 3
FAILURES = 3  # in a row, until it is said
_NICE = 19  # the lowest priority that there is


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """A guarantee that is violated for certain, with the first stories that were told of it."""

    name: str
    sentence: str
    count: int
    stories: tuple[Witness, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What is certain of a run so far; `until_ns` of `None`: nothing was judged yet.

    `silent`: why nothing (more) is judged before the end, or for now, a sentence; empty: it goes on.
    """

    judged: tuple[str, ...] = ()  # the guarantees that can be certain before the end
    left: tuple[str, ...] = ()  # those that the verdict will say
    violations: tuple[Violation, ...] = ()
    until_ns: int | None = None
    events: int = 0
    silent: str = ""


@dataclass(slots=True)
class _Followed:
    plan: Plan
    meta: Meta
    asked_ns: int
    judged_ns: int = 0  # when it had its last turn
    failures: int = 0  # of judging it, in a row
    outlook: Outlook = field(default_factory=Outlook)

    @property
    def over(self) -> bool:
        """Whether judging it is given up."""
        return bool(self.outlook.silent) and not self.failures


class Foresight:
    """Keeps the outlook of every run that somebody looks at."""

    def __init__(self, *, pause_s: float = PAUSE_S, most_bytes: int = MOST_BYTES) -> None:
        self._pause_s = pause_s
        self._most_bytes = most_bytes
        self._followed: dict[Path, _Followed] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def of(self, scene: Scene) -> Outlook:
        """Return what is certain of a run, as far as it was judged; it will be judged further."""
        path, plan, meta = scene.row.run.path, scene.plan, scene.meta
        if plan is None or meta is None or meta.load_began_ns is None:
            return Outlook()
        with self._lock:
            followed = self._followed.get(path)
            if followed is None:
                judged = early.certain(plan)
                left = tuple(name for name in plan.checks if name not in judged)
                outlook = Outlook(judged=judged, left=left)
                followed = _Followed(plan, meta, clock.now_ns(), outlook=outlook)
                self._followed[path] = followed
            followed.plan, followed.meta, followed.asked_ns = plan, meta, clock.now_ns()
            if scene.under_way and self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="foresight", daemon=True)
                self._thread.start()
            return followed.outlook

    def close(self) -> None:
        """End; waits for a judgement that is under way. Idempotent."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        _step_back()
        pause_s = 0.0
        while not self._stop.wait(max(pause_s, _LOOK_S)):
            next_ = self._next()
            began_ns = clock.now_ns()
            if next_ is not None:
                self._take_turn(*next_)
            took_s = (clock.now_ns() - began_ns) / clock.NS
            pause_s = max(self._pause_s, SHARE * took_s) if next_ is not None else 0.0

    def _next(self) -> tuple[Path, _Followed] | None:
        """Return the run that had its turn longest ago, of those that somebody looks at."""
        looked_ns = clock.now_ns() - int(INTEREST_S * clock.NS)
        with self._lock:
            self._followed = {p: f for p, f in self._followed.items() if f.asked_ns > looked_ns}
            due = [(p, f) for p, f in self._followed.items() if not f.over]
            return min(due, key=lambda each: each[1].judged_ns, default=None)

    def _take_turn(self, path: Path, followed: _Followed) -> None:
        try:
            outlook, failures = self._judged(RunFolder(path), followed), 0
        except Exception as error:  # noqa: BLE001 - a checker may fail in any way on a foreign history; the thread is for all
            failures = followed.failures + 1
            why = _failed(error) if failures >= FAILURES else followed.outlook.silent
            outlook = replace(followed.outlook, silent=why)
        with self._lock:
            followed.outlook, followed.failures, followed.judged_ns = outlook, failures, clock.now_ns()

    def _judged(self, folder: RunFolder, followed: _Followed) -> Outlook:
        before, until_ns = followed.outlook, clock.now_ns()
        if not before.judged:
            return replace(before, silent="None of its guarantees can be judged for certain before the end.")
        size = sum(file.stat().st_size for file in folder.history.iterdir())
        if size > self._most_bytes:
            return replace(before, silent=_too_large(size))
        found, events = violations_so_far(folder, followed.plan, followed.meta, until_ns=until_ns)
        known = {violation.name: violation.stories for violation in before.violations}
        violations = tuple(
            Violation(
                name=each.name,
                sentence=each.sentence,
                count=each.violations,
                stories=known.get(each.name, each.witnesses[:STORIES]),
            )
            for each in found
        )
        return replace(before, violations=violations, until_ns=until_ns, events=events, silent="")


def _failed(error: Exception) -> str:
    if isinstance(error, HarnessError | OSError):
        return f"Nothing more is judged for the time being: {error}."
    return f"Nothing more is judged for the time being: judging fails on this history ({error!r})."


def _too_large(size: int) -> str:
    return (
        f"The history is larger than what is judged while a run goes on ({size >> 20} MB); "
        "the verdict will say the rest."
    )


def _step_back() -> None:
    """Let other processes go first. On Linux this is a matter of the thread alone; elsewhere it stays."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
