"""The report of a very large run: as large as that of a small one, made in seconds, no violation left out."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reports import picture, write_reports, zoomable
from reports.picture import Picture
from reports.run import load
from reports.scripts import data
from tests.unit.reports.large_runs import OPEN, REFUSED, large

EVENTS = 400_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run of many events, with its reports, and how many seconds these took."""
    made = large(tmp_path_factory.mktemp("large"), events=EVENTS)
    began = time.monotonic()
    write_reports(made.folder)
    return made, time.monotonic() - began


@pytest.fixture(scope="module")
def shown(made: Any) -> Picture:
    """What its picture shows."""
    return picture.collect(load(made[0].folder))


def test_its_size_does_not_follow_the_history(made: Any, reported: Callable[[str], Any]) -> None:
    events = sum(path.stat().st_size for path in made[0].folder.history.glob("*.events")) // 32
    assert events > 0.95 * EVENTS
    small = reported("unexpected_failing").folder.report.stat().st_size
    assert made[0].folder.report.stat().st_size < small + 300_000 < 5_000_000


def test_it_is_made_from_columns_in_seconds(made: Any) -> None:
    # Walking the rows in Python took eight seconds for these, on a quiet machine; the columns half a second.
    assert made[1] < 30


def test_nothing_is_lost_on_the_way_to_any_level(shown: Picture) -> None:
    messages = EVENTS // 22
    for level in shown.figures.levels:
        sums = {name: int(column.sum()) for name, column in level.counts.items()}
        assert sums["attempted"] == messages
        assert sums["rejected"] == REFUSED
        assert sums["indeterminate"] == OPEN
        assert sums["acked"] == messages - REFUSED - OPEN
        assert sums["live"] == 20 * sums["acked"]
        assert int(level.ack.count.sum()) == sums["acked"]
    assert len(shown.violations) == 32


def test_the_worst_latencies_are_felt_where_the_fault_was(shown: Picture) -> None:
    for level in shown.figures.levels:
        worst = level.bins.start_ns + int(np.nanargmax(level.ack.high)) * level.bins.width_ns
        assert abs(shown.run.at_s(worst) - 11.0) <= level.bins.width_s


def test_the_data_of_the_picture_is_plain_json(shown: Picture) -> None:
    payload = zoomable.payload(shown)
    text = str(data("x", payload)).removeprefix('<script type="application/json" id="x">')
    assert json.loads(text.removesuffix("</script>")) == payload


@pytest.mark.parametrize("evil", ["</script><script>alert(1)</script>", "<!--<script>", "&lt;", "\u2028"])
def test_no_string_ends_the_element_that_holds_it(evil: str) -> None:
    text = str(data("x", {evil: [evil]}))
    inside = text.removeprefix('<script type="application/json" id="x">').removesuffix("</script>")
    assert not set(inside) & {"<", ">", "&"}
    assert json.loads(inside) == {evil: [evil]}


def test_very_many_states_of_members_are_bounded(runs: Any, tmp_path: Path) -> None:
    made = runs.passing(tmp_path)
    with made.folder.members.open("ab") as file:
        last = made.folder.members.read_bytes().splitlines()[-1]
        entry = json.loads(last)
        for i in range(5_000):
            entry |= {"t_ns": runs.at(17.0) + i * 10**5, "state": ("ready", "not-ready")[i % 2]}
            file.write(json.dumps(entry).encode() + b"\n")
    write_reports(made.folder)
    assert made.folder.report.stat().st_size < 3_000_000
    shown = picture.collect(load(made.folder))
    [flapping] = [lane for lane in shown.lanes if lane.member == "node-2"]
    assert "down" in [span.state for span in flapping.spans]
