"""docs/adding-a-fault.md is true: its fault and its test work as they stand there, and the fault is short."""

import ast
import re
from pathlib import Path

import pytest

from harness.faults import registry

TEXT = (Path(__file__).parents[2] / "docs" / "adding-a-fault.md").read_text(encoding="utf-8")
FAULT_SOURCE, TEST_SOURCE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def defined(source: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(compile(source, "docs/adding-a-fault.md", "exec"), names)
    return names


@pytest.mark.parametrize(
    "backend_name",
    [pytest.param("process", marks=pytest.mark.process), pytest.param("docker", marks=pytest.mark.docker)],
)
def test_the_example_fault_passes_the_example_test(backend_name, clusters, monkeypatch):
    kind = next(
        value
        for value in defined(FAULT_SOURCE).values()
        if isinstance(value, type) and hasattr(value, "spec")
    )
    test = defined(TEST_SOURCE)
    monkeypatch.setitem(registry.FAULTS, kind.spec.name, kind)
    assert test["FAULT"] == kind.spec.name

    with clusters.borrow(backend_name, kind.spec.needs) as cluster:
        (run,) = [value for name, value in test.items() if name.startswith("test_")]
        run(cluster)


@pytest.mark.parametrize("name", registry.FAULTS)
def test_a_fault_has_a_test_file_that_runs_it_on_each_backend_that_it_claims(name):
    tests = Path(__file__).with_name(f"test_{name.replace('-', '_')}.py").read_text(encoding="utf-8")
    assert f'\nFAULT = "{name}"\n' in tests
    assert re.search(r"^def test_\w+\(cluster\b", tests, re.MULTILINE)


def verbs_of_the_example() -> list[ast.FunctionDef]:
    (made,) = [node for node in ast.parse(FAULT_SOURCE).body if isinstance(node, ast.ClassDef)]
    return [node for node in made.body if isinstance(node, ast.FunctionDef)]


def test_the_verbs_of_the_example_say_their_types_as_the_linter_of_a_real_one_wants():
    for verb in verbs_of_the_example():
        assert verb.returns is not None, verb.name
        assert all(each.annotation is not None for each in verb.args.args[1:]), verb.name


def test_the_verbs_of_the_example_take_thirty_lines():
    verbs = verbs_of_the_example()
    assert sum(verb.end_lineno - verb.lineno + 1 for verb in verbs) <= 30
