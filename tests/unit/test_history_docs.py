"""docs/history.md says what the code does: operations, flags, names, the manifest."""

import json
import re
from pathlib import Path

from harness.foreign import Manifest
from harness.records.codec import load_json
from harness.records.history import STRING_OPERANDS, Op
from harness.records.jsonl import SHAPES

TEXT = (Path(__file__).parents[2] / "docs" / "history.md").read_text("utf-8")


def _rows() -> dict[str, list[str]]:
    table = [line for line in TEXT.splitlines() if re.match(r"\| \d+ \|", line)]
    return {cells[1]: cells for cells in ([c.strip() for c in line.strip("|").split("|")] for line in table)}


def test_every_operation_is_in_the_table_with_its_number_and_its_strings() -> None:
    rows = _rows()
    assert {name: int(cells[0]) for name, cells in rows.items()} == {op.name: int(op) for op in Op}
    for op in Op:
        starred = {operand for operand, cell in zip("abcd", rows[op.name][2:6], strict=True) if "*" in cell}
        assert starred == set(STRING_OPERANDS[op]), op


def test_every_flag_is_in_the_table() -> None:
    for op, shape in SHAPES.items():
        told = dict(re.findall(r"(\d) ([a-z ]+)", _rows()[op.name][6]))
        wanted = {str(flag): name.replace("_", " ") for name, flag in shape.flags.items()}
        wanted = {flag: "read to its end" if name == "complete" else name for flag, name in wanted.items()}
        assert {flag: name.strip() for flag, name in told.items()} == wanted, op


def test_every_name_of_the_json_lines_is_told() -> None:
    part = TEXT.partition("## As JSON lines")[2].partition("## A foreign history")[0]
    names = {name for shape in SHAPES.values() for name in (*shape.operands.values(), *shape.flags)}
    assert names <= set(re.findall(r"`([a-z_]+)`", part))


def test_the_manifest_that_is_shown_is_one() -> None:
    shown = TEXT.partition("## A foreign history")[2].partition("```json\n")[2].partition("```")[0]
    assert load_json(Manifest, json.dumps(json.loads(shown))).rooms == ("room-1",)
