"""A folder that cannot be reported on: one clear sentence about which file, why, and how to mend it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.records.folder import RunFolder
from reports import ReportError, write_reports
from reports.run import load


@pytest.fixture(scope="module")
def pristine(runs: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return runs.passing(tmp_path_factory.mktemp("pristine"))


@pytest.fixture
def made(pristine: Any, tmp_path: Path) -> Any:
    """A copy of a made run that a test may break."""
    shutil.copytree(pristine.folder.path, tmp_path / "run")
    return replace(pristine, folder=RunFolder(tmp_path / "run"))


def test_a_run_that_was_not_judged_says_how_to_judge_it(made: Any) -> None:
    made.folder.verdict.unlink()
    with pytest.raises(ReportError, match="not judged yet; `wordaround check"):
        write_reports(made.folder)
    assert not made.folder.report.exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"meta\.json is missing: .* is not the folder of a run"):
        write_reports(RunFolder(tmp_path))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="is missing"):
        write_reports(RunFolder(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["plan", "meta", "verdict"])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1}', '"\\ud800"'])
def test_a_foreign_file_is_named(name: str, content: str, made: Any) -> None:
    getattr(made.folder, name).write_text(content)
    with pytest.raises(
        ReportError, match=rf"{name}\.json is damaged, or another version of WordAround made it"
    ):
        write_reports(made.folder)


@pytest.mark.parametrize("name", ["meta", "verdict"])
def test_another_schema_is_refused(name: str, made: Any) -> None:
    path = getattr(made.folder, name)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 2}))
    with pytest.raises(ReportError, match=r"has schema 2; this version of WordAround reads schema 1"):
        write_reports(made.folder)


def test_a_broken_journal_is_named(made: Any) -> None:
    made.folder.faults.write_text('{"t_ns": 1}\n{}\n')
    with pytest.raises(ReportError, match=r"faults\.jsonl is damaged"):
        write_reports(made.folder)


def test_a_history_without_its_strings_is_named(made: Any) -> None:
    (made.folder.history / "bots-0.strings").unlink()
    with pytest.raises(ReportError, match="history is damaged"):
        write_reports(made.folder)


def test_a_history_torn_by_a_crash_is_reported_and_said_to_be_torn(made: Any) -> None:
    events = made.folder.history / "bots-0.events"
    events.write_bytes(events.read_bytes()[:-5])
    write_reports(made.folder)
    assert "bots-0 is torn at its end: 27 bytes could not be read" in made.folder.report.read_text("utf-8")


def test_a_journal_line_cut_off_by_a_crash_is_left_out(made: Any) -> None:
    whole = load(made.folder).members
    made.folder.members.write_bytes(made.folder.members.read_bytes()[:-20])
    assert load(made.folder).members == whole[:-1]


def test_only_the_end_of_a_log_is_read(made: Any) -> None:
    (made.folder.logs / "redis.log").write_text("".join(f"line {i}\n" for i in range(200_000)))
    tail = next(log for log in load(made.folder).logs if log.name == "redis")
    assert tail.lines == tuple(f"line {i}" for i in range(199_980, 200_000))


def test_reports_are_replaced_by_a_second_call(made: Any) -> None:
    made.folder.report.write_text("old")
    write_reports(made.folder)
    first = made.folder.report.read_bytes()
    write_reports(made.folder)
    assert made.folder.report.read_bytes() == first
