"""`wordaround runs`: every folder is told, broken ones too; only what is old and over is removed."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest

from harness import claims, judging
from harness.claims import Claim
from harness.clock import utc_now
from harness.records.folder import RunFolder
from tests.unit.folders import not_ours

Command = Callable[..., tuple[int, str, str]]

LONG_AGO = 1_000_000_000.0


@pytest.fixture(autouse=True)
def own_claims(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("t")))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


def name_of(age: timedelta, scenario: str = "stormy-7") -> str:
    return f"{utc_now() - age:%Y%m%dT%H%M%SZ}-{scenario}"


def aged(folder: Path) -> Path:
    """Let nothing in it have been written lately."""
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return folder


def half(runs: Path, age: timedelta) -> Path:
    """Make the folder of a run that got no further than its beginning."""
    folder = runs / name_of(age)
    (folder / "history").mkdir(parents=True)
    (folder / "scenario.yaml").write_text("name: stormy\n")
    return folder


@pytest.fixture(scope="module")
def one_judged(made: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was judged once, to be copied."""
    folder: Path = made.stormy().save(tmp_path_factory.mktemp("judged") / "run").path
    judging.judge_and_report(RunFolder(folder))
    return folder


@pytest.fixture
def judged(one_judged: Path, runs: Path) -> Path:
    return aged(shutil.copytree(one_judged, runs / name_of(timedelta(hours=1))))


def told(command: Command, runs: Path) -> list[dict[str, object]]:
    code, said, error = command("runs", "list", "--runs-dir", runs, "--json")
    assert (code, error) == (0, "")
    found: list[dict[str, object]] = json.loads(said)
    return found


# Listing


def test_a_judged_run_is_told_with_all_that_is_known(judged: Path, runs: Path, command: Command) -> None:
    (run,) = told(command, runs)
    plan = json.loads((judged / "plan.json").read_text())
    meta = json.loads((judged / "meta.json").read_text())
    assert run == {
        "path": str(judged), "verdict": "pass", "as_expected": True, "scenario": plan["scenario"],
        "seed": plan["seed"], "backend": meta["backend"], "began": run["began"],
        "seconds": (meta["ended_ns"] - meta["began_ns"]) / 1e9, "why": "",
    }  # fmt: skip
    _, said, _ = command("runs", "list", "--runs-dir", runs)
    (line,) = said.splitlines()
    assert line.startswith("pass ")
    assert line.endswith(f"{plan['scenario']} (seed {plan['seed']})  {judged}")


def test_an_unexpected_verdict_is_told_so(judged: Path, runs: Path, command: Command) -> None:
    verdict = json.loads((judged / "verdict.json").read_text())
    (judged / "verdict.json").write_text(json.dumps({**verdict, "verdict": "fail", "as_expected": False}))
    assert command("runs", "list", "--runs-dir", runs)[1].startswith("fail, unexpected ")


def test_the_newest_is_first(runs: Path, command: Command) -> None:
    ages = [timedelta(days=2), timedelta(minutes=1), timedelta(hours=3)]
    folders = {age: aged(half(runs, age)) for age in ages}
    assert [run["path"] for run in told(command, runs)] == [str(folders[age]) for age in sorted(ages)]


def test_a_run_without_a_verdict_is_not_judged(judged: Path, runs: Path, command: Command) -> None:
    (judged / "verdict.json").unlink()
    aged(judged)
    assert told(command, runs)[0]["verdict"] == "not judged"


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("meta.json", None, "meta.json is missing"),
        ("meta.json", "{", "meta.json is no JSON"),
        ("plan.json", "[]", "plan.json is no object"),
        ("plan.json", "{}", "'scenario' is missing in it"),
        ("verdict.json", "", "verdict.json is no JSON"),
        ("meta.json", "\udcff", "meta.json is no JSON"),
    ],
)
def test_a_broken_folder_is_told_as_such(
    file: str, text: str | None, why: str, judged: Path, runs: Path, command: Command
) -> None:
    if text is None:
        (judged / file).unlink()
    else:
        (judged / file).write_bytes(text.encode("utf-8", "surrogateescape"))
    aged(judged)
    (run,) = told(command, runs)
    assert (run["verdict"], run["why"]) == ("broken", why)
    code, said, _ = command("runs", "list", "--runs-dir", runs)
    assert (code, said.startswith("broken "), said.endswith(f"{judged}: {why}\n")) == (0, True, True)


