"""Judging a saved run: the same verdict as in memory, clear errors, and nothing written."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from harness.errors import HarnessError
from harness.judge.folder import judge_folder
from harness.records.folder import RunFolder
from harness.records.guarantees import GUARANTEES

DATA = Path(__file__).parents[1] / "data" / "broken"


def _files(folder: RunFolder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.path.rglob("*")) if path.is_file()}


def test_the_same_verdict_as_in_memory_and_nothing_written(made: ModuleType, tmp_path: Path) -> None:
    world = made.stormy()
    folder = world.save(tmp_path / "run")
    before = _files(folder)
    assert judge_folder(folder) == world.judge()
    assert _files(folder) == before


def test_a_missing_lag_is_unknown(made: ModuleType, tmp_path: Path) -> None:
    folder = made.stormy().save(tmp_path / "run")
    (folder.metrics / "bots.json").unlink()
    assert judge_folder(folder).verdict == "unknown"


def test_a_torn_history_is_unknown(made: ModuleType, tmp_path: Path) -> None:
    folder = made.stormy().save(tmp_path / "run")
    events = folder.history / "bots-1.events"
    events.write_bytes(events.read_bytes()[:-20])
    verdict = judge_folder(folder)
    assert (verdict.verdict, made.failed(verdict)) == ("unknown", set())
    assert "bots-1 is torn: 12 bytes" in made.finding(verdict, "history").evidence


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("plan.json", None, "plan.json is missing"),
        ("meta.json", None, "meta.json is missing"),
        ("plan.json", b"{}", "plan.json is damaged"),
        ("meta.json", b"\xff\xfe", "meta.json is damaged"),
        ("faults.jsonl", b'{"no": "fault"}\n{}\n', "faults.jsonl is damaged"),
        ("members.jsonl", b"not json\n\n", "members.jsonl is damaged"),
        ("metrics/bots.json", b"[]", "bots.json is damaged"),
        ("history/bots-1.strings", None, "history is damaged"),
    ],
)
def test_a_missing_or_foreign_file_is_a_clear_error(
    made: ModuleType, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    folder = made.quiet().save(tmp_path / "run")
    path = folder.path / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(HarnessError, match=words):
        judge_folder(folder)


def test_another_schema_is_a_clear_error(made: ModuleType, tmp_path: Path) -> None:
    world = made.quiet()
    world.meta = made.replace(world.meta, schema=99)
    with pytest.raises(
        HarnessError, match="has schema 99; this version of WordAround reads schema 1: judge it"
    ):
        judge_folder(world.save(tmp_path / "run"))


def test_no_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="is not a folder"):
        judge_folder(RunFolder(tmp_path / "nowhere"))


def test_no_history_is_a_clear_error(made: ModuleType, tmp_path: Path) -> None:
    folder = made.quiet().save(tmp_path / "run")
    for path in folder.history.iterdir():
        path.unlink()
    folder.history.rmdir()
    with pytest.raises(HarnessError, match="there is no history to judge"):
        judge_folder(folder)


SAVED = sorted(path.name for path in DATA.iterdir())


def test_there_is_a_saved_broken_history_for_each_guarantee() -> None:
    assert sorted(GUARANTEES) == SAVED


@pytest.mark.parametrize("guarantee", SAVED)
def test_a_saved_broken_history_fails_its_guarantee_alone(made: ModuleType, guarantee: str) -> None:
    verdict = judge_folder(RunFolder(DATA / guarantee))
    assert verdict.verdict == "fail"
    assert made.failed(verdict) == {guarantee}
    assert made.found(verdict, guarantee).witnesses


def test_bots_that_came_by_hand_after_the_plan_was_written_are_known(
    made: ModuleType, tmp_path: Path
) -> None:
    world = made.quiet(bots=4)
    world.plan = replace(world.plan, bots=world.plan.bots[:3], by_hand=True)
    verdict = judge_folder(world.save(tmp_path / "run"))
    assert (verdict.verdict, made.failed(verdict)) == ("pass", set())
    world.plan = replace(world.plan, by_hand=False)
    verdict = judge_folder(world.save(tmp_path / "other"))
    assert "integrity" in made.failed(verdict)  # Where a plan is kept to, nobody else is there.
