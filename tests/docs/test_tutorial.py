"""docs/tutorial.md: a class that types what stands there sees what stands there."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.scenario.parse import parse
from tests.docs.blocks import DOCS, Block, blocks, missing, run

PAGE = (DOCS / "tutorial.md").read_text("utf-8")
BLOCKS = blocks(PAGE)


def walk(steps: Iterable[Block], folder: Path) -> int:
    """Do what a reader does; return how many outputs were compared."""
    printed, compared = "", 0
    for block in steps:
        if block.language == "sh":
            printed = run(block.text, folder, timeout_s=240)
        elif block.language != "text":
            block.save(folder)
        elif not block.words:
            assert missing(block.text, printed) == [], f"line {block.line} of the page; printed:\n{printed}"
            compared += 1
    return compared


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_does_what_the_page_says(tmp_path: Path) -> None:
    assert walk(BLOCKS, tmp_path) >= 6
    assert (tmp_path / "diff.html").exists()


@pytest.mark.process
def test_the_broken_server_is_caught_as_the_page_says(tmp_path: Path) -> None:
    last_part = [block for block in BLOCKS if block.line > PAGE[: PAGE.index("## 4.")].count("\n")]
    until = next(place for place, block in enumerate(last_part) if block.language == "text")
    assert walk(last_part[: until + 1], tmp_path) == 1


def test_its_scenarios_are_right_and_its_programs_are_python(tmp_path: Path) -> None:
    for block in BLOCKS:
        if block.language in ("yaml", "python"):
            assert f"`{block.words.removeprefix('append ')}`" in PAGE, "the prose names what is to be saved"
            block.save(tmp_path)
    for path in tmp_path.glob("*.yaml"):
        parse(path.read_text(), label=path.name)
    assert len(list(map(_parsed, tmp_path.glob("*.py")))) == 2


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), path.name)


def test_a_lesson_lasts_45_minutes() -> None:
    assert sum(map(int, re.findall(r"^## .+\((\d+) minutes\)$", PAGE, re.MULTILINE))) == 45


@pytest.mark.parametrize(
    ("told", "printed", "lacks"),
    [
        ("a 1,234 b\n…\nlast", "a 7 b\nsomething\nlast", []),
        ("a\nb", "b\na", ["b"]),
        ("exit code 1x", "exit code 1", ["exit code 1x"]),
    ],
)
def test_outputs_are_compared_line_by_line_and_in_order(told: str, printed: str, lacks: list[str]) -> None:
    assert missing(told, printed) == lacks
