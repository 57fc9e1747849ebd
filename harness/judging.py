"""What happens to a run folder after the run: the verdict into it, the reports into it, a summary out."""

from rich.text import Text

from harness.errors import HarnessError
from harness.judge import judge_folder
from harness.records.codec import write_json
from harness.records.folder import RunFolder
from harness.records.verdict import Property, RunVerdict, Verdict
from reports import ReportError, write_reports

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


def report(folder: RunFolder) -> None:
    """Write the reports of a judged run.

    Raises:
        HarnessError: the folder is not that of a judged run; the message says what is missing.
    """
    try:
        write_reports(folder)
    except ReportError as error:
        raise HarnessError(str(error)) from error


def summary(folder: RunFolder, verdict: RunVerdict) -> Text:
    """Return the verdict for a terminal: each finding on a line, a story, where the report is."""
    text = Text()
    for finding in verdict.properties:
        counted = f"{finding.checked:,} {finding.counted}"
        _line(text, finding.verdict, finding.name, _outcome(finding, counted))
    for other in (*verdict.coverage, *verdict.lifecycle):
        if other.verdict is not Verdict.PASS:
            _line(text, other.verdict, other.name, other.evidence)
    if story := _first_story(verdict):
        text.append(f"\n  {story}\n")
    for sentence in verdict.unexpected:
        text.append(f"\n  {sentence}\n", "red")
    mark, colour = _MARKS[_overall(verdict)]
    expected = "as expected" if verdict.as_expected else "not as expected"
    text.append(f"\n{mark} {verdict.verdict.upper()}, {expected}", f"bold {colour}")
    text.append(f"  {verdict.scenario}, seed {verdict.seed}, {verdict.backend}\n")
    text.append(f"  {folder.report}")
    return text


def _overall(verdict: RunVerdict) -> Verdict:
    """An expected failure is good news, an unexpected pass is not."""
    if verdict.verdict is Verdict.UNKNOWN:
        return Verdict.UNKNOWN
    return Verdict.PASS if verdict.as_expected else Verdict.FAIL


def _line(text: Text, verdict: Verdict, name: str, what: str) -> None:
    mark, colour = _MARKS[verdict]
    text.append(f"  {mark} ", colour)
    text.append(f"{name:<18} ", "bold")
    text.append(f"{what}\n")


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
