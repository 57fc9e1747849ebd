"""TAB offers the names that a command takes, and is quiet about what there is not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.backends.choose import CHOICES
from harness.cli import COMMANDS
from harness.commands import complete
from harness.faults.registry import FAULTS
from harness.records.guarantees import GUARANTEES
from harness.scenario.library import shipped
from harness.supervisor import clusters

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def offered(command: Command, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Return a function that returns what bash is offered at the end of a line."""

    def offer(line: str) -> list[str]:
        monkeypatch.setenv("_WORDAROUND_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
        code, said, error = command()
        assert (code, error) == (0, "")
        return said.split()

    return offer


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("wordaround ", list(COMMANDS)),
        ("wordaround run ", list(shipped())),
        ("wordaround run pubsub-", [name for name in shipped() if name.startswith("pubsub-")]),
        ("wordaround run x --backend ", list(CHOICES)),
        ("wordaround up --backend d", ["docker"]),
        ("wordaround up --delivery ", ["durable", "pubsub"]),
        ("wordaround check --only ", list(GUARANTEES)),
        ("wordaround check --only presence,recon", ["presence,reconnection"]),
        ("wordaround check --explain total", ["total-order"]),
        ("wordaround history x --format p", ["parquet"]),
        ("wordaround faults ", list(FAULTS)),
        ("wordaround faults no-such", []),
        ("wordaround runs ", ["list", "prune"]),
        ("wordaround runs prune --o", ["--older-than"]),
    ],
)
def test_names_are_offered(line: str, names: list[str], offered: Callable[[str], list[str]]) -> None:
    assert offered(line) == names


def test_run_folders_are_offered_the_newest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offered: Callable[[str], list[str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert offered("wordaround report ") == [], "no folder of runs"
    for name in ("20260101T000000Z-a-1", "20260102T000000Z-b-2", "notes"):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "meta.json").touch() if name != "notes" else None
    both = ["runs/20260102T000000Z-b-2", "runs/20260101T000000Z-a-1"]
    assert offered("wordaround report ") == both
    assert offered("wordaround check runs/20260101") == both[1:]
    assert complete.runs(f"{tmp_path}/runs/20260102") == [f"{tmp_path}/runs/20260102T000000Z-b-2"]
    assert complete.runs("elsewhere/") == []


def test_clusters_that_are_up_are_offered(
    monkeypatch: pytest.MonkeyPatch, offered: Callable[[str], list[str]]
) -> None:
    class Up:
        id = "0123abcd"

    monkeypatch.setattr(clusters, "clusters", lambda: (Up,))
    assert offered("wordaround down 01") == ["0123abcd"]
    assert offered("wordaround status 2") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_shown(
    shell: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer._completion_shared._get_shell_name", lambda: shell)
    monkeypatch.setattr("typer.completion._get_shell_name", lambda: shell)
    code, said, _ = command("--show-completion")
    assert code == 0
    assert "_WORDAROUND_COMPLETE" in said
    assert f"complete_{shell}" in said
