"""`report`, `check`, `history`, `runs`: what is no run, or half of one, is told in a sentence."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness import judging
from harness.records.folder import RunFolder
from harness.serving.app import make_app
from harness.serving.foresight import Foresight

Command = Callable[..., tuple[int, str, str]]
Break = Callable[[Path], object]

NAME = "20261101T100000Z-stormy-1"
BOTTOMLESS = b"[" * 100_000 + b"\n"
HUGE = "1" + 400 * "0"
NOISE = bytes(range(256)) * 20
PORT = 18081
JUDGED, IN_DOUBT, FAILED = 0, 3, 4


@pytest.fixture(scope="module")
def judged(made: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was judged once, to be copied."""
    folder: Path = made.stormy().save(tmp_path_factory.mktemp("judged") / NAME).path
    judging.judge_and_report(RunFolder(folder))
    return folder


@pytest.fixture
def run(judged: Path, tmp_path: Path) -> Path:
    """A good run in a folder of runs, for a test to break."""
    return Path(shutil.copytree(judged, tmp_path / "runs" / NAME))


def _first(run: Path, suffix: str) -> Path:
    return next(path for path in sorted((run / "history").iterdir()) if path.suffix == suffix)


def _changed(name: str, **changes: Any) -> Break:
    def change(run: Path) -> None:
        path = run / name
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def _written(name: str, content: bytes) -> Break:
    return lambda run: (run / name).write_bytes(content)


def _cut(suffix: str) -> Break:
    def cut(run: Path) -> None:
        path = _first(run, suffix)
        path.write_bytes(path.read_bytes()[:-5])

    return cut


def _as_written(name: str, field: str, value: str) -> Break:
    """Give a field a value that only JSON has."""

    def change(run: Path) -> None:
        _changed(name, **{field: "HERE"})(run)
        (run / name).write_text((run / name).read_text().replace('"HERE"', value))

    return change


def _more(name: str, lines: bytes) -> Break:
    def append(run: Path) -> None:
        with (run / name).open("ab") as file:
            file.write(lines)

    return append


def _bottomless_string(run: Path) -> None:
    path = _first(run, ".strings")
    path.write_bytes(BOTTOMLESS + path.read_bytes())


def _logged_far_away(run: Path) -> None:
    (run / "logs").mkdir(exist_ok=True)
    lines = (
        "1:M 01 Jan 0001 00:00:00.000 * first",
        "1:M 31 Dec 9999 23:59:59.000 * last",
        "0001-01-01T00:00:00",
    )
    (run / "logs" / "redis.log").write_text("\n".join((*lines, *reversed(lines), "")))


