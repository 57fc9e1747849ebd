"""Saved runs: which there are in a folder, what came of them, and the removal of old ones.

Run folders of other versions, and those that a crash has left half-written, are told as well as they can be:
only what is shown is read, and what cannot be read makes a run `broken`.

A run without a verdict is under way when somebody holds its claim, or when something of it was written a
moment ago: claims lie in the temporary folder, and ours need not be that of whoever makes the run.
"""

import contextlib
import json
import re
import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness import claims
from harness.clock import NS, utc_now
from harness.errors import HarnessError, UsageError
from harness.records.folder import RunFolder
from harness.records.verdict import Verdict

BROKEN, UNDER_WAY, NOT_JUDGED = "broken", "under way", "not judged"

# A name that is not UTF-8 (Python has surrogates in their place) can stand in no address and in no report.
_NAME = re.compile(r"(\d{8}T\d{6}Z)-[^\n\ud800-\udfff]+", re.ASCII)
_MOST = 2**63  # Whole numbers of a run fit in 64 bits.
_JUST_NOW = timedelta(minutes=10)  # No stage of a run writes nothing for so long.
_AGE = re.compile(r"(\d{1,6})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedRun:
    """A run folder at a glance. What a broken one does not tell is `None`."""

    path: Path
    verdict: str  # "pass", "fail", "unknown", or one of the words above
    as_expected: bool | None = None
    scenario: str | None = None
    seed: int | None = None
    backend: str | None = None
    began: datetime  # UTC; by its name, where nothing else tells
    seconds: float | None = None  # from its beginning to the end of its cluster
    why: str = ""  # it is broken, or ended early


def saved_runs(runs_dir: Path) -> tuple[SavedRun, ...]:
    """Return the runs in a folder, the newest first.

    Raises:
        UsageError: there is no such folder.
    """
    if not runs_dir.is_dir():
        raise UsageError(f"--runs-dir {runs_dir}: there is no such folder")
    claimed = claimed_folders()
    found = [
        saved_run(path, claimed=path.resolve() in claimed) for path in runs_dir.iterdir() if is_run(path)
    ]
    return tuple(sorted(found, key=lambda run: (run.began, run.path.name), reverse=True))


def is_run(path: Path) -> bool:
    """Return whether a path has the name of a run folder, and is one: a link to a folder is none."""
    if _began(path.name) is None:
        return False
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except PermissionError:
        return True  # Nobody can tell, so it is listed, with what is wrong with it.
    except (OSError, ValueError):  # It has gone, or no file can have such a name.
        return False


def _began(name: str) -> datetime | None:
    """Return when a run began by the name of its folder; `None`: it is no such name."""
    match = _NAME.fullmatch(name)
    try:
        return datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if match else None
    except ValueError:  # A 31st of February.
        return None


def claimed_folders() -> frozenset[Path]:
    """Return the folders of the runs that are held by whoever makes them."""
    return frozenset(Path(found.claim.folder) for found in claims.found() if found.claim and found.held)


def saved_run(path: Path, *, claimed: bool) -> SavedRun:
    """Return one run at a glance, whatever lies in its folder; `path` is one of which `is_run` held."""
    folder = RunFolder(path)
    began = _began(path.name)
    assert began is not None
    under_way = False
    try:
        under_way = not folder.verdict.exists() and (claimed or _touched_lately(folder))
        return _read(folder, began, UNDER_WAY if under_way else NOT_JUDGED)
    except (OSError, ValueError, KeyError) as error:
        if under_way:
            return SavedRun(path=path, verdict=UNDER_WAY, began=began)
        return SavedRun(path=path, verdict=BROKEN, began=began, why=_spoken(error))


def _read(folder: RunFolder, began: datetime, without_verdict: str) -> SavedRun:
    meta, plan = _object(folder.meta), _object(folder.plan)
    verdict: Mapping[str, Any] = (
        _object(folder.verdict) if folder.verdict.exists() else {"verdict": without_verdict}
    )
    if verdict["verdict"] not in (*Verdict, without_verdict):
        raise ValueError(f"verdict.json says {str(verdict['verdict'])[:40]!r}, which is no verdict")
    as_expected = verdict.get("as_expected")
    took_ns = None if meta.get("ended_ns") is None else _whole(meta, "ended_ns") - _whole(meta, "began_ns")
    return SavedRun(
        path=folder.path,
        verdict=str(verdict["verdict"]),
        as_expected=as_expected if isinstance(as_expected, bool) else None,
        scenario=_text(plan, "scenario"),
        seed=_whole(plan, "seed"),
        backend=_text(meta, "backend"),
        began=began,
        seconds=None if took_ns is None else took_ns / NS,
        why="" if meta.get("aborted") is None else _text(meta, "aborted"),
    )


def _object(path: Path) -> Mapping[str, Any]:
    if not path.is_file():  # Reading a pipe would wait for somebody to write.
        raise ValueError(f"{path.name} is missing")
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ValueError(f"{path.name} is missing") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is no JSON") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is no object")  # noqa: TRY004 - it is the file that is wrong
    return found


def _whole(found: Mapping[str, Any], name: str) -> int:
    number = found[name]
    if type(number) is not int or not -_MOST <= number < _MOST:
        raise ValueError(f"{name!r} in it is no whole number of 64 bits")
    return number


def _text(found: Mapping[str, Any], name: str) -> str:
    text = found[name]
    if not isinstance(text, str):
        raise ValueError(f"{name!r} in it is no text")  # noqa: TRY004 - it is the file that is wrong
    return text


def _spoken(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing in it"
    if isinstance(error, OSError):
        what = Path(str(error.filename)).name if error.filename else "it"
        return f"{what} cannot be read: {error.strerror}"
    return str(error)


def _touched_lately(folder: RunFolder) -> bool:
    """Return whether something of it was written a moment ago."""
    newest = 0.0
    for place in (folder.path, folder.history, folder.logs, folder.metrics):
        for file in (place, *place.iterdir()) if place.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):  # A run that goes on replaces files of its own.
                newest = max(newest, file.lstat().st_mtime)
    return newest > (utc_now() - _JUST_NOW).timestamp()


# --- removing --------------------------------------------------------------------------------------------


def parse_age(text: str) -> timedelta:
    """Parse `30m`, `12h`, `7d`, `2w`.

    Raises:
        UsageError: it is no such age.
    """
    match = _AGE.fullmatch(text)
    if match is None:
        raise UsageError(f"--older-than {text}: wants a number and m, h, d or w (minutes to weeks), like 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def to_prune(
    runs: Iterable[SavedRun], *, keep: int | None, older_than: timedelta | None
) -> tuple[SavedRun, ...]:
    """Return the runs to remove of those in `runs`, newest first: all but the `keep` newest, or the old ones.

    One that is under way is neither counted nor removed.
    """
    over = [run for run in runs if run.verdict != UNDER_WAY]
    if keep is not None:
        return tuple(over[keep:])
    since = utc_now() - (older_than or timedelta())
    return tuple(run for run in over if run.began < since)


def size(run: SavedRun) -> int:
    """Return the bytes on disk that its removal frees."""
    return sum(path.lstat().st_blocks * 512 for path in (run.path, *run.path.rglob("*")))


def remove(run: SavedRun) -> None:
    """Remove a run's folder.

    Raises:
        HarnessError: something of it cannot be removed.
    """
    try:
        shutil.rmtree(run.path)
    except OSError as error:
        raise HarnessError(f"{run.path} was not removed: {error.strerror}: {error.filename}") from error
