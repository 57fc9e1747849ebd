"""The matrix bug × check, from the verdicts of runs of broken clusters."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.records.guarantees import GUARANTEES
from tests.broken_clusters.catalogue import BUGS
from tests.broken_clusters.planting import Bug

MISSED, BEYOND, UNKNOWN = "**–**", "**!**", "?"
_WORDS = ("n/a", "pass", "unknown", "fail")  # from the least to the worst


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What the checks said of one bug: of all its runs the worst word of each."""

    bug: Bug
    words: Mapping[str, str]

    @property
    def wrong(self) -> str:
        """What is not as the catalogue says; empty where all is."""
        failed = {name for name, word in self.words.items() if word == "fail"}
        missed = sorted(set(self.bug.must) - failed)
        beyond = sorted(failed - {*self.bug.must, *self.bug.may})
        parts = [f"not caught by {', '.join(missed)}"] if missed else []
        return "; ".join([*parts, *([f"also failed: {', '.join(beyond)}"] if beyond else [])])

    def mark(self, name: str) -> str:
        """Return the mark of a check."""
        match self.words.get(name):
            case "fail" if name in self.bug.must:
                return "✘"
            case "fail":
                return "○" if name in self.bug.may else BEYOND
            case _ if name in self.bug.must:
                return MISSED
            case "unknown":
                return UNKNOWN
        return ""


def collect(runs: Path) -> tuple[Row, ...]:
    """Return a row for each bug that has runs below this folder, in the catalogue's order.

    Those that nothing can catch yet are left out.
    """
    words: dict[str, dict[str, str]] = {}
    for file in sorted(runs.rglob("verdict.json")):
        verdict = json.loads(file.read_bytes())
        row = words.setdefault(verdict["scenario"], {})
        for found in verdict["properties"]:
            row[found["name"]] = max(row.get(found["name"], "n/a"), found["verdict"], key=_WORDS.index)
    return tuple(Row(bug=bug, words=words[name]) for name, bug in BUGS.items() if name in words)


def table(rows: Iterable[Row]) -> str:
    """Return the matrix as Markdown: ✘ what must fail, ○ what may and did, and what is wrong in bold."""
    names = tuple(GUARANTEES)
    short = {name: "".join(part[0] for part in name.split("-")) for name in names}
    short.update({"convergence": "co", "causal-order": "cs"})
    lines = [
        ", ".join(f"*{short[name]}* {name}" for name in names) + ".",
        "",
        f"| planted bug | what the node does | {' | '.join(short.values())} |",
        f"|---|---|{'---|' * len(names)}",
    ]
    for row in rows:
        marks = " | ".join(map(row.mark, names))
        lines.append(f"| {row.bug.name} | {row.bug.sentence.removesuffix('.')} | {marks} |")
    return "\n".join(lines) + "\n"
