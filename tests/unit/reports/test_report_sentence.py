"""The verdict in a sentence, and numbers as people read them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.records.verdict import Finding, Verdict
from reports.run import Run, load
from reports.sentence import (
    bound_percent,
    headline,
    joined,
    milliseconds,
    moment,
    number,
    plural,
    seconds,
    times,
    worst_violation,
)


@pytest.fixture
def run(reported: Callable[[str], Any]) -> Callable[[str], Run]:
    return lambda kind: load(reported(kind).folder)


def test_a_pass_says_what_held_through_what(run: Callable[[str], Run]) -> None:
    slowest = max(way.back_ns - way.lost_ns for way in run("passing").verdict.reconnections) / 1e9
    assert headline(run("passing")).sentence == (
        "Passed: 1,560 acknowledged messages, none lost, through 1 node kill; "
        f"everyone was back in {slowest:.2f} s."
    )


def test_a_pass_does_not_claim_what_was_not_checked(run: Callable[[str], Run]) -> None:
    passed = run("passing")
    kept = tuple(p for p in passed.verdict.properties if p.name != "acked-durable")
    narrower = replace(passed, verdict=replace(passed.verdict, properties=kept))
    assert "none lost" not in headline(narrower).sentence


def test_an_injection_that_was_never_proved_is_not_boasted_of(run: Callable[[str], Run]) -> None:
    passed = run("passing")
    unproved = replace(passed, faults=tuple(entry for entry in passed.faults if entry.step != "proved"))
    assert "node kill" not in headline(unproved).sentence
    assert "with no fault proved" in headline(unproved).sentence


def test_a_run_without_faults_says_so(run: Callable[[str], Run]) -> None:
    passed = run("passing")
    stats = replace(passed.verdict.stats, reconnections=replace(passed.verdict.stats.reconnections, count=0))
    calm = replace(
        passed,
        plan=replace(passed.plan, faults=()),
        faults=(),
        verdict=replace(passed.verdict, reconnections=(), stats=stats),
    )
    expected = "Passed: 1,560 acknowledged messages, none lost, with no fault injected; nobody was cut off."
    assert headline(calm).sentence == expected


def test_a_bot_that_never_came_back_is_not_everyone(run: Callable[[str], Run]) -> None:
    passed = run("passing")
    first, *others = passed.verdict.reconnections
    ways = (replace(first, back_ns=None), *others)
    assert (
        "everyone"
        not in headline(replace(passed, verdict=replace(passed.verdict, reconnections=ways))).sentence
    )


def test_an_expected_failure_says_that_it_was_expected(run: Callable[[str], Run]) -> None:
    failed = run("expected_failing")
    lost = next(p.violations for p in failed.verdict.properties if p.name == "complete-delivery")
    assert headline(failed).sentence == (
        f"Failed as expected: complete-delivery was violated {lost} times "
        "among 1,560 acknowledged messages, through 1 node kill."
    )


def test_several_violated_guarantees_are_one_sentence(run: Callable[[str], Run]) -> None:
    failed = run("expected_failing")
    first, second, *_ = failed.verdict.properties
    broken = (
        replace(first, verdict=Verdict.FAIL, violations=1),
        replace(second, verdict=Verdict.FAIL, violations=2732),
    )
    words = headline(replace(failed, verdict=replace(failed.verdict, properties=broken))).rest
    assert words.startswith("acked-durable was violated once and complete-delivery 2,732 times among 1,560 ")


def test_failures_that_nobody_expected_are_told_apart(run: Callable[[str], Run]) -> None:
    assert headline(run("unexpected_failing")).lead == "Failed"
    failed = run("expected_failing")
    assert headline(replace(failed, verdict=replace(failed.verdict, as_expected=False))).lead == (
        "Failed, but not as expected"
    )
    passed = run("passing")
    surprising = replace(passed.verdict, expected="fail", as_expected=False)
    assert headline(replace(passed, verdict=surprising)).lead == "Passed, not as expected"


def test_an_unknown_says_why_and_how_much_more(run: Callable[[str], Run]) -> None:
    unknown = run("unknown")
    assert headline(unknown).sentence == (
        "Unknown: final reads (node-3 did not answer) and complete-delivery "
        "(bot-01 was not joined at the end)."
    )
    aborted = replace(unknown, meta=replace(unknown.meta, aborted="interrupted by Ctrl-C"))
    assert headline(aborted).sentence == (
        "Unknown: the run broke off (interrupted by Ctrl-C), final reads (node-3 did not answer) "
        "and 1 more reason."
    )


def test_failed_coverage_is_a_reason_to_doubt(run: Callable[[str], Run]) -> None:
    unknown = run("unknown")
    coverage = (Finding(name="fault crash", verdict=Verdict.FAIL, evidence="never injected."),)
    verdict = replace(unknown.verdict, lifecycle=(), coverage=coverage, properties=())
    assert headline(replace(unknown, verdict=verdict)).sentence == "Unknown: fault crash (never injected)."


def test_the_worst_violation_is_of_the_gravest_guarantee(run: Callable[[str], Run]) -> None:
    verdict = run("unexpected_failing").verdict
    failing = tuple(replace(p, verdict=Verdict.FAIL) for p in reversed(verdict.properties))
    worst = worst_violation(replace(verdict, properties=failing))
    assert worst is not None
    assert worst.name == "acked-durable"
    assert worst_violation(run("passing").verdict) is None


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (number, 0, "0"),
        (number, 1412, "1,412"),
        (number, 60.0, "60"),
        (number, 2.5, "2.5"),
        (number, 1000.125, "1,000.125"),
        (seconds, 0.0831, "83 ms"),
        (seconds, 0.8124, "0.81 s"),
        (seconds, 12.44, "12.4 s"),
        (seconds, 125.2, "2 min 5 s"),
        (milliseconds, 0, "0 ms"),
        (milliseconds, 0.423, "0.42 ms"),
        (milliseconds, 3.14, "3.1 ms"),
        (milliseconds, 99.4, "99 ms"),
        (milliseconds, 99.6, "0.10 s"),
        (moment, -0.3, "−0.300 s"),
        (moment, 1234.5, "1,234.500 s"),
        (times, 1, "once"),
        (times, 2, "twice"),
        (times, 1500, "1,500 times"),
        (joined, [], ""),
        (joined, ["a"], "a"),
        (joined, ["a", "b", "c"], "a, b and c"),
        (bound_percent, 4680, "0.064 %"),
        (bound_percent, 2, "100 %"),
        (bound_percent, 10**9, "below 0.0001 %"),
    ],
)
def test_values_are_written_for_people(function: Callable[[Any], str], value: Any, text: str) -> None:
    assert function(value) == text


def test_one_is_singular() -> None:
    assert [plural(n, "node kill") for n in (0, 1, 1412)] == [
        "0 node kills",
        "1 node kill",
        "1,412 node kills",
    ]
