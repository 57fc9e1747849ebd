"""The root of the command: what it lists, what it imports, how it ends where it was called wrongly."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import __version__, cli
from harness.commands import console
from harness.errors import HarnessError, UsageError

Command = Callable[..., tuple[int, str, str]]

FILES = Path(cli.__file__).parent / "commands"

# What takes long to import, and is of use only to a command that does something.
HEAVY = (
    "docker",
    "gevent",
    "harness.judge",
    "harness.runner",
    "locust",
    "numpy",
    "pydantic",
    "redis",
    "yaml",
)


def imported_by(*arguments: str) -> set[str]:
    """Return the names of all modules that `wordaround …` imports until it ends."""
    program = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from harness.__main__ import main; main()"
    )
    ended = subprocess.run(
        (sys.executable, "-c", program, *arguments), capture_output=True, text=True, check=True, timeout=60
    )
    return set(ended.stderr.split())


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_import_nothing_that_takes_long(option: str) -> None:
    assert imported_by(option).isdisjoint(HEAVY)


def test_a_command_imports_what_it_needs() -> None:
    assert {"pydantic"} <= imported_by("scenarios")


def test_the_version_is_printed_alone(command: Command) -> None:
    assert command("--version") == (0, f"wordaround {__version__}\n", "")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_line_of_a_command_is_the_first_of_its_own_help(name: str) -> None:
    assert cli.load(name).help.splitlines()[0] == cli.COMMANDS[name]


def test_every_command_that_has_a_file_is_listed(command: Command) -> None:
    code, said, _ = command("--help")
    listed = [line.split()[1] for line in said.partition("Commands")[2].splitlines() if line.startswith("│ ")]
    assert code == 0
    assert [name for name in listed if name.isalpha()] == list(cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_tells_its_usage(name: str, command: Command) -> None:
    code, said, _ = command(name, "-h")
    assert code == 0
    assert f"Usage: wordaround {name}" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("chekc",), "No such command 'chekc'. Did you mean 'check'?"),
        (("--nodes",), "No such option: --nodes"),
        (("report",), "Missing argument 'RUN'."),
        (("run", "node-kill", "--seed", "x"), "Invalid value for '--seed'"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(
    arguments: tuple[str, ...], sentence: str, command: Command
) -> None:
    code, said, error = command(*arguments)
    assert (code, said) == (2, "")
    assert sentence in error


def _raise(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (UsageError("it is wrong"), 2, "wordaround: it is wrong\n"),
        (HarnessError("it [cannot] be"), 4, "wordaround: it [cannot] be\n"),
        (PermissionError(13, "Permission denied", "/a"), 4, "the machine refused: Permission denied (/a)\n"),
        (ZeroDivisionError("a bug"), 4, "ZeroDivisionError: a bug\n"),
    ],
)
def test_an_error_is_told_on_stderr_and_never_looks_like_a_verdict(
    error: BaseException, code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert console.code_of(lambda: _raise(error)) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith(sentence)
