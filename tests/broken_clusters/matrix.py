"""The matrix bug × check, from the verdicts of runs of broken clusters."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.records.guarantees import GUARANTEES
from tests.broken_clusters.catalogue import BUGS
from tests.broken_clusters.planting import Bug

CAUGHT, UNKNOWN, PASSED = "**✘**", "?", ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What the checks said of one bug's runs: of each, its worst word."""

    bug: Bug
    words: Mapping[str, str]

    @property
    def failed(self) -> frozenset[str]:
        """The guarantees that failed."""
        return frozenset(name for name, word in self.words.items() if word == "fail")

    @property
    def wrong(self) -> str:
        """What is not as the catalogue says; empty where all is."""
        missed = sorted(set(self.bug.must) - self.failed)
        beyond = sorted(self.failed - {*self.bug.must, *self.bug.may})
        parts = [f"not caught by {', '.join(missed)}"] if missed else []
        return "; ".join([*parts, *([f"also failed: {', '.join(beyond)}"] if beyond else [])])


def collect(runs: Path) -> tuple[Row, ...]:
    """Return a row for each bug that a run below this folder belongs to, in the catalogue's order."""
    words: dict[str, dict[str, str]] = {}
    for file in sorted(runs.rglob("verdict.json")):
        verdict = json.loads(file.read_bytes())
        if verdict["scenario"] in BUGS:
            row = words.setdefault(verdict["scenario"], {})
            for found in verdict["properties"]:
                row[found["name"]] = _worse(row.get(found["name"], "pass"), found["verdict"])
    return tuple(Row(bug=bug, words=words[name]) for name, bug in BUGS.items() if name in words)


def _worse(one: str, other: str) -> str:
    order = ("n/a", "pass", "unknown", "fail")
    return max(one, other, key=order.index)


def table(rows: Iterable[Row]) -> str:
    """Return the matrix as Markdown: a row for each bug, a column for each guarantee."""
    names = tuple(GUARANTEES)
    lines = [f"| planted bug | {' | '.join(names)} |", f"|---|{'|'.join([':-:'] * len(names))}|"]
    for row in rows:
        cells = " | ".join(_cell(row.words.get(name, "n/a")) for name in names)
        lines.append(f"| `{row.bug.name}` | {cells} |".replace("  |", " |"))
    return "\n".join(lines) + "\n"


def _cell(word: str) -> str:
    return {"fail": CAUGHT, "unknown": UNKNOWN, "n/a": "–"}.get(word, PASSED)
