"""`wordaround diff`: what its arguments mean, its exit codes, and what it says of what is no run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from harness import judging
from harness.records.folder import RunFolder

Command = Callable[..., tuple[int, str, str]]
NAMES = ("20261101T100000Z-stormy-1", "20261101T110000Z-stormy-1", "20261101T120000Z-stormy-1")


@pytest.fixture(scope="module")
def judged(made: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was judged once, to be copied."""
    folder: Path = made.stormy().save(tmp_path_factory.mktemp("judged") / NAMES[0]).path
    judging.judge_and_report(RunFolder(folder))
    return folder


@pytest.fixture
def runs(judged: Path, tmp_path: Path) -> Path:
    """A folder of three good runs."""
    folder = tmp_path / "runs"
    for name in NAMES:
        shutil.copytree(judged, folder / name)
    return folder


def break_delivery(run: Path) -> None:
    """Let the verdict say that complete-delivery was violated."""
    path = run / "verdict.json"
    verdict = json.loads(path.read_text())
    verdict["verdict"], verdict["as_expected"] = "fail", False
    (found,) = [prop for prop in verdict["properties"] if prop["name"] == "complete-delivery"]
    found["verdict"], found["violations"] = "fail", 3
    found["witnesses"] = [{"story": "bot-3 never received message 42", "operations": [], "t_ns": None}]
    path.write_text(json.dumps(verdict))


def test_a_planted_regression_is_exit_code_1_and_its_story_is_told(runs: Path, command: Command) -> None:
    break_delivery(runs / NAMES[2])
    code, out, _ = command("diff", runs / NAMES[0], runs / NAMES[2])
    assert code == 1
    assert "bot-3 never received message 42" in out
    assert "B is worse: complete-delivery is violated" in out
    assert command("diff", runs / NAMES[2], runs / NAMES[0])[0] == 0


def test_a_run_on_both_sides_is_named(runs: Path, command: Command) -> None:
    out = command("diff", f"{runs / NAMES[0]},{runs / NAMES[1]}", f"{runs / NAMES[1]},{runs / NAMES[2]}")[1]
    assert f"on both sides: {runs / NAMES[1]}\n" in out


@pytest.mark.parametrize("side", ["runs", "runs/*", f"runs/{NAMES[0]},runs/{NAMES[1]},runs/{NAMES[2]}"])
def test_a_side_is_a_folder_of_runs_a_pattern_or_a_list(
    side: str, runs: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs.parent)
    code, out, _ = command("diff", runs / NAMES[0], side, "--json")
    (comparison,) = json.loads(out)["comparisons"]
    assert code == 0
    assert [run["name"] for run in comparison["after"]["runs"]] == list(NAMES)


def test_the_page_is_written_and_named(runs: Path, command: Command, tmp_path: Path) -> None:
    code, out, _ = command("diff", runs, runs, "--html", tmp_path / "diff.html")
    assert (code, out.splitlines()[-1]) == (0, str(tmp_path / "diff.html"))
    assert "B is not worse" in (tmp_path / "diff.html").read_text()


def test_what_lies_in_a_folder_of_runs_and_is_none_is_left_out_and_named(
    runs: Path, command: Command
) -> None:
    (runs / NAMES[1] / "verdict.json").unlink()
    (runs / NAMES[2] / "plan.json").write_text("{")
    code, out, _ = command("diff", runs, runs / NAMES[0])
    assert code == 0
    assert "1 run" in out
    assert NAMES[2] in out.partition("left out")[2]
    assert f"{NAMES[1]}: it" in out.partition("left out")[2]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (shutil.rmtree, "there is no such run, folder of runs, or pattern that matches one"),
        (lambda run: (run / "verdict.json").unlink(), "not judged yet; `wordaround check"),
        (lambda run: (run / "plan.json").write_text("{"), "plan.json is damaged"),
        (lambda run: (run / "meta.json").unlink(), "meta.json is missing"),
        (lambda run: [path.unlink() for path in run.glob("*.*")], "is no run folder"),
    ],
)
def test_what_is_named_and_is_no_judged_run_is_a_sentence_and_exit_code_2(
    spoil: Callable[[Path], object], says: str, runs: Path, command: Command
) -> None:
    spoil(runs / NAMES[1])
    code, out, err = command("diff", runs / NAMES[0], runs / NAMES[1])
    assert (code, out) == (2, "")
    assert says in " ".join(err.split())
    assert "Traceback" not in err


def test_another_schema_is_refused(runs: Path, command: Command) -> None:
    path = runs / NAMES[1] / "verdict.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 2}))
    code, _, err = command("diff", runs / NAMES[0], runs / NAMES[1])
    assert code == 2
    assert "has schema 2" in err


def test_a_page_that_cannot_be_written_is_a_sentence(runs: Path, command: Command) -> None:
    code, _, err = command("diff", runs, runs, "--html", runs / "nowhere" / "diff.html")
    assert code == 2
    assert "cannot be written: No such file" in err


def test_a_pattern_without_quotes_is_explained(runs: Path, command: Command) -> None:
    code, _, err = command("diff", *(runs / name for name in NAMES))
    assert code == 2
    assert "diff compares two sides, and was given 3" in err
    assert "put it in quotes" in err
