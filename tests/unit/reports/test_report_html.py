"""`report.html` shows what the records say: every number, every name, and nothing that it must fetch."""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.records.codec import write_json
from harness.records.history import FLAG_FROM_HISTORY, Op
from harness.records.verdict import Verdict
from reports import sentence, write_reports

Page = Callable[[str], Any]
Reported = Callable[[str], Any]


def test_the_page_is_well_formed_and_small(kind: str, page: Page, reported: Reported) -> None:
    assert page(kind).one("html").attributes["lang"] == "en"
    assert reported(kind).folder.report.stat().st_size < 1_000_000


def test_nothing_is_fetched_and_no_script_is_run_but_its_own(
    kind: str, page: Page, reported: Reported
) -> None:
    tags = {element.tag for element in page(kind).walk()}
    assert not tags & {"img", "iframe", "object", "embed", "video", "audio", "form", "base"}
    for element in page(kind).walk():
        assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
        for name in ("href", "src", "xlink:href"):
            value = element.attributes.get(name, "#")
            assert value.startswith("#") or value == "data:,"
    source = reported(kind).folder.report.read_text("utf-8")
    assert "url(http" not in source
    assert "@import" not in source


def test_no_script_is_run_but_our_own(kind: str, page: Page) -> None:
    scripts = [e for e in page(kind).all("script") if e.attributes.get("type") != "application/json"]
    hashes = [
        base64.b64encode(hashlib.sha256("".join(e.children).encode()).digest()).decode() for e in scripts
    ]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    policy = page(kind).one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    assert policy == (
        f"default-src 'none'; script-src {allowed}; "
        "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert hashes


def test_every_link_on_the_page_leads_somewhere_and_every_id_is_one_of_its_kind(
    kind: str, page: Page
) -> None:
    ids = [e.attributes["id"] for e in page(kind).walk() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    links = {e.attributes["href"][1:] for e in page(kind).all("a")}
    labels = {i for e in page(kind).walk() for i in e.attributes.get("aria-labelledby", "").split()}
    assert links | labels <= set(ids)


def test_the_first_screen_has_the_verdict_and_how_to_run_it_again(
    kind: str, page: Page, reported: Reported
) -> None:
    made = reported(kind)
    header = page(kind).all("header")[0]
    facts = dict(zip((e.text for e in header.all("dt")), (e.text for e in header.all("dd")), strict=True))
    assert facts["Seed"] == "4711"
    assert facts["Backend"] == "process: no Docker engine answers at the default socket"
    assert facts["Duration"] == "5.40 s" if made.meta.ended_ns is None else "31.4 s"
    assert header.one("code").text == made.meta.command
    assert "1,560" in header.one("h1").text or kind == "unknown"


@pytest.mark.parametrize(
    ("kind", "lead"),
    [
        ("passing", "✓ Passed:"),
        ("expected_failing", "✓ Failed as expected:"),
        ("unexpected_failing", "✕ Failed:"),
        ("unknown", "? Unknown:"),
    ],
)
def test_the_verdict_is_said_by_sign_and_word(kind: str, lead: str, page: Page) -> None:
    assert page(kind).one("h1").text.startswith(lead)


def test_a_failed_run_tells_its_worst_story_first(page: Page, reported: Reported) -> None:
    failed = next(p for p in reported("unexpected_failing").verdict.properties if p.verdict is Verdict.FAIL)
    story = page("unexpected_failing").one("blockquote")
    assert failed.witnesses[0].story in story.text
    assert f"{failed.violations} violations in 15,600 messages × recipients checked" in story.text
    assert not page("passing").all("blockquote")
    assert (
        "the scenario expects every guarantee to hold"
        in page("unexpected_failing").one("ul", **{"class": "notes"}).text
    )


def test_the_three_kinds_of_finding_stand_side_by_side(kind: str, page: Page, reported: Reported) -> None:
    verdict = reported(kind).verdict
    sections = page(kind).one("div", **{"class": "kinds"}).all("section")
    for section, findings in zip(
        sections, (verdict.properties, verdict.coverage, verdict.lifecycle), strict=True
    ):
        shown = [item.text for item in section.all("li")]
        assert [line.split()[0] for line in shown] == [f.name.split()[0] for f in findings]
        assert all(f.verdict.value in line for f, line in zip(findings, shown, strict=True))


def test_each_guarantee_has_a_card_with_its_counts_and_stories(
    kind: str, page: Page, reported: Reported
) -> None:
    for index, finding in enumerate(reported(kind).verdict.properties):
        card = page(kind).one("article", id=f"guarantee-{index}")
        assert card.one("h3").text == finding.name
        assert finding.sentence in card.text
        assert finding.reason in card.text
        if finding.verdict is not Verdict.NOT_APPLICABLE:
            assert f"{sentence.plural(finding.violations, 'violation')} in {finding.checked:,} " in card.text
        stories = [item for item in card.all("li") if not item.text[0].isdigit()]
        assert len(stories) == len(finding.witnesses)
        operations = [o.text for ol in card.all("ol", "operations") for o in ol.all("li")]
        assert operations == [" ".join(o.split()) for w in finding.witnesses for o in w.operations]


def test_violations_come_before_what_holds(page: Page) -> None:
    names = [card.one("h3").text for card in page("unexpected_failing").all("article", "card")]
    assert names[:2] == ["complete-delivery", "acked-durable"]


def test_an_expected_failure_is_marked_as_such(page: Page) -> None:
    assert "fail, as expected" in page("expected_failing").one("article", id="guarantee-1").text
    assert "as expected" not in page("unexpected_failing").one("article", id="guarantee-1").text


def test_the_reconnection_table_has_every_way_back(kind: str, page: Page, reported: Reported) -> None:
    made = reported(kind)
    shown = page(kind).one("section", **{"aria-labelledby": "reconnections"})
    at = lambda t: sentence.moment((t - made.meta.load_began_ns) / 1e9)  # noqa: E731  (a word for the rows below)
    expected = [
        [
            way.bot,
            way.from_node,
            way.to_node or "–",
            at(way.lost_ns),
            "never" if way.back_ns is None else at(way.back_ns),
            "–" if way.back_ns is None else sentence.milliseconds((way.back_ns - way.lost_ns) / 1e6),
            str(way.caught_up),
            way.reason,
        ]
        for way in sorted(made.verdict.reconnections, key=lambda way: way.lost_ns)
    ]
    assert shown.one("table", **{"class": "ways-back"}).cells() == expected
    caught_up = sum(way.caught_up for way in made.verdict.reconnections)
    slowest = max(way.back_ns - way.lost_ns for way in made.verdict.reconnections if way.back_ns) / 1e6
    assert "10 connections of 10 bots lost" in shown.text
    assert (f"{caught_up} messages caught up" in shown.text) == (caught_up > 0)
    assert ("1 never back" in shown.text) == (kind == "unknown")
    assert ("everyone back" in shown.text) == (kind != "unknown")
    times, flows = shown.all("table", "small")
    assert times.cells()[-1] == ["slowest", sentence.milliseconds(slowest)]
    assert sum(int(row[2]) for row in flows.cells()) == 10
    assert (["node-2", "never back", "1"] in flows.cells()) == (kind == "unknown")


def test_the_receipt_has_each_step_with_its_evidence(page: Page) -> None:
    rows = page("passing").one("section", **{"aria-labelledby": "faults"}).cells()
    assert [row[0] for row in rows] == ["undo noted", "injected", "proved", "healed", "heal proved"]
    assert rows[2] == ["proved", "11.003 s", "12 ms", "before pid 4712 started 123456 after no process"]
    assert rows[4] == ["heal proved", "16.020 s", "0.88 s", "ready GET /ready is 200"]


def test_the_evidence_of_coverage_and_lifecycle_is_shown(kind: str, page: Page, reported: Reported) -> None:
    verdict = reported(kind).verdict
    rows = page(kind).one("section", **{"aria-labelledby": "evidence"}).cells()
    found = [(f, "coverage") for f in verdict.coverage] + [(f, "lifecycle") for f in verdict.lifecycle]
    assert [[row[0], row[1], row[3]] for row in rows] == [[f.name, word, f.evidence] for f, word in found]
    assert all(f.verdict.value in row[2] for (f, _), row in zip(found, rows, strict=True))


def test_the_figures_are_those_of_the_verdict(kind: str, page: Page, reported: Reported) -> None:
    stats = reported(kind).verdict.stats
    rows = {row[0]: row[1:] for row in page(kind).one("section", **{"aria-labelledby": "figures"}).cells()}
    assert rows["attempted"] == ["1,565"]
    assert rows["acknowledged"] == ["1,560"]
    assert rows["rejected"] == ["3"]
    assert rows["indeterminate"] == ["2"]
    assert rows["of these, seen in the end (recovered)"] == ["1"]
    assert rows["deliveries"] == [f"{stats.deliveries:,}"]
    assert rows["reconnections"] == [str(stats.reconnections.count)]
    assert rows["time to be back, p99"] == ["–"]
    assert rows["time to be back, slowest"] == [sentence.milliseconds(stats.reconnections.max_ms)]
    assert rows["its acknowledgement"] == ["1,560", "2.4 ms", "4.2 ms", "6.7 ms", "0.81 s"]
    assert rows["longest wait of a bot with nothing acknowledged"] == ["1.01 s"]


def test_the_numbers_behind_the_picture_add_up_to_the_history(
    kind: str, page: Page, reported: Reported
) -> None:
    history = reported(kind).rows
    rows = page(kind).one("section", **{"aria-labelledby": "timeline"}).cells()
    sums = [sum(int(row[column].replace(",", "")) for row in rows) for column in range(1, 10)]
    sends = [row for row in history if row.op is Op.SEND]
    deliveries = [row for row in history if row.op is Op.DELIVERY]
    resumed = sum(row.flags & FLAG_FROM_HISTORY for row in deliveries)
    messages = len({(row.bot, row.c) for row in sends})
    acked = sum(row.op is Op.SEND_OK for row in history)
    ways = reported(kind).verdict.reconnections
    assert sums == [
        messages,
        acked,
        0,
        messages - acked,
        len(sends) - messages,
        len(deliveries) - resumed,
        resumed,
        len(ways),
        sum(way.back_ns is not None for way in ways),
    ]


def test_both_drawings_tell_the_same_with_exact_values(kind: str, page: Page, reported: Reported) -> None:
    drawings = page(kind).all("svg", "timeline")
    assert [d.classes[-1] for d in drawings] == ["wide", "narrow"]
    probes = [[t.text for g in d.all("g", "probes") for t in g.all("title")] for d in drawings]
    assert probes[0] == probes[1]
    attempted = [
        int(re.search(r"sends: ([\d,]+) attempted", words)[1].replace(",", "")) for words in probes[0]
    ]
    assert sum(attempted) == 1560
    for drawing in drawings:
        assert drawing.one("g", role="img").all("desc") == drawing.all("desc")
        assert "1,560 acknowledged" in drawing.one("desc").text


def test_the_fault_window_runs_from_the_inject_to_the_proven_heal(page: Page) -> None:
    for drawing in page("passing").all("svg", "timeline"):
        window = drawing.one("rect", **{"class": "window"})
        bounds = {e.attributes["x1"] for e in drawing.all("line", "bound")}
        left, width = float(window.attributes["x"]), float(window.attributes["width"])
        at_8, at_20 = sorted(float(x) for x in bounds)[-2:]  # where chaos and recovery begin
        second = (at_20 - at_8) / 12
        assert left == pytest.approx(at_8 + 3 * second, abs=0.3)
        assert width == pytest.approx(5.9 * second, abs=0.3)
        assert window.one("title").text == "kill node-2 (crash): at 11.000 s, over at 16.900 s."


def test_the_lanes_tell_state_and_identity(page: Page) -> None:
    drawing = page("passing").all("svg", "timeline")[0]
    states = [e for e in drawing.all("rect", "state") if e.all("title")]
    node_2 = [e for e in states if e.text.startswith("node-2")]
    assert [e.classes[-1] for e in node_2] == ["ready", "down", "starting", "not-ready", "ready"]
    assert "pid 4712 started 123456" in node_2[0].text
    assert "pid 4790 started 123456" in node_2[-1].text
    assert "11.100 s to 16.000 s" in node_2[1].text
    assert [e.text for e in drawing.all("text", "member")] == ["redis", "node-1", "node-2", "node-3"]


def test_each_violation_with_a_moment_is_marked(page: Page) -> None:
    marks = page("expected_failing").all("svg", "timeline")[0].one("g", **{"class": "violations"}).all("a")
    assert len(marks) == 32
    assert marks[0].text.startswith("complete-delivery: bot-01's message 21")
    assert not page("passing").all("path", "violation")


def test_plan_environment_scenario_and_logs_are_there(page: Page) -> None:
    shown = page("expected_failing")
    plan = shown.one("section", **{"aria-labelledby": "plan"}).text
    assert "30 bots in 3 rooms, 60 messages a second in all, on 3 nodes and one Redis." in plan
    assert "Expected: fail, violating complete-delivery; gapless-resume may be violated too." in plan
    assert "name: pubsub-node-kill" in plan
    environment = shown.one("section", **{"aria-labelledby": "environment"}).cells()
    assert ["python", "3.11.2"] in environment
    assert ["run id", "3fa9c2d1"] in environment
    logs = {
        d.one("summary").text: d.one("pre").text
        for d in shown.one("section", **{"aria-labelledby": "logs"}).all("details")
    }
    assert list(logs) == [f"{name} · last 20 lines" for name in ("node-1", "node-2", "node-3", "redis")]
    assert "line 10 of its log" in logs["redis · last 20 lines"]
    assert "line 9 of its log" not in logs["redis · last 20 lines"]
    assert "line 29 of its log" in logs["redis · last 20 lines"]


def test_a_run_that_broke_off_before_the_load_still_has_a_report(
    runs: Any, tmp_path: Any, parse: Any
) -> None:
    made = runs.unknown(tmp_path)
    meta = replace(
        made.meta, load_began_ns=None, load_ended_ns=None, ended_ns=None, aborted="node-2 never became ready"
    )
    write_json(made.folder.meta, meta)
    write_json(made.folder.verdict, replace(made.verdict, reconnections=(), stats=type(made.verdict.stats)()))
    for path in (
        *made.folder.history.iterdir(),
        *made.folder.logs.iterdir(),
        made.folder.faults,
        made.folder.members,
    ):
        path.unlink()
    made.folder.scenario.unlink()
    write_reports(made.folder)
    shown = parse(made.folder.report.read_text("utf-8"))
    assert "the run broke off (node-2 never became ready)" in shown.one("h1").text
    assert "Nobody lost a connection." in shown.text
    assert "The run folder has no logs." in shown.text
    assert "scenario.yaml is not in the run folder." in shown.text


def test_a_huge_run_stays_small(runs: Any, tmp_path: Any) -> None:
    made = runs.expected_failing(tmp_path)
    verdict = made.verdict
    long = tuple(
        replace(w, story=w.story * 500, operations=(w.operations[0] * 300,) * 500)
        for w in next(p for p in verdict.properties if p.witnesses).witnesses
    )
    properties = tuple(replace(p, witnesses=long) if p.witnesses else p for p in verdict.properties)
    ways = tuple(replace(way, bot=f"bot-{i}") for i in range(400) for way in verdict.reconnections)
    write_json(made.folder.verdict, replace(verdict, properties=properties, reconnections=ways))
    made.folder.scenario.write_text("# " + "long " * 500_000)
    (made.folder.logs / "node-1.log").write_text("x" * 3_000_000)
    write_reports(made.folder)
    assert made.folder.report.stat().st_size < 5_000_000
    assert "The slowest 200 of 4,000" in made.folder.report.read_text("utf-8")
