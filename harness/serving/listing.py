"""The runs folder at a glance: its runs, what goes on in those that are under way, and what is no run."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.clock import utc_now
from harness.records.folder import RunFolder
from harness.records.live import Moment, read_live
from harness.saved_runs import UNDER_WAY, SavedRun, claimed_folders, is_run, saved_run

_QUIET_S = 60.0  # No report takes so long to be written once there is a verdict.
_LIVE_BYTES = 4096  # the newest moments
_SURROGATE = re.compile("[\ud800-\udfff]")  # what Python has for bytes that are not UTF-8
_NOT_UTF_8 = "its name is not UTF-8"
_NO_RUN = "its name is not that of a run folder (<UTC time>-<scenario>-<seed>)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A run, with its newest moment while it is under way."""

    run: SavedRun
    has_report: bool
    quiet: bool  # nothing was written into it for a while
    now: Moment | None = None

    @property
    def name(self) -> str:
        """The name of its folder, which is its name in every address."""
        return self.run.path.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Stranger:
    """Something in the folder that is no run."""

    name: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """All that is in the folder; the newest run first. `trouble`: why nothing can be seen."""

    rows: tuple[Row, ...] = ()
    strangers: tuple[Stranger, ...] = ()
    trouble: str = ""


_Stamp = tuple[int, ...]


class Listing:
    """Reads the folder again and again; what cannot change any more is read once.

    Several threads may ask at once: what is known is never changed, only replaced as a whole.
    """

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._known: Mapping[str, tuple[_Stamp, Row]] = {}

    def read(self) -> Listed:
        """Look at everything that is there now."""
        try:
            paths = sorted(self.runs_dir.iterdir())
        except OSError as error:
            return Listed(trouble=f"{self.runs_dir}: {error.strerror or error}")
        claimed = claimed_folders()
        seen = [self._seen(path, claimed=path.resolve() in claimed) for path in paths if is_run(path)]
        self._known = {row.name: (stamp, row) for stamp, row in seen if _is_final(row)}
        rows = sorted((row for _, row in seen), key=lambda row: (row.run.began, row.name), reverse=True)
        return Listed(rows=tuple(rows), strangers=tuple(_strangers(paths)))

    def find(self, name: str) -> Path | None:
        """Return the folder of a run; `None`: there is none of that name in the runs folder itself."""
        path = self.runs_dir / name
        if Path(name).name != name or not is_run(path):
            return None
        return path

    def row(self, path: Path) -> Row:
        """Look at one run."""
        return self._seen(path, claimed=path.resolve() in claimed_folders())[1]

    def _seen(self, path: Path, *, claimed: bool) -> tuple[_Stamp, Row]:
        stamp = _stamp(RunFolder(path))
        known = self._known.get(path.name)
        return known if known is not None and known[0] == stamp else (stamp, _read(path, claimed=claimed))


def _is_final(row: Row) -> bool:
    return row.has_report and row.run.verdict != UNDER_WAY


def _read(path: Path, *, claimed: bool) -> Row:
    run, folder = saved_run(path, claimed=claimed), RunFolder(path)
    now = None
    if run.verdict == UNDER_WAY:
        try:
            now = next(reversed(read_live(folder.live, last_bytes=_LIVE_BYTES)[0]), None)
        except (OSError, ValueError):
            now = None  # Another version's; what the folder says otherwise is shown.
    try:
        has_report = folder.report.is_file()
        quiet = utc_now().timestamp() - path.stat().st_mtime > _QUIET_S
    except OSError:  # It has gone, or is not ours to read: the run is listed as broken, and says so.
        has_report, quiet = False, True
    return Row(run=run, has_report=has_report, quiet=quiet, now=now)


def _stamp(folder: RunFolder) -> _Stamp:
    found: list[int] = []
    for path in (folder.meta, folder.plan, folder.verdict, folder.report):
        try:
            stat = path.stat()
        except OSError:
            found += (0, 0)
        else:
            found += (stat.st_mtime_ns, stat.st_size)
    return tuple(found)


def _strangers(paths: Iterable[Path]) -> Iterator[Stranger]:
    for path in paths:
        if path.name.startswith(".") or is_run(path):
            continue
        try:
            why = _why_no_run(path)
        except OSError as error:
            why = error.strerror or str(error)
        if why:
            yield Stranger(name=path.name, why=why)


def _why_no_run(path: Path) -> str:
    """Return why something in the folder is no run; nothing of what nobody would take for one."""
    if path.is_symlink():
        return "it is a link, and links are not followed"
    if not path.is_dir():
        return ""
    return _NOT_UTF_8 if _SURROGATE.search(path.name) else _NO_RUN
