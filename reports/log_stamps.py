"""When a line of a log was written, whatever wrote it: our nodes (JSON with `ts`), Redis, or another program.

Stamps are of the wall clock, which the run's beginning ties to the monotonic one. Those without a time zone
(Redis's dates) are taken for the zone in which the log begins closest to the run: zones differ by quarters of
an hour. A line without a stamp belongs to the line before it.
"""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.records.meta import Meta
from reports.text import without_ansi

READ_BYTES = 16 << 20  # of a longer log only the end is looked at
_LINE_BYTES = 4096  # of a longer line the rest is left out
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_QUARTER = timedelta(minutes=15)
_OURS = re.compile(r'\{"ts": ?"([^"]{10,40})"')
_REDIS = re.compile(r"\d+:[A-Z] (\d{2}) (\w{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2})\.(\d{3}) ")
_SIGNAL = re.compile(r"\d+:signal-handler \((\d{9,11})\) ")  # Redis's handler knows seconds alone.
_ISO = re.compile(r"\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?)")


def stamped_lines(path: Path, meta: Meta) -> Iterator[tuple[int | None, str]]:
    """Yield the lines that say anything, each with its monotonic moment: `None` before the first stamp.

    Raises:
        OSError: the log cannot be read.
    """
    began = meta.began if meta.began.tzinfo else meta.began.replace(tzinfo=UTC)
    zone: timedelta | None = None
    t_ns: int | None = None
    for raw in _raw(path):
        text = without_ansi(raw.decode("utf-8", errors="replace")).rstrip()
        if not text:
            continue
        stamp = stamp_of(text)
        if stamp is not None and stamp.tzinfo is None:
            if zone is None:
                zone = round((stamp.replace(tzinfo=UTC) - began) / _QUARTER) * _QUARTER
            stamp = _in_utc(stamp, zone)
        if stamp is not None:
            t_ns = meta.began_ns + round((stamp - began) / timedelta(microseconds=1)) * 1000
        yield t_ns, text


def _in_utc(stamp: datetime, zone: timedelta) -> datetime | None:
    try:
        return stamp.replace(tzinfo=UTC) - zone
    except OverflowError:  # A date at either end of the calendar: what wrote it had no clock.
        return None


def stamp_of(text: str) -> datetime | None:
    """Return the stamp of a line, without a zone where it names none."""
    if match := _OURS.match(text):
        return _iso(match[1])
    if match := _REDIS.match(text):
        day, name, year, *clock = match.groups()
        hour, minute, second, ms = map(int, clock)
        month = _MONTHS.index(name) + 1 if name in _MONTHS else 0
        try:
            return datetime(int(year), month, int(day), hour, minute, second, ms * 1000)  # noqa: DTZ001 - see above
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
