"""The catalogue of planted bugs, and the matrix that is made of their runs."""

import json
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
    _verdict(tmp_path / "a" / "1", "duplicates-live", no_duplicates="pass", total_order="pass")
    _verdict(tmp_path / "a" / "2", "duplicates-live", no_duplicates="fail", total_order="unknown")
    _verdict(tmp_path / "b", "swaps-a-sender", integrity="pass", presence="fail")
    _verdict(tmp_path / "c", "node-kill", integrity="fail")
    live, swapped = matrix.collect(tmp_path)
    assert (live.failed, live.wrong) == ({"no-duplicates"}, "")
    assert swapped.wrong == "not caught by integrity; also failed: presence"
    rows = matrix.table([live, swapped]).splitlines()
    assert rows[2].startswith("| `duplicates-live` | – | – | **✘** | – | ? | –")
    assert len({row.count("|") for row in rows}) == 1
