"""What GitHub Actions shows beside a job: annotations, which are lines of its log in a form of their own.

A line is `::error title=TITLE::MESSAGE`. What would end it, or its title, is escaped in the way in which the
runner unescapes it; so nothing of a run can begin a command of its own. The runner shows ten errors and ten
warnings of a step, so the worst come first and no more are made.
"""

from collections.abc import Iterator

from harness.records.verdict import Property, Verdict
from reports.run import Run
from reports.sentence import headline, is_expected_failure, plural, worst_first
from reports.text import clipped, visible

MOST = 10  # of errors, and of warnings, that the runner shows
_TEXT_SHOWN = 1_500


def annotations(run: Run, report: str) -> tuple[str, ...]:
    """Return the lines: an error for each violation, a warning for each doubt, a notice for what is well.

    `report` is where the whole report is, for the reader.
    """
    subject = f"{run.plan.scenario}, seed {run.verdict.seed}"
    said = f"{headline(run).sentence}\n{report}"
    if run.verdict.as_expected:
        return (_command("notice", subject, said),)
    rest = [] if run.verdict.verdict is Verdict.FAIL else [_command("error", subject, _why(run, said))]
    errors = [*rest, *_violations(run, report)] or [_command("error", subject, _why(run, said))]
    return (*errors[:MOST], *list(_doubts(run))[:MOST])


def _why(run: Run, said: str) -> str:
    return "\n".join([said, *run.verdict.unexpected])


def _violations(run: Run, report: str) -> Iterator[str]:
    for found in worst_first(run.verdict):
        if not is_expected_failure(run.plan, run.verdict, found):
            title = f"{found.name} violated in {run.plan.scenario}, seed {run.verdict.seed}"
            yield _command("error", title, f"{_story(found)}\n{report}")


def _story(found: Property) -> str:
    counted = f"{plural(found.violations, 'violation')} in {found.checked:,} {found.counted}"
    return f"{found.witnesses[0].story}\n{counted}" if found.witnesses else counted


def _doubts(run: Run) -> Iterator[str]:
    for found in run.verdict.properties:
        if found.verdict is Verdict.UNKNOWN:
            yield _command("warning", f"{found.name} is unknown in {run.plan.scenario}", found.reason)
    for kind in (run.verdict.coverage, run.verdict.lifecycle):
        for other in kind:
            if other.verdict in (Verdict.FAIL, Verdict.UNKNOWN):
                yield _command("warning", f"{other.name} in {run.plan.scenario}", other.evidence)


def _command(name: str, title: str, message: str) -> str:
    return f"::{name} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    plain = visible(clipped(text, _TEXT_SHOWN))
    return plain.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
