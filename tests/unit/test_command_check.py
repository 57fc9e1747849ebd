"""`wordaround check` and `wordaround history`: what they print, what they write, how they exit."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet
import pytest

from harness import cli, exports
from harness.records.guarantees import GUARANTEES
from harness.records.history import Op, read_history, write_history
from harness.records.jsonl import NotHistory, lines, read_lines
from harness.records.plan import Expectation

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs `wordaround …` and returns its exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["wordaround", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def _broken(made: ModuleType) -> Any:
    world = made.stormy()
    world.insert_after(world.deliveries(world.sent[1, 2], bot=3)[0])
    return world


# Judging again


def test_a_good_run_passes_and_its_verdict_is_written(
    made: ModuleType, tmp_path: Path, command: Command
) -> None:
    run = made.stormy().save(tmp_path / "run").path
    code, said, _ = command("check", run)
    assert code == 0
    assert "PASS, as expected" in said
    assert json.loads((run / "verdict.json").read_text())["verdict"] == "pass"
    assert (run / "report.html").exists()


def test_of_several_runs_the_worst_counts(made: ModuleType, tmp_path: Path, command: Command) -> None:
    good = made.stormy().save(tmp_path / "good").path
    bad = _broken(made).save(tmp_path / "bad").path
    code, said, _ = command("check", good, bad)
    assert code == 1
    assert "PASS, as expected" in said
    assert "FAIL, not as expected" in said
    assert "bot-03 received bot-01's message 2 (room-1) twice" in said


def test_a_run_that_proves_nothing_exits_with_3(made: ModuleType, tmp_path: Path, command: Command) -> None:
    world = made.stormy()
    world.drop(world.find(Op.FINAL_READ_END))
    assert command("check", world.save(tmp_path / "run").path)[0] == 3


def test_no_run_folder_exits_with_4_and_says_so(tmp_path: Path, command: Command) -> None:
    code, _, said = command("check", tmp_path / "nowhere")
    assert code == 4
    assert "is not a folder; give the folder of a run" in said


def test_json_is_the_verdict_alone(made: ModuleType, tmp_path: Path, command: Command) -> None:
    code, said, _ = command("check", _broken(made).save(tmp_path / "run").path, "--json")
    assert code == 1
    assert [p["name"] for p in json.loads(said)["properties"]] == list(GUARANTEES)


# Some checks alone


def test_only_some_guarantees_are_checked_and_nothing_is_written(
    made: ModuleType, tmp_path: Path, command: Command
) -> None:
    run = _broken(made).save(tmp_path / "run").path
    code, said, _ = command("check", run, "--only", "total-order,fifo-order", "--only", "integrity")
    assert code == 0
    assert [line.split()[1] for line in said.splitlines()[:3]] == ["integrity", "total-order", "fifo-order"]
    assert not (run / "verdict.json").exists()
    assert command("check", run, "--only", "no-duplicates")[0] == 1


@pytest.mark.parametrize(
    ("only", "code"), [("complete-delivery", 0), ("total-order", 0), ("no-duplicates", 0), ("integrity", 0)]
)
def test_what_the_scenario_expects_of_the_others_is_not_expected(
    made: ModuleType, tmp_path: Path, command: Command, only: str, code: int
) -> None:
    expect = Expectation(verdict="fail", violates=("complete-delivery",), may_violate=("no-duplicates",))
    world = made.stormy(delivery="pubsub", expect=expect)
    world.insert_after(world.deliveries(world.sent[1, 2], bot=3)[0])
    assert command("check", world.save(tmp_path / "run").path, "--only", only)[0] == code


@pytest.mark.parametrize("option", ["--only", "--explain"])
def test_an_unknown_guarantee_is_a_usage_error_with_the_nearest_name(
    tmp_path: Path, command: Command, option: str
) -> None:
    code, _, said = command("check", tmp_path, option, "complet-delivery")
    assert code == 2
    assert "there is no guarantee 'complet-delivery'; did you mean complete-delivery?" in said


def test_nothing_to_check_is_a_usage_error(command: Command) -> None:
    code, _, said = command("check")
    assert code == 2
    assert "name a run folder" in said


# Explaining


@pytest.mark.parametrize("name", GUARANTEES)
def test_explain_says_how_a_guarantee_is_judged(command: Command, name: str) -> None:
    code, said, _ = command("check", "--explain", name)
    assert code == 0
    assert said.startswith(f"{name}: {GUARANTEES[name]}\n\n")
    assert "ounted" in said
    assert len(said) > 500


def test_explain_tells_every_violation_with_its_operations(
    made: ModuleType, tmp_path: Path, command: Command
) -> None:
    code, said, _ = command("check", _broken(made).save(tmp_path / "run").path, "--explain", "no-duplicates")
    assert code == 1
    assert said.startswith("no-duplicates: fail\n")
    assert "1 violations" in said
    assert "1. bot-03 received bot-01's message 2 (room-1) twice: live at" in said
    assert "sends message 2 to room-1, attempt 1" in said


# Foreign histories


def _manifest(world: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "run_id": world.meta.run_id,
        "delivery": world.plan.cluster.delivery,
        "rooms": list(world.rooms),
        "nodes": list(world.nodes),
        "bots": [{"ordinal": b.ordinal, "name": b.name, "rooms": list(b.rooms)} for b in world.plan.bots],
        "load_began_ns": world.meta.load_began_ns,
        "load_ended_ns": world.meta.load_ended_ns,
    }


def _foreign(world: Any, folder: Path, form: str) -> Path:
    folder.mkdir()
    (folder / "history.json").write_text(json.dumps(_manifest(world)))
    for file in world.histories():
        if form == "jsonl":
            (folder / f"{file.name}.jsonl").write_text("".join(f"{line}\n" for line in lines(file)))
        else:
            write_history(folder, file.name, file.rows, [text for text in file.strings if text is not None])
    return folder


@pytest.mark.parametrize("form", ["jsonl", "events"])
def test_a_foreign_history_is_judged(made: ModuleType, tmp_path: Path, command: Command, form: str) -> None:
    code, said, _ = command("check", "--history", _foreign(made.quiet(), tmp_path / "good", form))
    assert code == 0, said
    assert "PASS" in said
    world = made.quiet()
    world.drop(world.deliveries(world.sent[1, 1], bot=2))
    code, said, _ = command("check", "--history", _foreign(world, tmp_path / "bad", form))
    assert code == 1
    assert "bot-02 never received it" in said


def test_a_foreign_history_without_final_reads_is_unknown(
    made: ModuleType, tmp_path: Path, command: Command
) -> None:
    world = made.quiet()
    world.drop(world.find(Op.FINAL_READ) + world.find(Op.FINAL_READ_END))
    assert command("check", "--history", _foreign(world, tmp_path / "history", "jsonl"))[0] == 3


def test_a_foreign_history_of_no_nodes_is_unknown(made: ModuleType, tmp_path: Path, command: Command) -> None:
    folder = _foreign(made.quiet(), tmp_path / "history", "jsonl")
    manifest = json.loads((folder / "history.json").read_text())
    (folder / "history.json").write_text(json.dumps({**manifest, "nodes": []}))
    code, said, _ = command("check", "--history", folder)
    assert code == 3
    assert "there is no node that could be read" in said


def test_a_foreign_history_that_breaks_off_is_unknown(
    made: ModuleType, tmp_path: Path, command: Command
) -> None:
    folder = _foreign(made.quiet(), tmp_path / "history", "jsonl")
    path = folder / "bots-1.jsonl"
    path.write_text(path.read_text()[:-30])
    code, said, _ = command("check", "--history", folder)
    assert code == 3
    assert "bots-1 is torn" in said


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("history.json", None, "history.json is missing"),
        ("history.json", "{}", "history.json: schema: Field required"),
        ("history.json", "oops", "history.json: the file: Invalid JSON"),
        ("bots-1.jsonl", '{"op":"TEA"}\n', "bots-1, line 1: there is no operation 'TEA'"),
        ("bots-1.jsonl", "[]\n", "bots-1, line 1: it is no object"),
        ("bots-1.jsonl", '{"op":"LEAVE","rom":"x"}\n', "LEAVE has no 'rom'"),
        ("bots-1.jsonl", '{"op":"LEAVE","t_ns":-1}\n', "t_ns is out of its range: -1"),
        ("bots-1.jsonl", '{"op":"LEAVE","room":7}\n', "room is no text: 7"),
        ("bots-1.jsonl", 'oops\n{"op":"LEAVE"}\n', "bots-1, line 1: it is no JSON"),
    ],
)
def test_what_is_no_foreign_history_is_a_usage_error(
    made: ModuleType, tmp_path: Path, command: Command, name: str, content: str | None, words: str
) -> None:
    folder = _foreign(made.quiet(), tmp_path / "history", "jsonl")
    path = folder / name
    path.unlink() if content is None else path.write_text(content)
    code, _, said = command("check", "--history", folder)
    assert code == 2
    assert words in said


# Exports


def test_json_lines_say_all_that_the_rows_say(made: ModuleType, tmp_path: Path, command: Command) -> None:
    run = made.stormy().save(tmp_path / "run").path
    code, said, _ = command("history", run)
    assert code == 0
    files = read_history(run / "history")
    assert said.splitlines() == [line for file in files for line in lines(file)]
    for file in files:
        back = read_lines(file.name, lines(file))
        assert [(r.t_ns, r.op, r.flags, r.bot, r.conn) for r in back.rows] == [
            (r.t_ns, r.op, r.flags, r.bot, r.conn) for r in file.rows
        ]
        assert list(lines(back)) == list(lines(file))


def test_json_lines_go_to_a_file(made: ModuleType, tmp_path: Path, command: Command) -> None:
    run = made.quiet().save(tmp_path / "run").path
    assert command("history", run, "--output", tmp_path / "out.jsonl")[0] == 0
    assert (tmp_path / "out.jsonl").read_text() == command("history", run, "--format", "jsonl")[1]


def test_parquet_has_every_event_with_its_strings(made: ModuleType, tmp_path: Path, command: Command) -> None:
    world = made.stormy()
    run = world.save(tmp_path / "run").path
    code, said, _ = command("history", run, "--format", "parquet")
    assert code == 0
    assert said == f"{run / 'history.parquet'}: {len(world.entries)} events\n"
    table = pyarrow.parquet.read_table(run / "history.parquet").to_pylist()
    rows = [(file.name, file, row) for file in read_history(run / "history") for row in file.rows]
    assert len(table) == len(rows)
    for found, (writer, file, row) in zip(table, rows, strict=True):
        assert (found["writer"], found["t_ns"], found["op"], found["bot"]) == (
            writer, row.t_ns, row.op.name, row.bot
        )  # fmt: skip
        if row.op in (Op.DELIVERY, Op.JOIN):
            assert found["a_text"] == file.strings[row.a]


def test_parquet_without_pyarrow_is_a_clear_error(
    made: ModuleType, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made.quiet().save(tmp_path / "run").path
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, said = command("history", run, "--format", "parquet")
    assert code == 4
    assert "pip install 'wordaround[parquet]'" in said


def test_an_unknown_format_is_a_usage_error(tmp_path: Path, command: Command) -> None:
    code, _, said = command("history", tmp_path, "--format", "xml")
    assert code == 2
    assert f"wants one of {', '.join(exports.FORMATS)}" in said


def test_a_line_in_the_middle_that_is_no_json_is_an_error() -> None:
    with pytest.raises(NotHistory, match="line 1: it is no JSON, and not the last line"):
        read_lines("x", ["oops", '{"op": "LEAVE"}'])
