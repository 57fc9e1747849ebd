"""What members logged around the faults: the lines of half a minute on both sides of every inject and heal.

Of too many lines those are kept that stand next to a fault's step in time; what is left out is counted. A log
whose lines have no stamps (`log_stamps.py`), or a run without faults, has the last lines instead.
"""

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.records.journal import FaultEntry
from harness.records.meta import Meta
from reports import log_stamps
from reports.log_stamps import stamped_lines

AROUND_NS = 30 * 10**9
LINES = 60  # of a window
LINES_ALL = 160  # of all windows together
WINDOWS = 8
STEPS = 40  # of a window
_STEPS = {"injected": "injected", "heal_proved": "healed", "failed": "failed"}
_HIDDEN = ("ts", "level", "node", "event")


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of a log; `level` where it names one, `t_ns` where it, or one before it, has a stamp."""

    t_ns: int | None
    text: str
    level: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A step of a fault, in its place between the lines."""

    t_ns: int
    words: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Lines and steps in the order of time. The other two count what of that time is not here."""

    rows: tuple[Line | Step, ...]
    left_out: int = 0  # lines
    steps_left_out: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Extract:
    """What one member logged around the faults. `note` says what a reader must know of it, if anything."""

    windows: tuple[Window, ...] = ()
    windows_left_out: int = 0
    note: str = ""

    def first(self, most: int) -> "Extract":
        """Return it with so many windows at most."""
        more = max(0, len(self.windows) - most)
        return replace(self, windows=self.windows[:most], windows_left_out=self.windows_left_out + more)


def extract(path: Path, meta: Meta, faults: Iterable[FaultEntry]) -> Extract:
    """Read a member's log.

    Raises:
        OSError: it cannot be read.
    """
    steps = [Step(t_ns=_moment_ns(e), words=_words(e)) for e in faults if e.step in _STEPS]
    spans = _spans(steps)
    piles = _piles(steps, spans[:WINDOWS])
    last_lines: deque[tuple[int | None, str]] = deque(maxlen=LINES)
    stamped = False
    for t_ns, text in stamped_lines(path, meta):
        last_lines.append((t_ns, text))
        stamped = stamped or t_ns is not None
        for pile in piles if t_ns is not None else ():
            pile.offer(t_ns or 0, text)
    if stamped and spans:
        windows, more = tuple(pile.window() for pile in piles), max(0, len(spans) - WINDOWS)
        return Extract(windows=windows, windows_left_out=more, note=_cut(path))
    why = "no fault was injected" if not spans else "its lines have no time stamps"
    rows = tuple(line(t_ns, text) for t_ns, text in last_lines)
    note = f"The last lines, since {why}. {_cut(path)}".strip()
    return Extract(windows=(Window(rows=rows),) if rows else (), note=note)


def _cut(path: Path) -> str:
    read = log_stamps.READ_BYTES
    return (
        f"The log is long: only its last {read >> 20} MB were looked at."
        if path.stat().st_size > read
        else ""
    )


def _moment_ns(entry: FaultEntry) -> int:
    """Return when a fault began to be injected, or was seen healed."""
    return entry.done_ns if entry.step == "heal_proved" else entry.t_ns


def _words(entry: FaultEntry) -> str:
    return " ".join((entry.fault, ", ".join(entry.targets), _STEPS[entry.step])).replace("  ", " ")


def _spans(steps: Iterable[Step]) -> list[tuple[int, int]]:
    """Return the times around the steps; those that overlap are one."""
    spans: list[tuple[int, int]] = []
    for step in sorted(steps, key=lambda step: step.t_ns):
        first, last = step.t_ns - AROUND_NS, step.t_ns + AROUND_NS
        if spans and first <= spans[-1][1]:
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    return spans


def _piles(steps: Iterable[Step], spans: list[tuple[int, int]]) -> list["_Pile"]:
    most = min(LINES, LINES_ALL // max(1, len(spans)))
    return [_Pile([s for s in steps if first <= s.t_ns <= last], first, last, most) for first, last in spans]


class _Pile:
    """The lines of one window. Of too many it keeps those that are next to a step in time."""

    def __init__(self, steps: list[Step], first_ns: int, last_ns: int, most: int) -> None:
        self._steps, self._more_steps = steps[:STEPS], max(0, len(steps) - STEPS)
        self._first_ns, self._last_ns, self._most = first_ns, last_ns, most
        self._lines: list[tuple[int, str]] = []
        self._count = 0

    def offer(self, t_ns: int, text: str) -> None:
        """Take a line, if it belongs here."""
        if self._first_ns <= t_ns <= self._last_ns:
            self._count += 1
            self._lines.append((t_ns, text))
            if len(self._lines) >= 20 * self._most:
                self._thin()

    def window(self) -> Window:
        """Return what is left in the order of time; a step stands before what was logged at its moment."""
        self._thin()
        rows: list[Line | Step] = [*self._steps, *(line(t_ns, text) for t_ns, text in self._lines)]
        rows.sort(key=lambda row: row.t_ns or 0)
        left_out = self._count - len(self._lines)
        return Window(rows=tuple(rows), left_out=left_out, steps_left_out=self._more_steps)

    def _thin(self) -> None:
        if len(self._lines) > self._most:
            near = sorted(range(len(self._lines)), key=lambda i: self._distance(self._lines[i][0]))
            self._lines = [self._lines[i] for i in sorted(near[: self._most])]

    def _distance(self, t_ns: int) -> int:
        return min(abs(t_ns - step.t_ns) for step in self._steps)


def line(t_ns: int | None, text: str) -> Line:
    """Return a line as people read it: of our nodes what happened, then its fields."""
    fields = _fields(text)
    level, event = fields.get("level"), fields.get("event")
    if event is None:
        return Line(t_ns=t_ns, text=text)
    rest = (f"{name}={_value(value)}" for name, value in fields.items() if name not in _HIDDEN)
    return Line(
        t_ns=t_ns, text=" ".join((_value(event), *rest)), level=level if isinstance(level, str) else ""
    )


def _fields(text: str) -> Mapping[str, object]:
    if not text.startswith("{"):
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
