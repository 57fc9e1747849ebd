"""A page never grows beyond what is promised, and never drops a violation: it shows less of each."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.records.codec import write_json
from harness.records.journal import FaultEntry, Journal
from harness.records.plan import FaultPlan
from harness.records.verdict import Finding, Verdict
from reports import html, picture, write_reports
from reports.limits import LEVELS, MOST_BYTES
from reports.run import load
from reports.sections import kept

GUARANTEES = 15
STORIES = 32
WORDS = "it was acknowledged at a position & <never> seen again, "


@pytest.fixture(scope="module")
def worst(runs: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The worst that there can be: every guarantee violated, at length, after a thousand faults."""
    made = runs.expected_failing(tmp_path_factory.mktemp("worst"))
    (lost,) = [p for p in made.verdict.properties if p.witnesses]
    stories = tuple(
        replace(w, story=f"story {i}: {WORDS * 20}", operations=(WORDS * 6,) * 24)
        for i, w in enumerate(lost.witnesses)
    )
    names = [f"guarantee-{i}" for i in range(GUARANTEES)]
    faults = tuple(FaultPlan(id=f"f-{i}", fault="pause", at_s=9.0, targets=("node-1",)) for i in range(1_000))
    found = [
        Finding(name=f"proven:{fault.id}", verdict=Verdict.PASS, evidence=WORDS * 10) for fault in faults
    ]
    found[777] = replace(found[777], verdict=Verdict.FAIL)
    verdict = replace(
        made.verdict,
        properties=tuple(replace(lost, name=name, violations=10**6, witnesses=stories) for name in names),
        coverage=tuple(found),
        reconnections=made.verdict.reconnections * 2_000,
    )
    write_json(made.folder.verdict, verdict)
    write_json(made.folder.plan, replace(made.plan, faults=faults))
    _journal(made.folder.faults, faults)
    return made


def _journal(path: Any, faults: tuple[FaultPlan, ...]) -> None:
    path.unlink()
    with Journal(path) as journal:
        for fault in faults[:300]:
            step = "failed" if fault.id == "f-299" else "injected"
            journal.append(
                FaultEntry(
                    t_ns=1, done_ns=2, fault_id=fault.id, fault=fault.fault, step=step,
                    targets=fault.targets, evidence={"what": WORDS * 50},
                )
            )  # fmt: skip


def test_the_worst_run_keeps_every_story_and_all_that_failed(worst: Any, parse: Any) -> None:
    write_reports(worst.folder)
    source = worst.folder.report.read_text("utf-8")
    assert len(source.encode()) <= MOST_BYTES
    assert "16 more operations" in source  # The first level was too large.
    page = parse(source)
    assert len(page.all("div", "behind")) == GUARANTEES * STORIES
    assert source.count("1,000,000 violations in all, in 32 stories told here.") == GUARANTEES
    evidence = page.one("section", **{"aria-labelledby": "evidence"}).text
    assert "proven:f-777" in evidence
    assert "more of coverage that pass, in verdict.json" in evidence
    assert "more that pass" in page.one("div", **{"class": "kinds"}).text
    faults = page.one("section", **{"aria-labelledby": "faults"}).text
    assert "f-299" in faults
    assert "in faults.jsonl" in faults
    links = {e.attributes["href"][1:] for e in page.all("a")}
    ids = {e.attributes["id"] for e in page.walk() if "id" in e.attributes}
    assert links <= ids


def test_what_did_not_pass_is_never_left_out() -> None:
    found = [Finding(name=f"f-{i}", verdict=Verdict.PASS, evidence="") for i in range(50)]
    found[10:20] = [replace(one, verdict=Verdict.FAIL) for one in found[10:20]]
    shown, left_out = kept(found, 4)
    assert ([index for index, _ in shown], left_out) == (list(range(10, 20)), 40)
    shown, left_out = kept(found, 12)
    assert ([index for index, _ in shown], left_out) == ([0, 1, *range(10, 20)], 38)


def test_a_page_that_is_too_large_is_made_again_with_less(
    reported: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = load(reported("expected_failing").folder)
    shown = picture.collect(run)
    sizes = [len(html._page(shown, limits).encode()) for limits in LEVELS]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]
    monkeypatch.setattr(html, "MOST_BYTES", sizes[-1])
    assert len(html.render(run).encode()) == sizes[-1]
