"""Several runs, and what they say together: how often each verdict came, and which runs to look at."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.text import Text

from harness.judge.exit_codes import AS_EXPECTED, worst
from harness.records.verdict import RunVerdict

Word = Literal["pass", "fail", "unknown", "failed harness"]

WORDS: tuple[Word, ...] = ("pass", "fail", "unknown", "failed harness")
SHOWN = 10  # runs that are named one by one
_MARKS: dict[Word, tuple[str, str]] = {
    "pass": ("✔", "green"),
    "fail": ("✘", "red"),
    "unknown": ("?", "yellow"),
    "failed harness": ("!", "red"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of one run. `folder` is `None` where it did not come so far, `trouble` says why not."""

    scenario: str
    seed: int
    exit_code: int
    verdict: RunVerdict | None = None
    folder: Path | None = None
    trouble: str = ""

    @property
    def word(self) -> Word:
        """The verdict, or that the harness failed."""
        if self.verdict is None:
            return "failed harness"
        return {"pass": "pass", "fail": "fail"}.get(self.verdict.verdict.value, "unknown")  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """How many of the runs ended so, and what is known of all such runs.

    `at_most` is the bound of the share, with 95 % confidence, where there was none: three in `of` (the rule
    of three); `None` where there was one.
    """

    count: int
    of: int
    at_most: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OneRun:
    """A run in the summary's JSON."""

    seed: int
    verdict: Word
    as_expected: bool
    exit_code: int
    folder: str | None
    trouble: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ScenarioSummary:
    """All runs of one scenario."""

    scenario: str
    runs: tuple[OneRun, ...]
    rates: dict[Word, Rate]
    not_as_expected: tuple[int, ...]  # seeds


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What `run --json` prints of several runs; the verdict of each is in its folder."""

    schema: int = 1
    exit_code: int
    scenarios: tuple[ScenarioSummary, ...]


def summarize(outcomes: Sequence[Outcome]) -> Summary:
    """Put the runs together, by scenario, in the order in which they were made."""
    names = dict.fromkeys(outcome.scenario for outcome in outcomes)
    return Summary(
        exit_code=worst(outcome.exit_code for outcome in outcomes),
        scenarios=tuple(_scenario(name, [o for o in outcomes if o.scenario == name]) for name in names),
    )


def _scenario(name: str, outcomes: Sequence[Outcome]) -> ScenarioSummary:
    return ScenarioSummary(
        scenario=name,
        runs=tuple(map(_run, outcomes)),
        rates={word: _rate(word, outcomes) for word in WORDS},
        not_as_expected=tuple(o.seed for o in outcomes if o.exit_code != AS_EXPECTED),
    )


def _run(outcome: Outcome) -> OneRun:
    return OneRun(
        seed=outcome.seed,
        verdict=outcome.word,
        as_expected=outcome.exit_code == AS_EXPECTED,
        exit_code=outcome.exit_code,
        folder=str(outcome.folder) if outcome.folder is not None else None,
        trouble=outcome.trouble,
    )


def _rate(word: Word, outcomes: Iterable[Outcome]) -> Rate:
    words = [outcome.word for outcome in outcomes]
    count, of = words.count(word), len(words)
    return Rate(count=count, of=of, at_most=min(1.0, 3 / of) if not count else None)


def table(summary: Summary) -> Text:
    """Return the summary for a terminal."""
    text = Text()
    for scenario in summary.scenarios:
        text.append(f"\n{scenario.scenario}, {_times(len(scenario.runs))}\n", "bold")
        for word, rate in scenario.rates.items():
            _append_rate(text, word, rate)
        _append_unexpected(text, scenario)
    return text


def _append_rate(text: Text, word: Word, rate: Rate) -> None:
    mark, colour = _MARKS[word]
    text.append(f"  {mark} ", colour if rate.count else "dim")
    text.append(f"{word:<15}", "bold" if rate.count else "dim")
    share = f"{rate.count / rate.of:.0%}"
    known = share if rate.at_most is None else f"{share}, at most {rate.at_most:.0%} with 95 % confidence"
    text.append(f"{rate.count} of {rate.of}  ({known})\n", "" if rate.count else "dim")


def _append_unexpected(text: Text, scenario: ScenarioSummary) -> None:
    others = [run for run in scenario.runs if not run.as_expected]
    if not others:
        text.append("  every run was as expected\n")
        return
    text.append(f"  not as expected: {len(others)}\n", "red")
    for run in others[:SHOWN]:
        text.append(f"    seed {run.seed}: {run.verdict}, {run.folder or run.trouble.splitlines()[0]}\n")
    if len(others) > SHOWN:
        text.append(f"    and the seeds {', '.join(str(run.seed) for run in others[SHOWN:])}\n")


def _times(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def seeds(first: int | None, count: int, draw: Callable[[], int]) -> tuple[int, ...]:
    """Return the seeds of a scenario's runs: the first and those after it, or each drawn anew."""
    return tuple(draw() if first is None else first + number for number in range(count))
