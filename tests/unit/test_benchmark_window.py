"""The closed loop of a sender, acknowledgements, and how results stand to the goals."""

from typing import Any

import pytest

from tests.benchmarks import goals
from tests.benchmarks.ceiling import monitored, pack
from tests.benchmarks.load import Load, Measured
from tests.benchmarks.loader import percentiles_ms
from tests.benchmarks.report import Report
from tests.benchmarks.tables import markdown
from tests.benchmarks.window import BadAck, Window, parse_ack


@pytest.mark.parametrize(
    ("payload", "parsed"),
    [
        (b'4312[{"ok":true,"seq":3}]', (12, {"ok": True, "seq": 3})),
        (b"430[]", (0, None)),
        (b'42["message",{}]', None),
        (b"2", None),
        (b"43[1]", None),
        (b'4312[{"ok":true}', None),
    ],
)
def test_parse_ack_takes_acknowledgements_only(payload: bytes, parsed: Any) -> None:
    assert parse_ack(payload) == parsed


def test_window_never_has_more_outstanding_than_its_size_and_fills_up_again() -> None:
    window, times = Window(4), iter(range(100))
    outstanding = [window.send(float(next(times)))[0] for _ in range(window.free)]
    assert outstanding == [1, 2, 3, 4]
    assert window.free == 0
    assert window.ack(3, 10.0) == 8.0
    assert window.free == 1
    assert window.send(11.0) == (5, 5)
    assert (window.sent, window.acked, window.outstanding) == (5, 1, 4)


@pytest.mark.parametrize("ack_id", [0, 2, 99])
def test_window_refuses_an_acknowledgement_that_nobody_waits_for(ack_id: int) -> None:
    window = Window(4)
    window.send(0.0)
    with pytest.raises(BadAck):
        window.ack(ack_id, 1.0)


def test_window_refuses_a_second_acknowledgement() -> None:
    window = Window(4)
    window.send(0.0)
    window.ack(1, 1.0)
    with pytest.raises(BadAck):
        window.ack(1, 2.0)


def test_percentiles_are_of_the_sorted_values_and_empty_of_none() -> None:
    assert percentiles_ms([]) == {}
    found = percentiles_ms([i / 1000 for i in range(1000, 0, -1)])
    assert found == {"p50": 501.0, "p99": 991.0, "max": 1000.0, "count": 1000}


def test_monitored_command_packs_to_the_very_bytes_that_were_sent() -> None:
    line = rb'1700.1 [0 127.0.0.1:5] "EVALSHA" "ab" "1" "wa:k" "{\"t\":\"\\u00e4\"}" "\x00\n"'
    words = monitored(line)
    assert words == [b"EVALSHA", b"ab", b"1", b"wa:k", rb'{"t":"\u00e4"}', b"\x00\n"]
    assert pack(words[:2]) == b"*2\r\n$7\r\nEVALSHA\r\n$2\r\nab\r\n"


def fanout(system: str, window: int, per_cpu_s: float, invalid: str | None = None) -> dict[str, Any]:
    return {
        "shape": "room",
        "system": system,
        "window": window,
        "invalid": invalid,
        **measured().figures(),
        "per_cpu_s": per_cpu_s,
    }


def measured(**changes: Any) -> Measured:
    fields: dict[str, Any] = {
        "elapsed_s": 2.0, "deliveries": 400, "sends": 2, "refused": 0, "node_cpu_s": 0.5, "other_cpu_s": 0.1,
        "loader_cpu_s": 0.4, "foreign_cpu_s": 0.0, "cores": 2, "samples": 4, "frame_bytes": 237,
        "ack_ms": {"p50": 1.0, "p99": 2.0, "max": 3.0, "count": 2}, "problems": [], "remarks": [],
    }  # fmt: skip
    return Measured(**(fields | changes))


def test_measured_figures_are_per_cpu_second_of_the_node() -> None:
    assert measured().per_cpu_s == 800
    assert measured().loader_share == 0.2


def test_records_travel_as_json_unchanged() -> None:
    load = Load(ports=[1, 2], pids=[3], window=16)
    assert Load.from_json(load.to_json()) == load
    assert Measured.from_json(measured().to_json()) == measured()


def test_goal_each_system_at_its_best_valid_window() -> None:
    results = [
        fanout("wordaround", 4, 100.0),
        fanout("wordaround", 16, 900.0, invalid="the loader was the bottleneck"),
        fanout("wordaround", 64, 390.0),
        fanout("stock", 4, 100.0),
        fanout("stock", 16, 90.0),
        fanout("socketio-redis", 4, 195.0),
    ]
    stock, socketio = goals.all_of({"fanout": results})
    assert (stock.reached, socketio.reached) == (False, True)
    assert stock.measured.startswith("3.90 ×")


def test_goal_of_a_run_with_problems_is_not_reached() -> None:
    run = {"system": "wordaround", "rate": 1000.0, "sends_per_s": 1000.0, **measured().figures()}
    results = {"closed": [], "paced": [run], "ceiling": None}
    assert [goal.reached for goal in goals.all_of({"sends": results})] == [True]
    run["problems"] = ["3 sends were never acknowledged"]
    assert [goal.reached for goal in goals.all_of({"sends": results})] == [False]


def test_report_saved_and_read_prints_the_same_tables() -> None:
    machine = {
        "commit": "abc",
        "cores": 2,
        "cpu": "x",
        "kernel": "6",
        "python": "3",
        "redis": "7",
        "node": None,
    }
    report = Report(["fanout"], machine, {"fanout": [fanout("wordaround", 4, 1.0), fanout("stock", 4, 2.0)]})
    lines = markdown(report)
    assert markdown(Report.from_json(report.to_json())) == lines
    assert any("0.50 ×" in line and "**no**" in line for line in lines)
    with pytest.raises(ValueError, match="schema"):
        Report.from_json("{}")
