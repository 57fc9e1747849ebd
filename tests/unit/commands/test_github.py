"""`wordaround check` on a GitHub runner: annotations and the job's summary, and `--json` alone on stdout."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from harness.commands import github

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def broken(made: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that lost a message."""
    world = made.stormy()
    world.drop(world.deliveries(world.sent[2, 4], bot=3))
    folder: Path = world.save(tmp_path_factory.mktemp("broken") / "run").path
    return folder


@pytest.fixture
def summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the job's summary; this machine is a runner."""
    monkeypatch.setenv(github.ACTIONS, "true")
    monkeypatch.setenv(github.STEP_SUMMARY, str(tmp_path / "summary"))
    return tmp_path / "summary"


def test_a_violation_is_annotated_and_summed_up_beside_json(
    broken: Path, summary: Path, command: Command
) -> None:
    summary.write_text("# what stood there before\n")
    code, out, err = command("check", broken, "--json")
    assert code == 1
    assert json.loads(out)["verdict"] == "fail"
    assert err.startswith("::error title=complete-delivery violated in ")
    assert "bot-03 never received it" in err
    text = summary.read_text("utf-8")
    assert text.startswith("# what stood there before\n## ")
    assert text.count("bot-03 never received it") == 1


def test_elsewhere_nothing_is_told(broken: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(github.ACTIONS, raising=False)
    code, _, err = command("check", broken)
    assert (code, err) == (1, "")


def test_a_part_of_the_checks_is_not_annotated(broken: Path, summary: Path, command: Command) -> None:
    code, _, err = command("check", broken, "--only", "integrity")
    assert (code, err) == (0, "")
    assert not summary.exists()


def test_a_summary_that_is_full_is_left_as_it_is_and_the_log_says_so(
    broken: Path, summary: Path, command: Command
) -> None:
    summary.write_bytes(b"x" * github.MOST_BYTES)
    code, _, err = command("check", broken)
    assert code == 1
    assert f"the job's summary is full; that of this run is in {broken / 'summary.md'} alone" in err
    assert summary.stat().st_size == github.MOST_BYTES