# What is broken, and how; the exit codes of `report`, `check` and `history`; something that they say.
CASES: dict[str, tuple[Break, int, int, int, str]] = {
    "no verdict": (lambda run: (run / "verdict.json").unlink(), FAILED, JUDGED, JUDGED, "was not judged yet"),
    "half a verdict": (
        lambda run: (run / "verdict.json").write_text((run / "verdict.json").read_text()[:400]),
        FAILED, JUDGED, JUDGED, "verdict.json is damaged, or another version of",
    ),
    "a verdict that is a list": (
        _written("verdict.json", b"[]"), FAILED, JUDGED, JUDGED, "`wordaround check",
    ),
    "a bottomless verdict": (
        _written("verdict.json", b"[" * 100_000), FAILED, JUDGED, JUDGED, "verdict.json is damaged",
    ),
    "a newer verdict of another shape": (
        _changed("verdict.json", schema=2, properties={"by": "name"}),
        FAILED, JUDGED, JUDGED, "has schema 2; this version of WordAround reads schema 1",
    ),
    "an older verdict": (
        _changed("verdict.json", schema=0, coverage=None), FAILED, JUDGED, JUDGED, "judges the run anew",
    ),
    "a newer run": (
        _changed("meta.json", schema=2, began={"year": 2031}),
        FAILED, FAILED, JUDGED, "meta.json has schema 2",
    ),
    "a plan of noise": (_written("plan.json", NOISE), FAILED, FAILED, JUDGED, "plan.json is damaged"),
    "no meta": (lambda run: (run / "meta.json").unlink(), FAILED, FAILED, JUDGED, "meta.json is missing"),
    "a foreign journal": (
        _written("faults.jsonl", b'{"x": 1}\n{"x": 2}\n'), FAILED, FAILED, JUDGED, "faults.jsonl is damaged",
    ),
    "a history without its strings": (
        lambda run: _first(run, ".strings").unlink(), FAILED, FAILED, FAILED, "history is damaged",
    ),
    "no history": (
        lambda run: shutil.rmtree(run / "history"), JUDGED, FAILED, FAILED, "history is missing",
    ),
    "torn events": (_cut(".events"), JUDGED, IN_DOUBT, JUDGED, "is torn at its end"),
    "torn strings": (_cut(".strings"), JUDGED, IN_DOUBT, JUDGED, "is torn at its end"),
    "events of noise": (
        lambda run: _first(run, ".events").write_bytes(NOISE), JUDGED, IN_DOUBT, JUDGED, "is torn at its end",
    ),
    "no logs": (lambda run: shutil.rmtree(run / "logs", ignore_errors=True), JUDGED, JUDGED, JUDGED, ""),
    "a bottomless journal": (
        _more("faults.jsonl", BOTTOMLESS), FAILED, FAILED, JUDGED, "faults.jsonl is damaged",
    ),
    "a bottomless line of members": (
        _more("members.jsonl", BOTTOMLESS), FAILED, FAILED, JUDGED, "members.jsonl is damaged",
    ),
    "a bottomless string": (_bottomless_string, JUDGED, IN_DOUBT, JUDGED, "is torn at its end"),
    "a plan without phases": (
        _changed("plan.json", phases=[]), FAILED, FAILED, JUDGED, "a plan has a phase at least",
    ),
    "an endless phase": (
        _changed("plan.json", phases=[{"name": "steady", "start_s": 0, "end_s": float("inf")}]),
        FAILED, FAILED, JUDGED, "phases.0.end_s: Input should be a finite number",
    ),
    "a rate that is no number": (
        _changed("plan.json", messages_per_second=float("nan")),
        FAILED, FAILED, JUDGED, "messages_per_second: Input should be a finite number",
    ),
    "an end beyond every clock": (
        _as_written("meta.json", "load_ended_ns", HUGE), FAILED, FAILED, JUDGED, "at load_ended_ns: ",
    ),
    "a beginning beyond 64 bits": (
        _as_written("meta.json", "began_ns", str(-(2**63))), FAILED, FAILED, JUDGED, "at began_ns: ",
    ),
    "a latency without end": (
        _changed("verdict.json", stats={"longest_wait_ms": float("inf")}),
        FAILED, JUDGED, JUDGED, "stats.longest_wait_ms: Input should be a finite number",
    ),
    "bots by hand and none in the plan": (
        _changed("plan.json", by_hand=True, bots=[]), JUDGED, FAILED, JUDGED, "the plan has no bot",
    ),
    "logs of another age": (_logged_far_away, JUDGED, JUDGED, JUDGED, ""),
    "a pipe for a plan": (
        lambda run: ((run / "plan.json").unlink(), os.mkfifo(run / "plan.json")),
        FAILED, FAILED, JUDGED, "it is no file",
    ),
    "a scenario of noise": (_written("scenario.yaml", NOISE), JUDGED, JUDGED, JUDGED, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_broken_folder_ends_with_a_sentence_and_the_documented_code(
    case: str, run: Path, command: Command
) -> None:
    break_it, *codes, sentence = CASES[case]
    break_it(run)
    said = ""
    for name, wanted in (("report", codes[0]), ("history", codes[2]), ("check", codes[1])):
        code, out, err = command(name, run)
        assert code == wanted, f"{name}: {out[-300:]} {err[-300:]}"
        assert "Traceback" not in out + err
        assert "pydantic" not in out + err
        assert "validation error" not in out + err
        assert "the machine refused" not in err
        said += err
    assert sentence in said


@pytest.mark.parametrize("case", CASES)
def test_a_broken_folder_is_a_page_that_says_so(case: str, run: Path) -> None:
    CASES[case][0](run)
    app = make_app(run.parent, Foresight(), port=PORT)
    app.testing = True  # An exception would come out of here.
    for path in ("/", f"/runs/{NAME}/"):
        answer = app.test_client().get(path, headers={"Host": f"127.0.0.1:{PORT}"})
        assert (answer.status_code, "Traceback" in answer.text) == (200, False)


@pytest.mark.parametrize("name", ["report", "check", "history"])
def test_what_is_no_run_at_all_is_refused(name: str, tmp_path: Path, command: Command) -> None:
    (tmp_path / "file").write_text("not a run")
    (tmp_path / "folder").mkdir()
    for path in ("file", "folder", "nowhere"):
        code, out, err = command(name, tmp_path / path)
        assert (code, out) == (FAILED, ""), path
        assert err.startswith("wordaround: "), path
        assert "folder" in err, path


def test_a_page_without_a_history_says_so(run: Path, command: Command) -> None:
    shutil.rmtree(run / "history")
    assert command("report", run)[0] == 0
    assert "no history of what the clients saw" in (run / "report.html").read_text("utf-8")


def test_runs_lists_what_is_broken_as_broken(run: Path, command: Command) -> None:
    for number, case in enumerate(CASES):
        other = run.with_name(f"20261101T10000{number % 10}Z-{number}-1")
        shutil.copytree(run, other)
        CASES[case][0](other)
    hostile = run.with_name("20261101T120000Z-hostile-1")
    shutil.copytree(run, hostile)
    _changed("plan.json", scenario="\x1b[2J<script>\u202e")(hostile)
    code, out, err = command("runs", "list", "--runs-dir", run.parent)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == len(CASES) + 2
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "broken" in next(line for line in out.splitlines() if f"-{list(CASES).index('no meta')}-1" in line)
