"""`cluster.command`: another program as node, from the scenario's text to the plan."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.backends import choose
from harness.backends import docker as docker_backend
from harness.cli import app
from harness.errors import UsageError
from harness.placeholders import PLACEHOLDERS, fill, names_in
from harness.plan import make_plan
from harness.records.codec import dump_json, load_json
from harness.records.plan import Plan
from harness.scenario.library import check_backend, load
from harness.scenario.parse import ScenarioError, parse
from harness.timeline import timeline

DOCS = Path(__file__).parents[2] / "docs" / "scenarios.md"


def text_of(cluster: str) -> str:
    return f"""\
version: 1
name: foreign
cluster: {{{cluster}}}
load: {{users: 2, messages_per_second: 1}}
phases: {{warmup: 1s, steady: 1s, chaos: 1s, recovery: 1s}}
faults: []
"""


def plan_of(cluster: str) -> Plan:
    return make_plan(parse(text_of(cluster), label="foreign.yaml"), seed=1)


def mistake(cluster: str) -> tuple[int, str]:
    """Return the column and the sentence of the only mistake."""
    with pytest.raises(ScenarioError) as caught:
        parse(text_of(cluster), label="foreign.yaml")
    (problem,) = caught.value.problems
    assert problem.position.line == 3
    return problem.position.column, problem.sentence


def test_the_command_is_in_the_plan_as_it_was_written() -> None:
    plan = plan_of("""command: [node, " a b ", "{port}", "{{port}}"], ready: "{url}/up" """)
    assert plan.cluster.command == ("node", " a b ", "{port}", "{{port}}")
    assert plan.cluster.ready == "{url}/up"
    again = load_json(Plan, dump_json(plan))
    assert again == plan
    assert "each node is `node ' a b ' '{port}' '{{port}}'`" in "\n".join(timeline(plan))


def test_without_a_command_the_node_is_ours() -> None:
    plan = plan_of("nodes: 2")
    assert (plan.cluster.command, plan.cluster.ready) == (None, None)
    assert "each node is" not in "\n".join(timeline(plan))


@pytest.mark.parametrize(
    ("cluster", "column", "sentence"),
    [
        (
            """command: [node, "{prot}"]""",
            27,
            "has an unknown placeholder {prot}; did you mean 'port'? ({{prot}} is the word in braces)",
        ),
        (
            """command: [node, "{x}"]""",
            27,
            f"has an unknown placeholder {{x}}; there are {', '.join(PLACEHOLDERS)} "
            "({{x}} is the word in braces)",
        ),
        ("command: [node, {port}]", 27, "wants a text, not a mapping; a placeholder needs quotes: '{port}'"),
        ("command: [node, 8]", 27, "wants a text, not the number 8; quotes make it a text"),
        ("command: node", 20, "wants a list, not the text 'node'"),
        ("command: []", 20, "wants a program and its arguments; the program is missing"),
        ("""command: ["", -m]""", 20, "wants a program and its arguments; the program is missing"),
        (
            r"""command: [node, "\0"]""",
            27,
            "wants an argument of a command, which cannot hold the character U+0000",
        ),
    ],
)
def test_mistakes_in_a_command_are_told_in_their_place(cluster: str, column: int, sentence: str) -> None:
    assert mistake(cluster) == (column, f"`command` {sentence}")


@pytest.mark.parametrize(
    ("cluster", "column", "sentence"),
    [
        ("ready: http://127.0.0.1:1/", 18, "goes with `command` only; our own node has its own"),
        (
            "command: [x], ready: localhost",
            32,
            "wants an http:// URL like '{url}/ready', not the text 'localhost'",
        ),
        ("command: [x], ready: 'http://{hots}/'", 32, "has an unknown placeholder {hots}"),
    ],
)
def test_mistakes_in_the_ready_url_are_told_in_their_place(cluster: str, column: int, sentence: str) -> None:
    at, told = mistake(cluster)
    assert at == column
    assert told.startswith(f"`ready` {sentence}")


def test_a_wrong_command_makes_no_second_mistake_of_its_ready_url() -> None:
    assert mistake("command: node, ready: 'http://x/'")[1] == "`command` wants a list, not the text 'node'"


def test_words_in_braces_are_filled_in_and_other_braces_stay() -> None:
    text = '{"a": 1} {port}{name} {{port}} ${{name}} { } {} }{'
    assert list(names_in(text)) == ["port", "name"]
    assert fill(text, {"port": "7", "name": "node-1"}) == '{"a": 1} 7node-1 {port} ${name} { } {} }{'


def test_the_docker_backend_is_refused_in_its_place(tmp_path: Path) -> None:
    file = tmp_path / "foreign.yaml"
    file.write_text(text_of("nodes: 2, command: [node]"))
    source = load(str(file))
    check_backend(source, "process")
    check_backend(source, "auto")
    with pytest.raises(ScenarioError, match=r"foreign\.yaml:3:21: `command` starts processes"):
        check_backend(source, "docker")


def test_the_command_line_refuses_the_docker_backend_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "foreign.yaml").write_text(text_of("command: [node]"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["run", "foreign.yaml", "--backend", "docker"])
    assert isinstance(done.exception, UsageError)
    assert done.exception.exit_code == 2
    assert "foreign.yaml:3:11: `command` starts processes" in str(done.exception)
    assert not (tmp_path / "runs").exists()


def test_auto_takes_processes_without_asking_for_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> None:
        raise AssertionError("the engine was asked")

    monkeypatch.setattr(docker_backend, "available", asked)
    backend, reason = choose.choose("auto", print, foreign=True)
    assert (backend.name, reason) == (
        "process", "auto: the scenario has a command of its own for its nodes"
    )  # fmt: skip


def test_every_placeholder_is_explained() -> None:
    section = DOCS.read_text(encoding="utf-8").split("### `cluster`", 1)[1].split("\n### ", 1)[0]
    assert re.findall(r"^\| `\{([a-z_]+)\}`", section, re.MULTILINE) == list(PLACEHOLDERS)
