"""docs/commands.md tells every command and option as `--help` does."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import cli
from tests import reference

PAGE = Path(__file__).parents[3] / "docs" / "commands.md"
TEXT = PAGE.read_text("utf-8")

Command = Callable[..., tuple[int, str, str]]


def leaves() -> list[tuple[str, ...]]:
    """Return the words of every command that does something."""
    words = []
    for name in cli.COMMANDS:
        subs = getattr(cli.load(name), "commands", None)
        words += [(name, sub) for sub in subs] if subs else [(name,)]
    return words


def section(words: tuple[str, ...]) -> str:
    _, _, rest = TEXT.partition(f"### `wordaround {' '.join(words)}")
    return rest.partition("\n###")[0]


def test_the_page_is_as_the_code_has_it() -> None:
    assert reference.written(TEXT) == TEXT, "make reference"


@pytest.mark.parametrize("words", leaves(), ids=" ".join)
def test_what_help_prints_is_on_the_page(words: tuple[str, ...], command: Command) -> None:
    """The page is made from what Typer knows; this is what Typer prints."""
    _, said, _ = command(*words, "--help")
    cells = [line.split() for line in said.splitlines() if line.startswith(("│ --", "│ *", "│   "))]
    options = [cell[1] for cell in cells if cell[1].startswith("--") and cell[1] != "--help"]
    assert options or words == ("report",)
    for option in options:
        assert f"| `{option}" in section(words)


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 130])
def test_every_exit_code_is_on_the_page(code: int) -> None:
    assert f"`{code}` " in TEXT.partition("**Output.**")[0]
