"""`junit.xml`: a case per finding; green exactly when the run is as expected."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from harness.records.verdict import Finding, Verdict
from reports import junit
from reports.run import load

Reported = Callable[[str], Any]


def cases(root: ElementTree.Element) -> dict[str, ElementTree.Element]:
    """Return the cases as "kind/name"."""
    return {f"{c.get('classname', '').rpartition('.')[2]}/{c.get('name')}": c for c in root.iter("testcase")}


def read(reported: Reported, kind: str) -> ElementTree.Element:
    return ElementTree.fromstring(reported(kind).folder.junit.read_bytes())


def test_there_is_a_case_for_each_finding_and_one_for_the_run(kind: str, reported: Reported) -> None:
    verdict = reported(kind).verdict
    expected = [
        *(f"property/{p.name}" for p in verdict.properties),
        *(f"coverage/{f.name}" for f in verdict.coverage),
        *(f"lifecycle/{f.name}" for f in verdict.lifecycle),
        "run/as expected",
    ]
    assert list(cases(read(reported, kind))) == expected


@pytest.mark.parametrize(
    ("kind", "failures", "errors", "skipped"),
    [
        ("passing", [], [], []),
        ("expected_failing", [], [], ["property/total-order"]),
        ("unexpected_failing", ["property/complete-delivery", "run/as expected"], [], []),
        ("unknown", ["lifecycle/final reads"], ["property/complete-delivery", "run/as expected"], []),
    ],
)
def test_outcomes_by_kind_of_run(
    kind: str, failures: list[str], errors: list[str], skipped: list[str], reported: Reported
) -> None:
    root = read(reported, kind)
    found = {
        tag: [name for name, case in cases(root).items() if case.find(tag) is not None]
        for tag in ("failure", "error", "skipped")
    }
    assert found == {"failure": failures, "error": errors, "skipped": skipped}
    for element in (root, root[0]):
        assert [int(element.get(n, "")) for n in ("tests", "failures", "errors", "skipped")] == [
            len(cases(root)),
            len(failures),
            len(errors),
            len(skipped),
        ]


def test_a_failure_tells_its_stories_and_how_many_more(reported: Reported) -> None:
    finding = next(p for p in reported("unexpected_failing").verdict.properties if p.verdict is Verdict.FAIL)
    failure = cases(read(reported, "unexpected_failing"))["property/complete-delivery"].find("failure")
    assert failure is not None
    assert finding.witnesses[0].story in (failure.text or "")
    assert finding.witnesses[0].operations[0] in (failure.text or "")
    assert f"and {finding.violations - 10} more violations" in (failure.text or "")
    assert failure.get("message") == f"{finding.violations} violations of: {finding.sentence}"


def test_an_expected_failure_still_tells_its_story(reported: Reported) -> None:
    out = cases(read(reported, "expected_failing"))["property/complete-delivery"].findtext("system-out")
    assert out is not None
    assert "as the scenario expects" in out
    assert "bots 04 and 10 never received it" in out


def test_a_failure_that_was_expected_but_came_with_another_is_red(reported: Reported) -> None:
    run = load(reported("expected_failing").folder)
    verdict = replace(run.verdict, as_expected=False, unexpected=("integrity was violated too",))
    root = ElementTree.fromstring(junit.render(replace(run, verdict=verdict)))
    found = cases(root)
    assert found["property/complete-delivery"].find("failure") is not None
    assert found["run/as expected"].findtext("failure") == "integrity was violated too"


def test_a_failure_that_was_expected_and_did_not_come_is_red(reported: Reported) -> None:
    run = load(reported("passing").folder)
    verdict = replace(run.verdict, expected="fail", as_expected=False, unexpected=("nothing was violated",))
    root = ElementTree.fromstring(junit.render(replace(run, verdict=verdict)))
    assert [n for n, c in cases(root).items() if c.find("failure") is not None] == ["run/as expected"]


def test_a_violation_that_the_scenario_does_not_list_fails(reported: Reported) -> None:
    run = load(reported("expected_failing").folder)
    plan = replace(run.plan, expect=replace(run.plan.expect, violates=("integrity",)))
    root = ElementTree.fromstring(junit.render(replace(run, plan=plan)))
    assert cases(root)["property/complete-delivery"].find("failure") is not None


def test_unknown_coverage_is_an_error_with_its_evidence(reported: Reported) -> None:
    run = load(reported("passing").folder)
    unknown = Finding(name="load generator", verdict=Verdict.UNKNOWN, evidence="no sample of its lag")
    root = ElementTree.fromstring(
        junit.render(replace(run, verdict=replace(run.verdict, coverage=(unknown,))))
    )
    error = cases(root)["coverage/load generator"].find("error")
    assert error is not None
    assert error.get("message") == "no sample of its lag"


def test_the_suite_names_scenario_seed_and_command(reported: Reported) -> None:
    suite = read(reported, "passing")[0]
    assert suite.get("name") == "node-kill"
    assert suite.get("timestamp") == "2025-11-23T14:02:11"
    assert suite.get("time") == "5.400" if reported("passing").meta.ended_ns is None else "31.400"
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert properties["seed"] == "4711"
    assert properties["command"] == "wordaround run node-kill --seed 4711 --backend process"
