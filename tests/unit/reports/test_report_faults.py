"""Reports of runs with faults of every shape: pauses, repeated ones, on links, without a target."""

from collections.abc import Callable
from typing import Any

import pytest

from reports import sentence
from reports.run import load

Page = Callable[[str], Any]
Reported = Callable[[str], Any]


@pytest.fixture
def many(page: Page) -> Any:
    """The page of a run with all of them."""
    return page("many_faults")


def test_each_receipt_says_what_was_done_to_whom_and_when(many: Any) -> None:
    titles = [receipt.one("h3").text for receipt in many.all("article", "receipt")]
    assert titles == [
        "kill node-2 · crash · planned at 11 s, back 5 s later",
        "pause node-1 · coma · planned at 2 s, for 2 s",
        "partition node-3 from redis · cut · planned at 5 s, for 2 s",
        "reconnect-storm node-3 from clients · storm#1 · planned at 19 s",
        "reconnect-storm node-3 from clients · storm#2 · planned at 20 s",
        "command · own · planned at 18 s at the earliest, once crash is healed, for 3 s",
    ]


def test_the_lane_of_a_paused_member_shows_that_it_was_paused(many: Any) -> None:
    for drawing in many.all("svg", "timeline"):
        lane = [e for e in drawing.all("rect", "state") if (e.text or "").startswith("node-1: ")]
        assert [e.classes[-1] for e in lane] == ["ready", "paused", "ready"]
        assert "paused" in [e.text for e in drawing.all("text")]
        patterns = {e.attributes["id"] for e in drawing.all("pattern")}
        assert any(name.endswith("-paused") for name in patterns)


def test_the_plan_says_whom_and_how_long(many: Any) -> None:
    [table] = [t for t in many.all("table") if t.all("caption") and t.one("caption").text == "Faults"]
    assert table.cells() == [
        ["kill crash", "node-2", "11 s", "5 s"],
        ["pause coma", "node-1", "2 s", "2 s"],
        ["partition cut", "node-3 from redis", "5 s", "2 s"],
        ["reconnect-storm storm#1", "node-3 from clients", "19 s", "–"],
        ["reconnect-storm storm#2", "node-3 from clients", "20 s", "–"],
        ["command own", "–", "18 s", "3 s"],
    ]


def test_the_headline_counts_every_kind(reported: Reported) -> None:
    said = sentence.headline(load(reported("many_faults").folder)).sentence
    assert (
        "through 1 node kill, 1 node pause, 1 node partition, 2 node reconnect-storms and 1 command;" in said
    )


def test_more_than_one_of_what_ends_in_s() -> None:
    assert sentence.plural(2, "Redis data-loss") == "2 Redis data-losses"
