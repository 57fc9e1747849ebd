"""`docs/scenarios.md` tells every key, and its example works."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from harness.faults.registry import FAULTS
from harness.plan import make_plan
from harness.records.guarantees import IMPLEMENTED
from harness.records.steady import MEANINGS, PROBE_NAMES, UNITS
from harness.scenario.keys import FaultKeys
from harness.scenario.model import (
    LARGEST_SEED,
    MOST_NODES,
    MOST_USERS,
    Cluster,
    Expect,
    Limits,
    Load,
    Phases,
    Scenario,
)
from harness.scenario.parse import ScenarioError, parse
from harness.scenario.steady import SteadyProbe
from tests import reference

TEXT = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
SECTIONS = [
    (Scenario, "## Keys"),
    (Cluster, "### `cluster`"),
    (Load, "### `load`"),
    (Phases, "### `phases`"),
    (SteadyProbe, "### `steady_state`"),
    (Limits, "### `limits`"),
    (Expect, "### `expect`"),
]


def rows(heading: str) -> dict[str, str]:
    """Return the rows of a section's tables by the key that they explain."""
    section = TEXT.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    section = section.split("\nA probe wants")[0]  # what follows is a table of probes, not of keys
    return {row[1]: row[0] for row in re.finditer(r"^\| `([a-z_]+)[`.].*$", section, re.MULTILINE)}


@pytest.mark.parametrize(("model", "heading"), SECTIONS)
def test_every_key_is_explained(model: type[BaseModel], heading: str) -> None:
    assert set(model.model_fields) <= set(rows(heading))


def test_no_key_is_explained_that_is_not_there() -> None:
    for heading in {heading for _, heading in SECTIONS}:
        known = {key for model, at in SECTIONS if at == heading for key in model.model_fields}
        assert set(rows(heading)) <= known


def test_defaults_and_bounds_are_the_true_ones() -> None:
    for key, field in Limits.model_fields.items():
        if key == "max_unavailable":
            assert f"| 0 to {MOST_NODES} |" in rows("### `limits`")[key]
            continue
        assert f"| `{field.default:g}s` |" in rows("### `limits`")[key]
    assert f"| `{Cluster().nodes}` |" in rows("### `cluster`")["nodes"]
    assert f"1 to {MOST_NODES} |" in rows("### `cluster`")["nodes"]
    assert f"1 to {MOST_USERS} |" in rows("### `load`")["users"]
    assert f"| `{Load.model_fields['spawn_rate'].default:g}` |" in rows("### `load`")["spawn_rate"]
    assert f"0 to {LARGEST_SEED} |" in rows("## Keys")["seed"]


def test_what_is_made_from_the_code_is_as_the_code_has_it() -> None:
    assert reference.written(TEXT) == TEXT, "make reference"


def test_every_fault_has_a_section_with_its_own_keys_and_their_meaning() -> None:
    for name, kind in FAULTS.items():
        section = TEXT.split(f"#### `{name}`\n", 1)[1].split("\n#", 1)[0]
        own = set(kind.spec.keys.model_fields) - set(FaultKeys.model_fields) - {"from_", "direction"}
        for key in own:
            row = next(line for line in section.splitlines() if line.startswith(f"| `{key}`"))
            assert row.split("|")[-2].strip(), f"what does `{key}` of {name} mean?"


def test_every_guarantee_is_listed() -> None:
    listed = next(line for line in TEXT.splitlines() if line.startswith("| guarantee |"))
    assert re.findall(r"`([a-z-]+)`", listed) == list(IMPLEMENTED)


def test_every_probe_is_told_as_it_is_defined() -> None:
    units = {"share": "share", "seconds": "duration", "per second": "number", "nodes": "whole number"}
    for name in PROBE_NAMES:
        assert f"| `{name}` | {units[UNITS[name]]} | {MEANINGS[name]} |" in TEXT


def example() -> str:
    return TEXT.split("```yaml\n", 1)[1].split("```", 1)[0]


def test_the_example_works() -> None:
    plan = make_plan(parse(example(), label="example.yaml"), seed=1)
    assert (plan.scenario, len(plan.bots), plan.faults[0].fault) == ("first-kill", 10, "kill")


def test_the_mistakes_are_reported_as_shown() -> None:
    second = "  - {id: again, fault: kill, at: 4s, target: {role: node, mode: one}, restart_after: 4s}\n"
    text = example().replace("users", "user").replace("2s, steady", "3, steady") + second
    with pytest.raises(ScenarioError) as caught:
        parse(text, label="my-scenario.yaml")
    assert str(caught.value) in TEXT
