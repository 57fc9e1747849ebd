"""Ways back: grouped by fault, with the quantiles that the samples allow, flows, and a curve."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from harness.records.verdict import Reconnection
from reports import return_curve
from reports.reconnections import grouped

MS = 1_000_000


def way(number: int, took_ms: float | None, **more: Any) -> Reconnection:
    lost = number * MS
    back = None if took_ms is None else lost + round(took_ms * MS)
    fields: dict[str, Any] = {"fault_id": "crash", "from_node": "node-1", "to_node": "node-2", "reason": "x"}
    return Reconnection(bot=f"bot-{number}", lost_ns=lost, back_ns=back, **(fields | more))


def test_a_p99_wants_a_hundred_samples() -> None:
    (few,) = grouped(way(i, 10 * i) for i in range(1, 100))
    assert [name for name, _ in few.quantiles] == ["quickest", "median", "p90", "slowest"]
    (many,) = grouped(way(i, 10 * i) for i in range(1, 101))
    assert dict(many.quantiles) == {
        "quickest": 10, "median": 500, "p90": 900, "p99": 990, "slowest": 1000,
    }  # fmt: skip


def test_who_never_came_back_counts_among_the_lost_and_in_no_quantile() -> None:
    (group,) = grouped([way(1, 50), way(2, None, to_node=None), way(3, 70)])
    assert (group.lost_for_good, group.bots, dict(group.quantiles)["slowest"]) == (1, 3, 70)
    assert group.flows == (("node-1", "node-2", 2), ("node-1", None, 1))


def test_groups_come_in_the_order_of_the_first_cut_and_those_of_no_fault_last() -> None:
    ways = [
        way(1, 1, fault_id=None),
        way(2, 1, fault_id="b"),
        way(3, 1, fault_id="a"),
        way(4, 1, fault_id="b"),
    ]
    assert [group.fault_id for group in grouped(ways)] == ["b", "a", None]


def test_the_curve_ends_at_the_share_that_came_back(parse: Callable[[str], Any]) -> None:
    (group,) = grouped([*(way(i, 100 * i) for i in range(1, 4)), way(9, None, to_node=None)])
    svg = parse(str(return_curve.drawn(group, 5_000))).one("svg")
    heights = [
        float(y) for y in re.findall(r"V([\d.]+)", svg.one("path", **{"class": "curve"}).attributes["d"])
    ]
    lines = sorted(float(line.attributes["y1"]) for line in svg.all("line", "hair"))
    assert heights[-1] == pytest.approx(lines[1])  # 75 %, the second from the top
    assert "3 of 4 were back" in svg.one("desc").text
    assert not svg.all("g", "deadline")


@pytest.mark.parametrize(("limit_ms", "drawn"), [(500, True), (5_000, False)])
def test_the_deadline_is_drawn_where_it_lies_near(
    limit_ms: float, drawn: bool, parse: Callable[[str], Any]
) -> None:
    (group,) = grouped(way(i, 100 * i) for i in range(1, 4))
    svg = parse(str(return_curve.drawn(group, limit_ms))).one("svg")
    assert bool(svg.all("g", "deadline")) == drawn


def test_one_way_back_is_no_distribution() -> None:
    (group,) = grouped([way(1, 80)])
    assert return_curve.drawn(group, 5_000) is None


def test_thousands_of_ways_back_make_a_small_curve() -> None:
    (group,) = grouped(way(i, i / 10) for i in range(1, 20_001))
    assert len(str(return_curve.drawn(group, 5_000))) < 20_000
