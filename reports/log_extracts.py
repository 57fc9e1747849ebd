"""What members logged around the faults: the lines of half a minute on both sides of every inject and heal.

A line's moment is its own stamp: `ts` of our nodes' JSON, Redis's date, an ISO date at the beginning of any
other line. A line without one belongs to the line before it. Stamps are of the wall clock, which the run's
beginning ties to the monotonic one; stamps without a time zone (Redis's) are taken for the zone in which the
log begins closest to the run. A log without any stamp has no moments: then its last lines stand for it.
"""

import json
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.records.journal import FaultEntry
from harness.records.meta import Meta
from reports.text import without_ansi

AROUND_NS = 30 * 10**9
READ_BYTES = 32 << 20  # of a longer log only the end is looked at
LINES = 60  # of a window; those next to a fault's steps are kept
LINES_ALL = 160  # of all windows together
WINDOWS = 8
_LINE_BYTES = 4096  # of a longer line the rest is left out
_STEPS = {"injected": "injected", "heal_proved": "healed", "failed": "failed"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_REDIS = re.compile(r"\d+:[A-Z] (\d{2}) (\w{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2})\.(\d{3}) ")
_CUT = re.compile(r'\{"ts": "([^"]{10,40})"')  # of a line of ours that is too long to be read whole
_SIGNAL = re.compile(r"\d+:signal-handler \((\d{9,11})\) ")  # Redis's handler knows seconds alone.
_ISO = re.compile(r"\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?)")
_QUARTER = timedelta(minutes=15)  # Time zones differ by multiples of it.
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
    """Lines and steps in the order of time. `left_out` counts the lines of the time that are not here."""

    rows: tuple[Line | Step, ...]
    left_out: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Extract:
    """What one member logged around the faults. `note` says what a reader must know of it, if anything."""

    windows: tuple[Window, ...] = ()
    windows_left_out: int = 0
    note: str = ""


def extract(path: Path, meta: Meta, faults: Iterable[FaultEntry]) -> Extract:
    """Read a member's log.

    Raises:
        OSError: it cannot be read.
    """
    steps = [Step(t_ns=_moment_ns(e), words=_words(e)) for e in faults if e.step in _STEPS]
    spans = _spans(steps)
    cut = path.stat().st_size > READ_BYTES
    note = f"The log is long: only its last {READ_BYTES >> 20} MB were looked at." if cut else ""
    lines = min(LINES, LINES_ALL // max(1, min(len(spans), WINDOWS)))
    piles = [
        _Pile([s for s in steps if first <= s.t_ns <= last], first, last, lines)
        for first, last in spans[:WINDOWS]
    ]
    last_lines: deque[Line] = deque(maxlen=LINES)
    stamped = False
    for line in _lines(path, meta):
        last_lines.append(line)
        stamped = stamped or line.t_ns is not None
        for pile in piles if line.t_ns is not None else ():
            pile.offer(line)
    if not stamped or not spans:
        why = "no fault was injected" if not spans else "its lines have no time stamps"
        rows = tuple(last_lines)
        return Extract(
            windows=(Window(rows=rows),) if rows else (), note=f"The last lines, since {why}. {note}".strip()
        )
    return Extract(
        windows=tuple(pile.window() for pile in piles),
        windows_left_out=max(0, len(spans) - WINDOWS),
        note=note,
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


class _Pile:
    """The lines of one window. Of too many it keeps those that are next to a step in time."""

    def __init__(self, steps: list[Step], first_ns: int, last_ns: int, most: int) -> None:
        self._steps = steps
        self._first_ns, self._last_ns, self._most = first_ns, last_ns, most
        self._lines: list[Line] = []
        self._count = 0

    def offer(self, line: Line) -> None:
        assert line.t_ns is not None
        if self._first_ns <= line.t_ns <= self._last_ns:
            self._count += 1
            self._lines.append(line)
            if len(self._lines) >= 20 * self._most:
                self._thin()

    def window(self) -> Window:
        self._thin()
        rows: list[Line | Step] = [*self._steps, *self._lines]
        rows.sort(key=lambda row: row.t_ns or 0)  # stable: a step stands before what was logged at its moment
        return Window(rows=tuple(rows), left_out=self._count - len(self._lines))

    def _thin(self) -> None:
        if len(self._lines) > self._most:
            near = sorted(range(len(self._lines)), key=lambda i: self._distance(self._lines[i]))[: self._most]
            self._lines = [self._lines[i] for i in sorted(near)]

    def _distance(self, line: Line) -> int:
        return min(abs((line.t_ns or 0) - step.t_ns) for step in self._steps)


# --- lines -----------------------------------------------------------------------------------------------


def _lines(path: Path, meta: Meta) -> Iterator[Line]:
    began = meta.began if meta.began.tzinfo else meta.began.replace(tzinfo=UTC)
    zone: timedelta | None = None
    t_ns: int | None = None
    for raw in _raw(path):
        text = without_ansi(raw.decode("utf-8", errors="replace")).rstrip()
        if not text:
            continue
        fields = _fields(text)
        stamp = _stamp(text, fields)
        if stamp is not None and stamp.tzinfo is None:
            if zone is None:
                zone = round((stamp.replace(tzinfo=UTC) - began) / _QUARTER) * _QUARTER
            stamp = stamp.replace(tzinfo=UTC) - zone
        if stamp is not None:
            t_ns = meta.began_ns + round((stamp - began) / timedelta(microseconds=1)) * 1000
        level = fields.get("level", "") if fields else ""
        yield Line(t_ns=t_ns, text=_readable(fields) or text, level=level if isinstance(level, str) else "")


def _raw(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - READ_BYTES))
        if size > READ_BYTES:
            file.readline()
        while line := file.readline(_LINE_BYTES):
            yield line
            while line and not line.endswith(b"\n"):
                line = file.readline(_LINE_BYTES)


def _fields(text: str) -> Mapping[str, object] | None:
    if not text.startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _stamp(text: str, fields: Mapping[str, object] | None) -> datetime | None:
    if fields is not None:
        return _iso(str(fields.get("ts", "")))
    if match := _CUT.match(text):
        return _iso(match[1])
    if match := _REDIS.match(text):
        day, name, year, *clock = match.groups()
        hour, minute, second, ms = map(int, clock)
        month = _MONTHS.index(name) + 1 if name in _MONTHS else 0
        try:
            return datetime(int(year), month, int(day), hour, minute, second, ms * 1000)  # noqa: DTZ001
        except ValueError:
            return None
    if match := _SIGNAL.match(text):
        return datetime.fromtimestamp(int(match[1]), UTC)
    return _iso(match[1].replace(",", ".")) if (match := _ISO.match(text)) else None


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _readable(fields: Mapping[str, object] | None) -> str:
    """Return a line of our nodes as people read it: what happened, then its fields."""
    if not fields or "event" not in fields:
        return ""
    rest = (f"{name}={_value(value)}" for name, value in fields.items() if name not in _HIDDEN)
    return " ".join((str(fields["event"]), *rest))


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
