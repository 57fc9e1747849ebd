"""Logs around faults: lines by their own stamps, whatever wrote them; few, and what is left out is said."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.records.journal import FaultEntry
from harness.records.meta import Meta
from reports import log_stamps
from reports.log_extracts import LINES, LINES_ALL, STEPS, WINDOWS, Extract, Line, Step, extract

BEGAN = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
S = 10**9
META = Meta(
    run_id="0a1b2c3d", backend="process", backend_reason="", command="", began=BEGAN, began_ns=1000 * S,
    load_began_ns=1010 * S,
)  # fmt: skip


def fault(at_s: float, step: str = "injected") -> FaultEntry:
    """A step of a kill, so many seconds after the run's beginning."""
    t_ns = 1000 * S + round(at_s * S)
    return FaultEntry(
        t_ns=t_ns, done_ns=t_ns + S, fault_id="crash", fault="kill", step=step, targets=("node-1",)  # type: ignore[arg-type]
    )  # fmt: skip


def ours(at_s: float, event: str, level: str = "info", **fields: object) -> str:
    stamp = (BEGAN + timedelta(seconds=at_s)).isoformat(timespec="milliseconds")
    rest = "".join(f', "{name}": "{value}"' for name, value in fields.items())
    return f'{{"ts": "{stamp}", "level": "{level}", "node": "node-1", "event": "{event}"{rest}}}'


def redis(at_s: float, text: str, zone_h: float = 0.0) -> str:
    stamp = BEGAN + timedelta(seconds=at_s, hours=zone_h)
    return f"4711:M {stamp:%d %b %Y %H:%M:%S}.{stamp.microsecond // 1000:03} * {text}"


def read(folder: Path, lines: list[str], *faults: FaultEntry) -> Extract:
    path = folder / "node-1.log"
    path.write_text("\n".join(lines) + "\n")
    return extract(path, META, faults)


def told(found: Extract) -> list[tuple[float, str]]:
    """Seconds after the run's beginning, and the words, of all rows."""
    return [
        (round((row.t_ns or 0) / S - 1000, 3), row.words if isinstance(row, Step) else row.text)
        for window in found.windows
        for row in window.rows
    ]


def test_lines_of_half_a_minute_around_a_fault_with_its_steps_between_them(tmp_path: Path) -> None:
    lines = [ours(at_s, f"event-{at_s}") for at_s in (10, 39, 41, 70, 75, 104, 106, 200)]
    found = read(tmp_path, lines, fault(70.5), fault(74, "heal_proved"))
    assert told(found) == [
        (41.0, "event-41"),
        (70.0, "event-70"),
        (70.5, "kill node-1 injected"),
        (75.0, "kill node-1 healed"),
        (75.0, "event-75"),
        (104.0, "event-104"),
    ]
    assert found.note == ""


def test_fields_are_readable_and_the_level_is_kept(tmp_path: Path) -> None:
    found = read(tmp_path, [ours(60, "redis_down", "warning", reason="no route")], fault(60))
    [step, line] = found.windows[0].rows
    assert isinstance(step, Step)
    assert isinstance(line, Line)
    assert (line.text, line.level) == ("redis_down reason=no route", "warning")


@pytest.mark.parametrize("zone_h", [0.0, 2.0, -9.5, 5.75])
def test_redis_s_own_dates_are_understood_in_whatever_zone(zone_h: float, tmp_path: Path) -> None:
    lines = [redis(0.5, "starting", zone_h), redis(61.25, "ready", zone_h)]
    found = read(tmp_path, lines, fault(60))
    assert told(found)[-1][0] == 61.25
    assert told(found)[-1][1].endswith("* ready")


def test_a_line_without_a_stamp_belongs_to_the_one_before(tmp_path: Path) -> None:
    seconds = int((BEGAN + timedelta(seconds=62)).timestamp())
    lines = [
        ours(10, "early"),
        "of early",
        ours(61, "failed"),
        "Traceback: x",
        f"7:signal-handler ({seconds}) SIGTERM",
    ]
    found = read(tmp_path, lines, fault(60))
    assert told(found)[1:] == [
        (61.0, "failed"),
        (61.0, "Traceback: x"),
        (62.0, f"7:signal-handler ({seconds}) SIGTERM"),
    ]


