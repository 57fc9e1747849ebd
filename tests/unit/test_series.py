"""Several runs: rates, the bound where there was none, which runs to look at, the exit code that counts."""

import json
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest

from harness.judge.exit_codes import exit_code
from harness.records.codec import dump_json
from harness.series import Outcome, seeds, summarize, table


@pytest.fixture(scope="module")
def runs(made: ModuleType) -> list[Outcome]:
    """Eight passes, a failure, an unknown one, and one that never began."""
    lossy = made.quiet()
    sent = next(iter(lossy.sent.values()))
    lossy.drop([*lossy.deliveries(sent, bot=2), *lossy.listed(sent)])
    silent = made.quiet()
    silent.entries.clear()
    verdicts = [*([made.quiet().judge()] * 8), lossy.judge(), silent.judge()]
    assert [v.verdict for v in verdicts] == [*["pass"] * 8, "fail", "unknown"]
    outcomes = [
        Outcome(
            scenario="storm",
            seed=seed,
            exit_code=exit_code(verdict),
            verdict=verdict,
            folder=Path(f"r/{seed}"),
        )
        for seed, verdict in enumerate(verdicts, 100)
    ]
    return [*outcomes, Outcome(scenario="storm", seed=110, exit_code=4, trouble="no Docker\nat all")]


def test_the_rates_are_those_of_the_verdicts(runs: list[Outcome]) -> None:
    [storm] = summarize(runs).scenarios
    counts = {word: (rate.count, rate.of) for word, rate in storm.rates.items()}
    assert counts == {"pass": (8, 11), "fail": (1, 11), "unknown": (1, 11), "failed harness": (1, 11)}
    assert all(rate.at_most is None for rate in storm.rates.values())
    assert storm.not_as_expected == (108, 109, 110)


def test_none_of_n_is_told_with_its_bound(runs: list[Outcome]) -> None:
    summary = summarize(runs[:8])
    assert summary.scenarios[0].rates["fail"].at_most == 3 / 8
    text = table(summary).plain
    assert "0 of 8  (0%, at most 38% with 95 % confidence)" in text
    assert "8 of 8  (100%)" in text
    assert "every run was as expected" in text


def test_the_bound_of_few_runs_is_no_more_than_all_of_them(runs: list[Outcome]) -> None:
    assert summarize(runs[:1]).scenarios[0].rates["fail"].at_most == 1.0


def test_runs_to_look_at_are_named_with_seed_and_folder_or_reason(runs: list[Outcome]) -> None:
    text = table(summarize(runs)).plain
    assert "not as expected: 3" in text
    assert "seed 108: fail, r/108" in text
    assert "seed 109: unknown, r/109" in text
    assert "seed 110: failed harness, no Docker\n" in text


@pytest.mark.parametrize(("which", "code"), [(slice(8), 0), (slice(9), 1), (slice(11), 4)])
def test_the_worst_exit_code_counts(runs: list[Outcome], which: slice, code: int) -> None:
    assert summarize(runs[which]).exit_code == code


def test_scenarios_are_kept_apart_in_their_order(runs: list[Outcome]) -> None:
    calm = Outcome(scenario="calm", seed=1, exit_code=0, verdict=runs[0].verdict, folder=Path("r/1"))
    summary = summarize([*runs, calm])
    assert [s.scenario for s in summary.scenarios] == ["storm", "calm"]
    assert summary.scenarios[1].rates["pass"].of == 1


def test_the_summary_is_plain_json(runs: list[Outcome]) -> None:
    value = json.loads(dump_json(summarize(runs)))
    assert value["exit_code"] == 4
    assert value["scenarios"][0]["rates"]["pass"] == {"count": 8, "of": 11, "at_most": None}
    assert value["scenarios"][0]["runs"][10]["trouble"] == "no Docker\nat all"


def test_seeds_follow_the_first_or_are_each_drawn() -> None:
    drawn = count(7, step=10)
    assert seeds(4711, 3, lambda: next(drawn)) == (4711, 4712, 4713)
    assert seeds(None, 3, lambda: next(drawn)) == (7, 17, 27)
