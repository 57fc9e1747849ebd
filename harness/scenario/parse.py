"""YAML text to a scenario, or every mistake in it at once, each with its place in the file."""

from collections.abc import Iterable

from harness.errors import UsageError
from harness.scenario.facts import facts_of
from harness.scenario.model import Scenario
from harness.scenario.sense import findings
from harness.scenario.shape import validate
from harness.scenario.source import Document, Path, Problem, Unreadable, read


class ScenarioError(UsageError):
    """A scenario is wrong; the message has a line `file:line:column: what` for each problem."""

    def __init__(self, label: str, problems: tuple[Problem, ...]) -> None:
        self.label = label
        self.problems = problems
        super().__init__("\n".join(self._lines()))

    def _lines(self) -> list[str]:
        count = len(self.problems)
        header = f"{self.label} has {count} {'mistake' if count == 1 else 'mistakes'}:"
        return [header, *(f"  {self._line(problem)}" for problem in self.problems)]

    def _line(self, problem: Problem) -> str:
        return f"{self.label}:{problem.position.line}:{problem.position.column}: {problem.sentence}"


def parse(text: str, *, label: str) -> Scenario:
    """Return the scenario that the YAML text describes; `label` is how errors call the file.

    Raises:
        ScenarioError: it is wrong; carries all problems, in the order of the file.
    """
    try:
        document = read(text)
    except Unreadable as error:
        raise ScenarioError(label, (error.problem,)) from error
    result = validate(document)
    problems = [*document.problems, *_sense(document)]
    if isinstance(result, Scenario) and not problems:
        return result
    if not isinstance(result, Scenario):
        problems += result
    # An alias can bring the same mistake in from one place several times.
    raise ScenarioError(label, tuple(sorted(set(problems))))


def located(text: str, label: str, path: Path, sentence: str) -> ScenarioError:
    """Return the error that says what is wrong at a key of a scenario that was parsed before."""
    return all_located(text, label, [(path, sentence)])


def all_located(text: str, label: str, sentences: Iterable[tuple[Path, str]]) -> ScenarioError:
    """Return the error that says what is wrong at several keys of a scenario that was parsed before."""
    document = read(text)
    problems = (Problem(document.where_key(path), sentence) for path, sentence in sentences)
    return ScenarioError(label, tuple(sorted(problems)))


def _sense(document: Document) -> list[Problem]:
    found = findings(facts_of(document.data))
    return [Problem(document.where(path), sentence) for path, sentence in found]
