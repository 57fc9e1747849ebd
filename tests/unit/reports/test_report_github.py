"""Annotations for GitHub Actions: one for each violation, escaped, and none that a run could forge."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.records.verdict import Verdict
from reports.github import MOST, annotations
from reports.run import Run, load

FORGED = "100% lost\n::error::forged\r\n::stop-commands::x, y: z"


@pytest.fixture
def run(reported: Callable[[str], Any]) -> Callable[[str], Run]:
    return lambda kind: load(reported(kind).folder, whole=False)


def _unescaped(line: str) -> str:
    return line.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")


@pytest.mark.parametrize("kind", ["passing", "expected_failing"])
def test_a_run_as_expected_is_one_notice_with_its_sentence(kind: str, run: Callable[[str], Run]) -> None:
    (line,) = annotations(run(kind), "runs/x/report.html")
    assert line.startswith(f"::notice title={run(kind).plan.scenario}%2C seed 4711::")
    assert "1,560 acknowledged messages" in line
    assert line.endswith("%0Aruns/x/report.html")


def test_a_violation_is_an_error_with_its_story(run: Callable[[str], Run]) -> None:
    (line,) = annotations(run("unexpected_failing"), "runs/x/report.html")
    found = next(p for p in run("unexpected_failing").verdict.properties if p.verdict is Verdict.FAIL)
    assert line.startswith("::error title=complete-delivery violated in node-kill%2C seed 4711::")
    assert found.witnesses[0].story in line
    assert f"{found.violations} violations in 15,600 messages × recipients" in _unescaped(line)


def test_an_unknown_run_is_an_error_and_each_doubt_a_warning(run: Callable[[str], Run]) -> None:
    first, *rest = annotations(run("unknown"), "r")
    assert first.startswith("::error title=node-kill%2C seed 4711::Unknown: final reads")
    assert [line.partition("::")[2].partition("::")[0] for line in rest] == [
        "warning title=complete-delivery is unknown in node-kill",
        "warning title=final reads in node-kill",
    ]


def test_an_expected_failure_that_did_not_come_is_an_error(run: Callable[[str], Run]) -> None:
    passed = run("passing")
    why = ("The verdict is pass, and the scenario expects fail.",)
    surprised = replace(passed, verdict=replace(passed.verdict, as_expected=False, unexpected=why))
    (line,) = annotations(surprised, "r")
    assert line.startswith("::error ")
    assert why[0] in line


def test_nothing_of_a_run_begins_a_command_of_its_own(run: Callable[[str], Run]) -> None:
    failed = run("unexpected_failing")
    properties = tuple(
        replace(p, name=p.name + FORGED, witnesses=tuple(replace(w, story=FORGED) for w in p.witnesses))
        for p in failed.verdict.properties
    )
    plan = replace(failed.plan, scenario=FORGED)
    hostile = replace(failed, plan=plan, verdict=replace(failed.verdict, properties=properties))
    for line in annotations(hostile, FORGED):
        assert "\n" not in line
        assert "\r" not in line
        title, _, message = line.removeprefix("::error title=").partition("::")
        assert "," not in title
        shown = FORGED.replace("\r", "\\x0d")
        wanted = f"complete-delivery{shown} violated in {shown}, seed 4711"
        assert _unescaped(title.replace("%3A", ":").replace("%2C", ",")) == wanted
        assert _unescaped(message).startswith(shown)


def test_no_more_errors_than_the_runner_shows(run: Callable[[str], Run]) -> None:
    failed = run("unexpected_failing")
    (found,) = [p for p in failed.verdict.properties if p.verdict is Verdict.FAIL]
    many = (*(replace(found, name=f"guarantee-{i}") for i in range(40)), found)
    lines = annotations(replace(failed, verdict=replace(failed.verdict, properties=many)), "r")
    assert len(lines) == MOST
    assert "complete-delivery" in lines[0]  # The worst comes first.
