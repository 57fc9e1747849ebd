"""The pytest plugin without a run: what it costs who does not use it, overrides, what a bad run tells."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.pytest_plugin.overrides import merged, source_of
from harness.pytest_plugin.runs import _told
from harness.records.folder import RunFolder
from harness.records.plan import Expectation
from harness.records.verdict import Finding, Property, RunVerdict, Stats, Verdict, Witness

HEAVY = (
    "docker",
    "gevent",
    "locust",
    "numpy",
    "pydantic",
    "redis",
    "rich",
    "typer",
    "yaml",
    "harness.runner",
)


def test_who_does_not_use_it_imports_nothing_heavy() -> None:
    code = f"import sys, harness.pytest_plugin; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_who_uses_it_imports_no_locust_and_no_gevent() -> None:
    code = (
        "import sys, harness.pytest_plugin.runs, harness.pytest_plugin.clusters, harness.pytest_plugin.child;"
        "print([name for name in ('locust', 'gevent') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_mappings_are_merged_everything_else_is_replaced_and_none_takes_away() -> None:
    base = {"load": {"users": 30, "rooms": 3}, "faults": [{"id": "a"}, {"id": "b"}], "seed": 1}
    changes: dict[str, Any] = {"load": {"users": 4}, "faults": [{"id": "c"}], "seed": None, "name": "x"}
    assert merged(base, changes) == {"load": {"users": 4, "rooms": 3}, "faults": [{"id": "c"}], "name": "x"}
    assert base["load"] == {"users": 30, "rooms": 3}


def test_a_scenario_without_overrides_is_the_one_that_was_named(tmp_path: Path) -> None:
    assert source_of("node-kill", {}, tmp_path).argument == "node-kill"
    assert list(tmp_path.iterdir()) == []


def test_overrides_make_a_file_that_can_be_run_again(tmp_path: Path) -> None:
    source = source_of("node-kill", {"load": {"users": 6}}, tmp_path)
    assert Path(source.argument).parent == tmp_path / "scenarios"
    assert (source.scenario.load.users, source.scenario.load.rooms) == (6, 3)
    assert source_of(source.argument, {}, tmp_path).scenario == source.scenario


def test_mistakes_in_overrides_are_told_like_those_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"node-kill-.+\.yaml:\d+:\d+: unknown key `user` in `load`"):
        source_of("node-kill", {"load": {"user": 6}}, tmp_path)


def verdict(word: Verdict, *, expected: Any = "pass", **changes: Any) -> RunVerdict:
    return RunVerdict(
        verdict=word,
        expected=expected,
        as_expected=False,
        scenario="s",
        seed=7,
        backend="process",
        properties=changes.pop("properties", ()),
        coverage=changes.pop("coverage", ()),
        lifecycle=(),
        stats=Stats(),
        **changes,
    )


def failed(name: str, violations: int) -> Property:
    return Property(
        name=name,
        verdict=Verdict.FAIL,
        sentence=f"{name} holds.",
        checked=10,
        counted="things",
        violations=violations,
        witnesses=(Witness(story=f"the story of {name}"),),
    )


RUN = RunFolder(Path("/runs/x"))


def test_of_an_expected_failure_only_what_was_not_foretold_is_told() -> None:
    bad = verdict(
        Verdict.FAIL,
        expected="fail",
        properties=(failed("no-duplicates", 3), failed("integrity", 1), failed("presence", 2)),
        unexpected=(
            "integrity failed, which the scenario does not allow: 1 violation.",
            "presence failed, which the scenario does not allow: 2 violations.",
            "The scenario expects a violation of total-order, but no-duplicates says otherwise.",
        ),
    )
    expect = Expectation(verdict="fail", violates=("total-order",), may_violate=("no-duplicates",))
    assert _told(bad, expect, RUN).splitlines() == [
        "s, seed 7, process: fail",
        "  integrity, violated once: integrity holds.",
        "    the story of integrity",
        "  violated, too: presence (2)",
        "  report: /runs/x/report.html",
    ]


def test_a_failure_that_did_not_come_is_told() -> None:
    sentence = "The verdict is pass, and the scenario expects fail."
    told = _told(
        verdict(Verdict.PASS, expected="fail", unexpected=(sentence,)), Expectation(verdict="fail"), RUN
    )
    assert told.splitlines()[:2] == ["s, seed 7, process: pass, expected was fail", f"  {sentence}"]


def test_an_unknown_tells_why_shortly() -> None:
    findings = tuple(Finding(name=f"f{i}", verdict=Verdict.UNKNOWN, evidence="not seen") for i in range(6))
    lines = _told(verdict(Verdict.UNKNOWN, coverage=findings), Expectation(), RUN).splitlines()
    assert lines[0] == "s, seed 7, process: unknown, this run proves nothing"
    assert lines[1:] == [
        *(f"  f{i}: not seen" for i in range(4)),
        "  and 2 more reasons",
        "  report: /runs/x/report.html",
    ]
