"""The fenced blocks of a page: files to save, commands to run, what they print.

The words behind the language say what a block is: `yaml chaos/kill.yaml` is a file of that name, `yaml append
kill.yaml` its next lines, `text example` an output that differs from run to run. GitHub shows none of them.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_FENCE = re.compile(
    r"^(?P<fence>```+)(?P<language>\w+)(?: (?P<words>[^\n]+))?\n(?P<text>.*?)^(?P=fence)$", re.M | re.S
)
_NUMBER = re.compile(r"\d[\d.,]*")
OMITTED = "…"
_SHOWS_CODES = '; echo "exit code $?"'


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One fenced block."""

    language: str
    words: str
    text: str
    line: int

    def save(self, folder: Path) -> None:
        """Write the file that the block is, or go on writing it."""
        path = folder / self.words.removeprefix("append ")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if self.words.startswith("append ") else "w", encoding="utf-8") as file:
            file.write(self.text)


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page in their order."""
    return [
        Block(
            language=found["language"],
            words=found["words"] or "",
            text=found["text"],
            line=page.count("\n", 0, found.start()) + 1,
        )
        for found in _FENCE.finditer(page)
    ]


def run(script: str, folder: Path, *, timeout_s: float, **environment: str) -> str:
    """Run commands as a reader types them, in an environment in which WordAround is installed.

    Where the reader is shown exit codes they are for the reader to judge; else all have to be 0.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", *(() if _SHOWS_CODES in script else ("-e",)), "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}"
    return done.stdout


def missing(told: str, printed: str) -> list[str]:
    """Return the lines of a page's output that the real one lacks, in their order; numbers may differ."""
    rest = iter([_without_numbers(line) for line in printed.splitlines()])
    lines = [line for line in told.splitlines() if line.strip() not in ("", OMITTED)]
    return [line for line in lines if _without_numbers(line) not in rest]


def _without_numbers(line: str) -> str:
    return _NUMBER.sub("#", line.rstrip())