def test_another_program_s_iso_stamps_are_understood(tmp_path: Path) -> None:
    found = read(tmp_path, ["[2026-03-01T12:01:01Z] hello", "2026-03-01 12:01:02,500 INFO there"], fault(60))
    assert [at_s for at_s, _ in told(found)] == [60.0, 61.0, 62.5]


def test_a_line_that_is_too_long_keeps_its_stamp(tmp_path: Path) -> None:
    found = read(tmp_path, [ours(10, "early"), ours(61, "long", reason="x" * 10_000)], fault(60))
    [_, (at_s, text)] = told(found)
    assert at_s == 61.0
    assert len(text) < 5000


def test_of_too_many_steps_in_one_window_the_first_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    faults = [fault(60 + number / 10) for number in range(STEPS + 7)]
    [window] = read(tmp_path, [ours(60, "event")], *faults).windows
    assert sum(isinstance(row, Step) for row in window.rows) == STEPS
    assert window.steps_left_out == 7


def test_many_windows_have_fewer_lines_each(tmp_path: Path) -> None:
    faults = [fault(100.0 * number) for number in range(1, WINDOWS + 1)]
    lines = [
        ours(100 * number + part, "event") for number in range(1, WINDOWS + 1) for part in range(-25, 26)
    ]
    found = read(tmp_path, lines, *faults)
    assert sum(len(window.rows) for window in found.windows) <= LINES_ALL + WINDOWS
    assert all(window.left_out for window in found.windows)


def test_without_stamps_the_last_lines_stand_for_it_and_that_is_said(tmp_path: Path) -> None:
    found = read(tmp_path, [f"line {number}" for number in range(500)], fault(60))
    assert found.note == "The last lines, since its lines have no time stamps."
    assert [text for _, text in told(found)] == [f"line {number}" for number in range(500 - LINES, 500)]


def test_without_faults_the_last_lines_stand_for_it_and_that_is_said(tmp_path: Path) -> None:
    found = read(tmp_path, [ours(1, "one"), ours(2, "two")])
    assert found.note == "The last lines, since no fault was injected."
    assert [text for _, text in told(found)] == ["one", "two"]


def test_of_too_many_lines_those_next_to_the_fault_are_kept_and_the_others_counted(tmp_path: Path) -> None:
    lines = [ours(30 + number / 100, f"event-{number}") for number in range(6000)]
    found = read(tmp_path, lines, fault(60))
    [window] = found.windows
    assert len(window.rows) == LINES + 1
    assert window.left_out == 6000 - LINES
    kept = [at_s for at_s, _ in told(found)]
    assert all(59.6 < at_s < 60.4 for at_s in kept)
    assert kept == sorted(kept)


def test_of_too_many_faults_the_first_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    faults = [fault(100.0 * number) for number in range(1, WINDOWS + 6)]
    found = read(tmp_path, [ours(100, "event")], *faults)
    assert (len(found.windows), found.windows_left_out) == (WINDOWS, 5)


def test_of_a_long_log_only_the_end_is_read_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_stamps, "READ_BYTES", 2000)
    lines = [ours(30 + number / 10, f"event-{number}") for number in range(600)]
    found = read(tmp_path, lines, fault(85))
    assert "only its last" in found.note
    assert told(found)[-1][1] == "event-599"
    assert len(found.windows[0].rows) < 25


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"ts": 7}',
        '{"ts": "never", "event": 3}',
        '{"event": "x", "ts": null}',
        "[" * 9000,
        "\x00\x1b[31m",
        "9:M 31 Feb 2026 10:00:00.000 * x",
        "9:M 01 Foo 2026 10:00:00.000 * x",
        "7:signal-handler (99999999999) x",
        "é" * 100_000,
    ],
    ids=range(10),
)
def test_whatever_stands_in_a_log_nothing_breaks(line: str, tmp_path: Path) -> None:
    found = read(tmp_path, [line, ours(60, "after")], fault(60))
    assert told(found)[-1] == (60.0, "after")
