"""What happens to a run folder after the run: the verdict into it, the reports into it, a summary out."""

import difflib
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.text import Text

from harness.checkers.registry import CHECKERS
from harness.errors import HarnessError, UsageError
from harness.judge.folder import judge_folder
from harness.records.codec import write_json
from harness.records.folder import RunFolder
from harness.records.guarantees import GUARANTEES
from harness.records.verdict import Property, RunVerdict, Verdict
from reports import ReportError, github, write_reports
from reports.run import load
from reports.text import visible

_MARKS = {
    Verdict.PASS: ("✔", "green"),
    Verdict.FAIL: ("✘", "red"),
    Verdict.UNKNOWN: ("?", "yellow"),
    Verdict.NOT_APPLICABLE: ("–", "dim"),
}


def judge_and_report(folder: RunFolder) -> RunVerdict:
    """Judge the run, then write `verdict.json` and the reports; the run's own files are never touched."""
    verdict = judge_folder(folder)
    write_json(folder.verdict, verdict)
    report(folder)
    return verdict


def named(names: Iterable[str]) -> tuple[str, ...]:
    """Return guarantees by their names, in the published order; commas separate them, too.

    Raises:
        UsageError: there is no guarantee of a name.
    """
    wanted = {part.strip() for name in names for part in name.split(",") if part.strip()}
    for name in sorted(wanted - GUARANTEES.keys()):
        near = difflib.get_close_matches(name, GUARANTEES, 1)
        instead = f"did you mean {near[0]}?" if near else f"there are {', '.join(GUARANTEES)}"
        raise UsageError(f"there is no guarantee {name!r}; {instead}")
    return tuple(name for name in GUARANTEES if name in wanted)


def definition(name: str) -> str:
    """Return what a guarantee says, and exactly how it is judged: the definition of its checker."""
    text = inspect.getdoc(sys.modules[CHECKERS[name].__module__]) or ""
    _, _, exact = text.partition("\n\n")
    return f"{name}: {GUARANTEES[name]}\n\n{exact}"


def explanation(verdict: RunVerdict, name: str) -> str:
    """Return what the judge found on a guarantee in full: every story with the operations behind it."""
    found = next((prop for prop in verdict.properties if prop.name == name), None)
    if found is None:
        return f"{name} was not checked in this run"
    lines = [f"{found.name}: {found.verdict}" + (f", {_flat(found.reason)}" if found.reason else "")]
    lines.append(f"  checked {found.checked:,} {found.counted}")
    excused = f", {found.excused:,} excused" if found.excused else ""
    lines.append(f"  {found.violations:,} violations{excused}")
    for number, witness in enumerate(found.witnesses, 1):
        lines += [
            "",
            f"{number}. {_flat(witness.story)}",
            *(f"     {_flat(operation)}" for operation in witness.operations),
        ]
    return "\n".join(lines)


def _flat(text: str) -> str:
    """Return what comes from a run as it may stand in a terminal, or in a log whose lines are obeyed."""
    return visible(text).replace("\n", "\\n")


def report(folder: RunFolder) -> None:
    """Write the reports of a judged run.

    Raises:
        HarnessError: the folder is not that of a judged run; the message says what is missing.
    """
    try:
        write_reports(folder)
    except ReportError as error:
        raise HarnessError(str(error)) from error


def annotations(folder: RunFolder) -> tuple[str, ...]:
    """Return the lines that GitHub Actions makes annotations of (`reports/github.py`).

    Raises:
        HarnessError: the folder is not that of a judged run.
    """
    try:
        return github.annotations(load(folder, whole=False), str(folder.report))
    except ReportError as error:
        raise HarnessError(str(error)) from error


def summary(verdict: RunVerdict, where: Path) -> Text:
    """Return the verdict for a terminal: each finding on a line, a story, where the report is."""
    text = Text()
    for finding in verdict.properties:
        counted = f"{finding.checked:,} {finding.counted}"
        _line(text, finding.verdict, finding.name, _outcome(finding, counted))
    for other in (*verdict.coverage, *verdict.lifecycle):
        if other.verdict is not Verdict.PASS:
            _line(text, other.verdict, other.name, other.evidence)
    if story := _first_story(verdict):
        text.append(f"\n  {_flat(story)}\n")
    for sentence in verdict.unexpected:
        text.append(f"\n  {_flat(sentence)}\n", "red")
    return text.append("\n").append(_last_line(verdict)).append(f"\n  {where}")


def one_line(verdict: RunVerdict, where: Path) -> Text:
    """Return the verdict as one line, for runs among many in which there is nothing to look at."""
    return _last_line(verdict).append(f"  {where}")


def _last_line(verdict: RunVerdict) -> Text:
    mark, colour = _MARKS[_overall(verdict)]
    expected = "as expected" if verdict.as_expected else "not as expected"
    text = Text().append(f"{mark} {verdict.verdict.upper()}, {expected}", f"bold {colour}")
    return text.append(f"  {verdict.scenario}, seed {verdict.seed}, {verdict.backend}")


def _overall(verdict: RunVerdict) -> Verdict:
    """An expected failure is good news, an unexpected pass is not."""
    if verdict.verdict is Verdict.UNKNOWN:
        return Verdict.UNKNOWN
    return Verdict.PASS if verdict.as_expected else Verdict.FAIL


def _line(text: Text, verdict: Verdict, name: str, what: str) -> None:
    mark, colour = _MARKS[verdict]
    text.append(f"  {mark} ", colour)
    text.append(f"{_flat(name):<18} ", "bold")
    text.append(f"{_flat(what)}\n")


def _outcome(finding: Property, counted: str) -> str:
    match finding.verdict:
        case Verdict.PASS:
            return counted
        case Verdict.FAIL:
            return f"{finding.violations:,} violations in {counted}"
    return finding.reason


def _first_story(verdict: RunVerdict) -> str:
    failed = [p for p in verdict.properties if p.verdict is Verdict.FAIL and p.witnesses]
    return failed[0].witnesses[0].story if failed else ""  # published order: losses come first
