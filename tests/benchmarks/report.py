"""What a benchmark run found, as one JSON document, and the Markdown that is made of it."""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.backends.redis_binary import find_redis_binary
from tests.benchmarks import cpu

SCHEMA = 1


@dataclass(slots=True)
class Report:
    """`results` has a key for each benchmark that was run; the shape of its value is that benchmark's."""

    command: list[str]
    machine: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the document."""
        document = {
            "schema": SCHEMA,
            "command": self.command,
            "machine": self.machine,
            "results": self.results,
        }
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Parse what `to_json` returned.

        Raises:
            ValueError: it is another document, or of another version.
        """
        document = json.loads(text)
        if document.get("schema") != SCHEMA:
            raise ValueError(f"this is no benchmark result of schema {SCHEMA}")
        return cls(document["command"], document["machine"], document["results"])


def this_machine() -> dict[str, Any]:
    """Return what the numbers depend on; nothing that names the machine or its paths."""
    return {
        "cpu": _cpu_model(),
        "cores": cpu.cores(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "redis": str(find_redis_binary()),
        "node": _first_line("node", "--version"),
        "commit": _first_line("git", "describe", "--always", "--dirty"),
    }


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """Return the lines of a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(*command: str) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def note(line: str) -> None:
    """Tell the person at the terminal how it goes; tables alone go to stdout."""
    print(line, file=sys.stderr, flush=True)