HUGE = "1" + 400 * "0"


@pytest.mark.parametrize(
    ("file", "field", "value"),
    [
        ("plan.json", "seed", "1e999"), ("plan.json", "seed", HUGE), ("plan.json", "seed", "null"),
        ("plan.json", "scenario", "[7]"), ("meta.json", "began_ns", "1e999"), ("meta.json", "ended_ns", HUGE),
        ("meta.json", "ended_ns", "NaN"), ("meta.json", "backend", "{}"),
        ("meta.json", "aborted", "[]"), ("verdict.json", "verdict", "[[]]"),
    ],
)  # fmt: skip
def test_what_no_run_can_say_is_told_beside_the_good_runs(
    file: str, field: str, value: str, judged: Path, runs: Path, command: Command
) -> None:
    other = Path(shutil.copytree(judged, runs / name_of(timedelta(hours=2), "strange-1")))
    found = json.loads((other / file).read_text())
    text = json.dumps({**found, field: "HERE"}).replace('"HERE"', value)
    (other / file).write_text(text)
    aged(other)
    good, strange = told(command, runs)
    assert (good["verdict"], strange["verdict"]) == ("pass", "broken")
    assert field in str(strange["why"])


def test_a_folder_that_is_not_ours_to_read_is_told_as_broken(
    judged: Path, runs: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(shutil.copytree(judged, runs / name_of(timedelta(hours=2), "secret-1")))
    not_ours(other, monkeypatch)
    good, secret = told(command, runs)
    assert (good["verdict"], secret["verdict"]) == ("pass", "broken")
    assert "Permission denied" in str(secret["why"])


def test_a_folder_that_vanishes_while_it_is_looked_at_is_told_as_broken(
    judged: Path, runs: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = half(runs, timedelta(hours=2))
    listed = Path.iterdir

    def vanishing(path: Path) -> Iterator[Path]:
        if path == other:
            shutil.rmtree(other)
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", vanishing)
    good, gone = told(command, runs)
    assert (good["verdict"], gone["verdict"]) == ("pass", "broken")
    assert "No such file or directory" in str(gone["why"])


def test_what_is_no_run_folder_is_not_told(runs: Path, command: Command) -> None:
    (runs / "notes").mkdir()
    (runs / name_of(timedelta(), "file")).write_text("")
    elsewhere = runs.parent / name_of(timedelta())
    elsewhere.mkdir()
    (runs / name_of(timedelta(days=1))).symlink_to(elsewhere)
    assert told(command, runs) == []
    assert command("runs", "list", "--runs-dir", runs) == (0, "", f"no runs in {runs}\n")


def test_without_a_folder_it_is_exit_code_2(runs: Path, command: Command) -> None:
    code, said, error = command("runs", "list", "--runs-dir", runs / "none")
    assert (code, said) == (2, "")
    assert error == f"wordaround: --runs-dir {runs / 'none'}: there is no such folder\n"


def claim_of(folder: Path) -> Claim:
    return Claim(run_id="0123abcd", backend="process", folder=str(folder), command="wordaround run stormy")


def test_a_run_whose_claim_is_held_is_under_way(runs: Path, command: Command) -> None:
    folder = aged(half(runs, timedelta(hours=1)))
    lock = claims.make(claim_of(folder))
    try:
        assert told(command, runs)[0]["verdict"] == "under way"
    finally:
        lock.delete()
    assert told(command, runs)[0]["verdict"] == "broken"


def test_a_run_that_was_written_a_moment_ago_is_under_way(runs: Path, command: Command) -> None:
    folder = aged(half(runs, timedelta(hours=1)))
    (folder / "history" / "bots-1.events").write_bytes(b"")
    assert told(command, runs)[0]["verdict"] == "under way"


# Removing


@pytest.fixture
def three(runs: Path) -> list[Path]:
    """Three folders of runs that are over, the newest first."""
    return [aged(half(runs, timedelta(days=days))) for days in (1, 3, 9)]


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (("--keep", 2), 2), (("--keep", 0), 0), (("--keep", 5), 3), (("--older-than", "7d"), 2),
        (("--older-than", "48h"), 1), (("--older-than", "30m"), 0), (("--older-than", "2w"), 3),
    ],
)  # fmt: skip
def test_the_old_ones_are_removed(
    arguments: tuple[object, ...], left: int, three: list[Path], runs: Path, command: Command
) -> None:
    code, said, _ = command("runs", "prune", "--runs-dir", runs, *arguments)
    assert code == 0
    assert [folder.exists() for folder in three] == [index < left for index in range(3)]
    removed = [f"removed {folder} (" for folder in three[left:]] or ["nothing to remove"]
    assert [line.startswith(start) for line, start in zip(said.splitlines(), removed, strict=True)]
    assert all(line.endswith(" MiB)") for line in said.splitlines() if line != "nothing to remove")


