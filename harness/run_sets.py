"""Which saved runs an argument means: one run, a folder of runs, a pattern, or several of these."""

import glob
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import UsageError
from harness.records.folder import RunFolder
from harness.saved_runs import BROKEN, NOT_JUDGED, UNDER_WAY, saved_runs
from reports.run import ReportError, Run, load

_UNJUDGED = {
    UNDER_WAY: "it is under way",
    NOT_JUDGED: "it was not judged; `wordaround check` does",
}


@dataclass(slots=True)
class Gathered:
    """The runs that an argument means, and the folders that were left out with the reasons."""

    argument: str
    runs: dict[Path, Run] = field(default_factory=dict)
    left_out: dict[Path, str] = field(default_factory=dict)


def gather(argument: str) -> Gathered:
    """Read all runs that an argument means; history and logs are not read.

    A run that is named, or matched by a pattern, must be readable. What lies in a folder of runs is left out
    when it is not: runs that broke off, or are under way, are usual there.

    Raises:
        UsageError: there is nothing, or something is no run; says what, and how to mend it.
    """
    gathered = Gathered(argument)
    for part in _parts(argument):
        for path in _matching(part):
            _add(gathered, path)
    if not gathered.runs:
        reasons = "".join(f"\n  {path}: {why}" for path, why in gathered.left_out.items())
        raise UsageError(f"{argument}: there is no judged run{reasons}")
    return gathered


def _parts(argument: str) -> Iterable[str]:
    """Split at commas, unless the whole is the name of a folder."""
    if Path(argument).exists():
        return (argument,)
    return tuple(part for part in argument.split(",") if part) or (argument,)


def _matching(part: str) -> tuple[Path, ...]:
    if Path(part).exists():
        return (Path(part),)
    found = tuple(path for name in sorted(glob.glob(part)) if (path := Path(name)).is_dir())  # noqa: PTH207 - absolute patterns, too
    if not found:
        raise UsageError(f"{part}: there is no such run, folder of runs, or pattern that matches one")
    return found


def _add(gathered: Gathered, path: Path) -> None:
    if not path.is_dir():
        raise UsageError(f"{path} is a file; name the folder of a run, or one that has runs in it")
    if any(file.exists() for file in (RunFolder(path).meta, RunFolder(path).plan, RunFolder(path).verdict)):
        gathered.runs[path] = _load(path)
        return
    saved = saved_runs(path)
    if not saved:
        raise UsageError(
            f"{path} is no run folder (it has neither meta.json nor plan.json nor verdict.json), "
            "and there are no runs in it"
        )
    for run in saved:
        if run.verdict in (UNDER_WAY, NOT_JUDGED, BROKEN):
            gathered.left_out[run.path] = _UNJUDGED.get(run.verdict) or run.why
            continue
        try:
            gathered.runs[run.path] = _load(run.path)
        except UsageError as error:
            gathered.left_out[run.path] = str(error)


def _load(path: Path) -> Run:
    try:
        return load(RunFolder(path), whole=False)
    except ReportError as error:
        raise UsageError(str(error)) from error
