"""A page never grows beyond what is promised, and never drops a violation: it shows less of each."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from harness.records.codec import write_json
from harness.records.journal import FaultEntry, Journal, MemberEntry, MemberState
from harness.records.metrics import NodeFigures, Sample, SampleWriter
from harness.records.plan import FaultPlan
from harness.records.verdict import Finding, Verdict
from reports import html, picture, sparklines, write_reports
from reports.limits import LEVELS, MOST_BYTES
from reports.run import load
from reports.sections import kept

S, MS = 10**9, 10**6
GUARANTEES = 15
STORIES = 32
FAULTS = 1_000
NODES = tuple(f"node-{i}-{'of-a-long-name' * 3}" for i in range(1, 32))
WORDS = "it was acknowledged at a position & <never> seen again, "


@pytest.fixture(scope="module")
def worst(runs: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The worst that there can be: 32 members, every guarantee violated, at length, after 1,000 faults."""
    made = runs.expected_failing(tmp_path_factory.mktemp("worst"))
    (lost,) = [p for p in made.verdict.properties if p.witnesses]
    stories = tuple(
        replace(w, story=f"story {i}: {WORDS * 20}", operations=(WORDS * 6,) * 24)
        for i, w in enumerate(lost.witnesses)
    )
    names = [f"guarantee-{i}" for i in range(GUARANTEES)]
    faults = tuple(
        FaultPlan(id=f"f-{i}-{'again' * 20}", fault="pause", at_s=0.02 * i, targets=NODES, duration_s=0.01)
        for i in range(FAULTS)
    )
    found = [
        Finding(name=f"proven:{fault.id}", verdict=Verdict.PASS, evidence=WORDS * 10) for fault in faults
    ]
    found[777] = replace(found[777], verdict=Verdict.FAIL)
    verdict = replace(
        made.verdict,
        properties=tuple(replace(lost, name=name, violations=10**6, witnesses=stories) for name in names),
        coverage=tuple(found),
        reconnections=tuple(_ways(made, faults)),
        unexpected=(WORDS * 50,) * 500,
    )
    write_json(made.folder.verdict, verdict)
    cluster = replace(made.plan.cluster, nodes=NODES)
    write_json(
        made.folder.plan, replace(made.plan, cluster=cluster, faults=faults, description=WORDS * 5_000)
    )
    write_json(made.folder.meta, replace(made.meta, versions={WORDS * i: WORDS * i for i in range(300)}))
    _journal(made.folder.faults, faults)
    for member in (*NODES, "redis"):
        _watched(runs, made.folder, member)
    return made


def _ways(made: Any, faults: tuple[FaultPlan, ...]) -> Iterator[Any]:
    for i in range(6_000):
        way = made.verdict.reconnections[i % len(made.verdict.reconnections)]
        yield replace(way, fault_id=faults[i % FAULTS].id, from_node=NODES[i % 31], reason=WORDS * 5)


def _journal(path: Any, faults: tuple[FaultPlan, ...]) -> None:
    path.unlink()
    with Journal(path) as journal:
        for i, fault in enumerate(faults):
            for step, later in (("injected", 0), ("proved", 2), ("failed" if i == 777 else "healed", 10)):
                journal.append(
                    FaultEntry(
                        t_ns=5_000 * S + int(fault.at_s * S) + later * MS,
                        done_ns=5_000 * S + int(fault.at_s * S) + later * MS,
                        fault_id=fault.id, fault=fault.fault, step=step,
                        targets=fault.targets, evidence={"what": WORDS * 10},
                    )
                )  # fmt: skip


def _watched(runs: Any, folder: Any, member: str) -> None:
    """Give a member a log, samples with a gap after every third, and as many states as there are faults."""
    writer = SampleWriter(folder.metrics, member)
    for i in range(1_500):
        figures = NodeFigures(
            connections=i, tail_lag=i % 7, tail_silent_s=i / 1000, buffered_bytes=i, commits_waiting=i
        )
        identity = f"{i // 3} {WORDS}"
        writer.append(Sample(t_ns=runs.at(i / 55), identity=identity, cpu=i / 7, memory=i, node=figures))
    writer.close()
    text = "\n".join(f'{{"event": "{WORDS * 5}", "level": "warning"}}' for _ in range(200))
    (folder.logs / f"{member}.log").write_text(text)
    with Journal(folder.members) as journal:
        for i in range(100):
            entry = MemberEntry(
                t_ns=runs.at(i * 0.2), member=member, role="node", identity=WORDS * 3,
                state=(MemberState.READY, MemberState.PAUSED)[i % 2],
            )  # fmt: skip
            journal.append(entry)


def test_the_worst_run_keeps_every_story_and_all_that_failed(worst: Any, parse: Any) -> None:
    write_reports(worst.folder)
    source = worst.folder.report.read_text("utf-8")
    assert len(source.encode()) <= MOST_BYTES
    assert worst.folder.summary.stat().st_size < 200_000
    assert "22 more operations" in source  # The other levels were too large.
    assert "Left out: with it" not in source
    page = parse(source)
    assert len(page.all("div", "behind")) == GUARANTEES * STORIES
    assert source.count("1,000,000 violations in all, in 32 stories told here.") == GUARANTEES
    evidence = page.one("section", **{"aria-labelledby": "evidence"}).text
    assert "proven:f-777" in evidence
    assert "more of coverage that pass, in verdict.json" in evidence
    assert "more that pass" in page.one("div", **{"class": "kinds"}).text
    faults = page.one("section", **{"aria-labelledby": "faults"}).text
    assert "f-777" in faults
    assert "in faults.jsonl" in faults
    links = {e.attributes["href"][1:] for e in page.all("a")}
    ids = {e.attributes["id"] for e in page.walk() if "id" in e.attributes}
    assert links <= ids
    assert source.count('class="spark"') == 12 * len(sparklines.FIGURES)
    assert "20 more members are left out" in source
    for drawing in page.all("svg", "timeline"):
        assert float(drawing.attributes["viewbox"].split()[3]) < 1_900  # 32 lanes, and few rows of names
        assert "more faults, without room for a name" in drawing.text


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


def test_where_even_the_least_is_too_large_whole_sections_go_and_say_so_but_never_the_stories(
    reported: Callable[[str], Any], parse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = load(reported("expected_failing").folder)
    least = len(html._page(picture.collect(run), LEVELS[-1]).encode())
    headings = {}
    monkeypatch.setattr(html, "LEVELS", LEVELS[-1:])
    for most in (least - 1, 1):
        monkeypatch.setattr(html, "MOST_BYTES", most)
        page = parse(html.render(run))
        sections = [section for section in page.all("section") if section.all("p", "notice")]
        headings[most] = [e.one("h2").text for e in sections if "Left out: with it" in e.text]
        assert len(page.all("div", "behind")) == STORIES
    assert headings[least - 1] == ["Logs"]
    assert len(headings[1]) == 7