def test_a_dry_run_removes_nothing(three: list[Path], runs: Path, command: Command) -> None:
    code, said, _ = command("runs", "prune", "--runs-dir", runs, "--keep", 1, "--dry-run")
    assert code == 0
    assert [line.split(" (")[0] for line in said.splitlines()] == [f"would remove {f}" for f in three[1:]]
    assert all(folder.exists() for folder in three)


def test_a_run_that_is_under_way_is_neither_counted_nor_removed(
    three: list[Path], runs: Path, command: Command
) -> None:
    (three[2] / "history" / "bots-1.events").write_bytes(b"")
    assert command("runs", "prune", "--runs-dir", runs, "--keep", 1)[0] == 0
    assert [folder.exists() for folder in three] == [True, False, True]


def test_what_is_no_run_folder_stays(three: list[Path], runs: Path, command: Command) -> None:
    others = [runs / "notes", runs / "20260101T000000Z", runs / "old-20260101T000000Z-x-1"]
    for folder in others:
        folder.mkdir()
    elsewhere = runs.parent / "elsewhere"
    elsewhere.mkdir()
    link = runs / "20260101T000000Z-link-1"
    link.symlink_to(elsewhere)
    assert command("runs", "prune", "--runs-dir", runs, "--keep", 0)[0] == 0
    assert all(folder.is_dir() for folder in (*others, elsewhere, link))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "say what to remove: either --keep N or --older-than AGE"),
        (("--keep", 1, "--older-than", "7d"), "say what to remove: either --keep N or --older-than AGE"),
        (
            ("--older-than", "7"),
            "--older-than 7: wants a number and m, h, d or w (minutes to weeks), like 7d",
        ),
        (("--older-than", "-7d"), "--older-than -7d: wants a number"),
        (("--keep", -1), "Invalid value for '--keep'"),
    ],
)
def test_a_wrong_prune_removes_nothing(
    arguments: tuple[object, ...], sentence: str, three: list[Path], runs: Path, command: Command
) -> None:
    code, said, error = command("runs", "prune", "--runs-dir", runs, *arguments)
    assert (code, said) == (2, "")
    assert sentence in error
    assert all(folder.exists() for folder in three)


def test_what_cannot_be_removed_is_exit_code_4_and_the_others_are_removed(
    three: list[Path], runs: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness import saved_runs

    remove = saved_runs.shutil.rmtree

    def refuse(path: Path) -> None:
        if path == three[1]:
            raise PermissionError(13, "Permission denied", str(path))
        remove(path)

    monkeypatch.setattr(saved_runs.shutil, "rmtree", refuse)
    code, said, error = command("runs", "prune", "--runs-dir", runs, "--keep", 1)
    assert code == 4
    assert error == f"wordaround: {three[1]} was not removed: Permission denied: {three[1]}\n"
    assert said.startswith(f"removed {three[2]} (")
