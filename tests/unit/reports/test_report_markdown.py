"""`summary.md`: the verdict, the findings, the figures, the command; nothing that Markdown would read."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from reports import markdown, sentence
from reports.run import load

Reported = Callable[[str], Any]


def rows(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("|")
    ]


def test_it_begins_with_the_verdict(kind: str, reported: Reported) -> None:
    made = reported(kind)
    first = made.folder.summary.read_text("utf-8").splitlines()[0]
    assert first == f"## {made.plan.scenario}: {sentence.headline(load(made.folder)).sentence}"


def test_each_finding_has_a_row(kind: str, reported: Reported) -> None:
    made = reported(kind)
    table = rows(made.folder.summary.read_text("utf-8"))
    found = [row[:2] for row in table if row[0] in ("guarantee", "coverage", "lifecycle")]
    verdict = made.verdict
    assert found == [
        *(["guarantee", p.name] for p in verdict.properties),
        *(["coverage", f.name] for f in verdict.coverage),
        *(["lifecycle", f.name] for f in verdict.lifecycle),
    ]


def test_the_figures_are_those_of_the_verdict(reported: Reported) -> None:
    made = reported("passing")
    table = {row[0]: row[1] for row in rows(made.folder.summary.read_text("utf-8")) if len(row) == 2}
    assert table["messages sent"] == "1,565"
    assert table["acknowledged"] == "1,560"
    assert table["deliveries"] == f"{made.verdict.stats.deliveries:,}"
    assert table["acknowledgement latency"] == "1,560 samples, p50 2.4 ms, p90 4.2 ms, p99 6.7 ms, max 0.81 s"
    assert table["reconnections"].startswith("10, p50 ")
    assert "p99" not in table["reconnections"]
    assert table["longest wait"] == "1.01 s"


def test_failures_tell_their_story_and_whether_they_were_expected(reported: Reported) -> None:
    expected = reported("expected_failing").folder.summary.read_text("utf-8")
    unexpected = reported("unexpected_failing").folder.summary.read_text("utf-8")
    for text in (expected, unexpected):
        assert "> bot-01's message 21 was acknowledged by node-1" in text
    assert "| complete-delivery | ✅ fail, as expected |" in expected
    assert "| complete-delivery | ❌ fail |" in unexpected
    assert "- complete-delivery was violated; the scenario expects" in unexpected


def test_the_command_stands_in_a_fence_that_it_cannot_leave(reported: Reported) -> None:
    run = load(reported("passing").folder)
    assert "```sh\nwordaround run node-kill --seed 4711 --backend process\n```" in markdown.render(run)
    sly = replace(run, meta=replace(run.meta, command="run ```` x"))
    assert "`````sh\nrun ```` x\n`````" in markdown.render(sly)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", "a\\|b"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("two\nlines", "two lines"),
        ("*bold* _it_ `code` [x](y) ~~no~~", "\\*bold\\* \\_it\\_ \\`code\\` \\[x\\](y) \\~\\~no\\~\\~"),
        ("# heading", "\\# heading"),
        ("- item", "\\- item"),
        ("acked-durable", "acked-durable"),
        ("back\\slash", "back\\\\slash"),
    ],
)
def test_markup_in_texts_is_shown_as_it_is(text: str, shown: str) -> None:
    assert markdown.literal(text) == shown
