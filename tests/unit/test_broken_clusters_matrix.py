"""The catalogue of planted bugs, and the matrix that is made of their runs."""

import json
import re
from pathlib import Path

from harness.records.guarantees import IMPLEMENTED
from harness.scenario.parse import parse
from tests.broken_clusters import matrix
from tests.broken_clusters.catalogue import BUGS
from tests.broken_clusters.runs import scenario


def test_the_catalogue_is_sound() -> None:
    assert len(BUGS) >= 30
    for bug in BUGS.values():
        assert bug.must, bug.name
        assert not set(bug.must) & set(bug.may), bug.name
        assert {*bug.must, *bug.may} <= set(IMPLEMENTED), bug.name


def test_every_guarantee_has_a_bug_that_breaks_it() -> None:
    assert {name for bug in BUGS.values() for name in bug.must} == set(IMPLEMENTED)


def test_every_bug_has_a_scenario_that_expects_it() -> None:
    for bug in BUGS.values():
        made = parse(scenario(bug), label=bug.name)
        assert made.cluster.command is not None
        assert bug.name in made.cluster.command
        assert made.expect.violates == bug.must


def _verdict(folder: Path, scenario_name: str, **words: str) -> None:
    folder.mkdir(parents=True)
    properties = [{"name": name.replace("_", "-"), "verdict": word} for name, word in words.items()]
    (folder / "verdict.json").write_text(json.dumps({"scenario": scenario_name, "properties": properties}))


def test_the_matrix_has_the_worst_word_of_all_runs_and_tells_what_is_wrong(tmp_path: Path) -> None:
    _verdict(tmp_path / "a" / "1", "alters-a-text", integrity="pass", complete_delivery="fail")
    _verdict(tmp_path / "a" / "2", "alters-a-text", integrity="fail", read_your_writes="fail")
    _verdict(tmp_path / "b", "swaps-a-sender", integrity="pass", presence="fail", availability="unknown")
    _verdict(tmp_path / "c", "node-kill", integrity="fail")
    right, wrong = matrix.collect(tmp_path)
    assert right.wrong == ""
    assert wrong.wrong == "not caught by integrity; also failed: presence"
    names, _, head, _, *rows = matrix.table([right, wrong]).splitlines()
    columns = [cell.strip() for cell in head.split("|")]
    cells = [dict(zip(columns, map(str.strip, row.split("|")), strict=True)) for row in rows]
    assert names.startswith("*ad* acked-durable, *cd* complete-delivery, ")
    assert (cells[0]["planted bug"], cells[1]["planted bug"]) == ("alters-a-text", "swaps-a-sender")
    assert [cells[0][c] for c in ("cd", "i", "ryw", "p")] == ["✘", "✘", "○", ""]
    assert [cells[1][c] for c in ("cd", "i", "p", "a")] == ["", "**–**", "**!**", "?"]


def test_the_published_matrix_has_every_bug_and_nothing_that_is_wrong() -> None:
    text = (Path(__file__).parents[2] / "docs" / "guarantees.md").read_text("utf-8")
    table = text.partition("| planted bug |")[2].partition("\n\n")[0]
    published = re.findall(r"^\| ([a-z-]+) \| ", table, re.MULTILINE)
    assert published == [bug.name for bug in BUGS.values()]
    assert matrix.MISSED not in table
    assert matrix.BEYOND not in table
