"""Folders that are broken, foreign or under way: a clear page, whatever lies in them, never a stack trace."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.clock import now_ns
from harness.records.folder import RunFolder
from harness.records.journal import MemberState
from harness.records.live import LiveWriter, Moment, Said
from harness.saved_runs import SavedRun
from harness.serving import listing as listing_module
from harness.serving.listing import Listing
from tests.unit.folders import not_ours

Get = Callable[..., tuple[int, str, dict[str, str]]]
NAME = "20260101T000000Z-passing-4711"
FILES = ("plan.json", "meta.json", "verdict.json", "members.jsonl", "faults.jsonl", "live.jsonl")
GARBAGE = (b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b'{"schema":99}', b"{}\n{}\n", b"[" * 5000)


@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_is_told_and_the_rest_is_shown(get: Get, run: RunFolder, file: str) -> None:
    for garbage in GARBAGE:
        (run.path / file).write_bytes(garbage)
        for path in ("/", "/runs", f"/runs/{NAME}/", f"/runs/{NAME}/scene"):
            status, body, _ = get(path)
            assert status == 200, (file, garbage, path)
            assert "Traceback" not in body
    (run.path / file).write_bytes(b"{\n{\n")
    assert f"{file} is damaged, or another version of WordAround made it" in get(f"/runs/{NAME}/")[1]


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_breaks_nothing(get: Get, run: RunFolder, file: str) -> None:
    (run.path / file).unlink(missing_ok=True)
    for path in ("/", f"/runs/{NAME}/"):
        status, body, _ = get(path)
        assert status == 200
        assert "Traceback" not in body


def test_what_is_no_run_is_listed_with_the_reason(get: Get, runs_dir: Path) -> None:
    (runs_dir / "my notes").mkdir()
    (runs_dir / "20269999T999999Z-never-1").mkdir()
    (runs_dir / "20260101T000000Z-linked-1").symlink_to(runs_dir / "my notes")
    empty = runs_dir / "20260102T000000Z-empty-1"
    empty.mkdir()
    os.utime(empty, (1e9, 1e9))
    body = get("/")[1]
    assert body.count("its name is not that of a run folder") == 2
    assert "it is a link, and links are not followed" in body
    assert "plan.json is missing" in body or "meta.json is missing" in body


def test_a_folder_that_is_not_ours_to_read_is_listed_as_broken_beside_the_others(
    get: Get, run: RunFolder, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = Path(shutil.copytree(run.path, runs_dir / "20260102T000000Z-secret-1"))
    not_ours(secret, monkeypatch)
    body = get("/")[1]
    assert ">pass</span>" in body
    assert "cannot be read: Permission denied" in body
    status, body, _ = get(f"/runs/{secret.name}/")
    assert status == 200
    assert "Permission denied" in body


def test_a_folder_that_vanishes_takes_nothing_down_with_it(
    get: Get, run: RunFolder, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = runs_dir / "20260102T000000Z-gone-1"
    gone.mkdir()
    seen = listing_module.saved_run

    def vanishing(path: Path, *, claimed: bool) -> SavedRun:
        found = seen(path, claimed=claimed)
        if path == gone:
            gone.rmdir()
        return found

    monkeypatch.setattr(listing_module, "saved_run", vanishing)
    status, body, _ = get("/runs")
    assert status == 200
    assert ">pass</span>" in body
    assert not gone.exists()


@pytest.mark.parametrize("value", ["1e999", "NaN", "1" + 400 * "0", "true", "[]"])
@pytest.mark.parametrize(("file", "field"), [("plan.json", "seed"), ("meta.json", "ended_ns")])
def test_a_number_that_no_run_has_makes_one_row_broken(
    get: Get, run: RunFolder, runs_dir: Path, file: str, field: str, value: str
) -> None:
    strange = Path(shutil.copytree(run.path, runs_dir / "20260102T000000Z-strange-1")) / file
    found = json.loads(strange.read_text())
    strange.write_text(json.dumps({**found, field: "HERE"}).replace('"HERE"', value))
    body = get("/")[1]
    assert ">pass</span>" in body
    assert (">broken</span>" in body, f"{field}&#39; in it is no whole number" in body) == (True, True)


def test_a_name_that_is_not_utf_8_is_no_run_s(get: Get, run: RunFolder, runs_dir: Path) -> None:
    os.mkdir(os.fsencode(runs_dir) + b"/20260102T000000Z-\xff-1")  # noqa: PTH102 - such a name is bytes
    status, body, _ = get("/")
    assert status == 200
    assert ">pass</span>" in body
    assert "its name is not UTF-8" in body


def test_a_name_that_is_longer_than_any_is_not_found(get: Get) -> None:
    assert get(f"/runs/20260101T000000Z-{'x' * 300}/")[0] == 404


def test_many_may_look_while_runs_come_and_go(run: RunFolder, runs_dir: Path) -> None:
    listing = Listing(runs_dir)
    names = [f"20260102T0000{second:02}Z-other-1" for second in range(20)]
    trouble: list[BaseException] = []
    over = threading.Event()

    def look() -> None:
        try:
            while not over.is_set():
                listing.read()
        except BaseException as error:  # noqa: BLE001 - a thread's errors are told below
            trouble.append(error)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for name in names:
        shutil.copytree(run.path, runs_dir / name)
    for name in names:
        shutil.rmtree(runs_dir / name)
    over.set()
    for thread in threads:
        thread.join()
    assert trouble == []


def test_a_verdict_that_changes_is_shown_anew(get: Get, run: RunFolder) -> None:
    assert ">pass</span>" in get("/runs")[1]
    run.verdict.write_text(run.verdict.read_text().replace('"verdict": "pass"', '"verdict": "unknown"', 1))
    assert ">unknown" in get("/runs")[1]


def test_a_runs_folder_that_has_gone_is_a_sentence(get: Get, runs_dir: Path) -> None:
    shutil.rmtree(runs_dir)
    status, body, _ = get("/")
    assert status == 200
    assert f"{runs_dir}: No such file or directory" in body


def test_hostile_words_are_shown_as_words_everywhere(get: Get, run: RunFolder) -> None:
    script = "<script>alert(1)</script>"
    for path in (run.plan, run.meta, run.members, run.faults):
        text = path.read_text()
        for word in ("node-2", "node-kill", "process", "kill", "room-1"):
            text = text.replace(f'"{word}"', f'"{word}{script}"')
        path.write_text(text)
    writer = LiveWriter(run.live)
    moment = Moment(
        t_ns=now_ns(), phase=script, at_s=1, of_s=2, members={script: MemberState.DOWN}, faults=(script,)
    )
    writer.append(moment)
    writer.append(Said(t_ns=now_ns(), text=script))
    writer.close()
    run.verdict.unlink()
    for path in ("/", f"/runs/{NAME}/"):
        body = get(path)[1]
        assert "&lt;script&gt;" in body
        assert script not in body


def test_a_run_under_way_shows_its_newest_moment_in_the_list(get: Get, run: RunFolder) -> None:
    run.verdict.unlink()
    run.report.unlink()
    writer = LiveWriter(run.live)
    for at_s in (3.0, 12.0):
        writer.append(Moment(t_ns=now_ns(), phase="chaos", at_s=at_s, of_s=26.0, faults=("kill node-2",)))
    writer.close()
    body = " ".join(get("/")[1].split())
    assert "under way" in body
    assert "chaos, 12 of 26 s · kill node-2" in body
    assert 'data-over="no"' in get(f"/runs/{NAME}/")[1]


def test_a_judged_run_is_followed_until_its_report_is_there(get: Get, run: RunFolder) -> None:
    run.report.unlink()
    assert 'data-over="no"' in get(f"/runs/{NAME}/")[1]
    run.report.write_text("there")
    assert 'data-over="yes"' in get(f"/runs/{NAME}/")[1]
    run.report.unlink()
    os.utime(run.path, (1e9, 1e9))  # Nobody writes one any more.
    assert 'data-over="yes"' in get(f"/runs/{NAME}/")[1]
