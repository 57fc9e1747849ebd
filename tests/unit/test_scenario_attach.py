"""`cluster.attach`: nodes that run already, from the scenario's text to the plan, and who is refused."""

from pathlib import Path

import pytest

from harness.backends import choose
from harness.plan import make_plan
from harness.records.codec import dump_json, load_json
from harness.records.plan import Plan
from harness.scenario.library import check_backend, check_faults, check_targets, load
from harness.scenario.parse import ScenarioError, parse
from harness.timeline import timeline

DOCS = Path(__file__).parents[2] / "docs"
TWO = 'attach: ["http://127.0.0.1:5001/", "http://127.0.0.1:5002"]'
FREEZE = "{id: f, fault: command, at: 1s, target: {role: node, mode: one}, inject: [a], prove: [b]}"


def text_of(
    cluster: str, *, faults: str = "[]", more: str = "", steady: str = "2s", recovery: str = "4s"
) -> str:
    return f"""\
version: 1
name: attached
cluster: {{{cluster}}}
load: {{users: 2, messages_per_second: 1}}
phases: {{warmup: 1s, steady: {steady}, chaos: 3s, recovery: {recovery}}}
faults: {faults}
{more}"""


def plan_of(cluster: str, **keys: str) -> Plan:
    return make_plan(parse(text_of(cluster, **keys), label="attached.yaml"), seed=1)


def mistakes(cluster: str, **keys: str) -> list[tuple[int, int, str]]:
    with pytest.raises(ScenarioError) as caught:
        parse(text_of(cluster, **keys), label="attached.yaml")
    return [(p.position.line, p.position.column, p.sentence) for p in caught.value.problems]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "attached.yaml"
    path.write_text(text_of(TWO))
    return path


def test_the_plan_has_a_node_for_each_url_and_no_redis() -> None:
    plan = plan_of(TWO)
    assert plan.cluster.attach == ("http://127.0.0.1:5001", "http://127.0.0.1:5002")
    assert plan.cluster.nodes == plan.cluster.members == ("node-1", "node-2")
    assert {bot.first_node for bot in plan.bots} == {"node-1", "node-2"}
    assert load_json(Plan, dump_json(plan)) == plan
    assert (
        "attached, and not started: node-1 http://127.0.0.1:5001, node-2 http://127.0.0.1:5002"
        in "\n".join(timeline(plan))
    )


def test_targets_are_drawn_from_the_attached_nodes() -> None:
    hit = {
        make_plan(parse(text_of(TWO, faults=f"[{FREEZE}]"), label="x"), seed=seed).faults[0].targets
        for seed in range(20)
    }
    assert hit == {("node-1",), ("node-2",)}


@pytest.mark.parametrize("url", ["http://[::1]:5001", "http://chat.example", "http://localhost:80"])
def test_urls_of_every_kind_of_host(url: str) -> None:
    assert plan_of(f'attach: ["{url}"]').cluster.attach == (url,)


@pytest.mark.parametrize(
    "url",
    ["https://a:1", "http://a/b", "http://a:1?x", "http://a:1#x", "http://me:pw@a:1", "http://", "a:1", "http://a:x",
     "http://a:0", "http://a:70000", "http://[::1", "http://a b:1", ""],
)  # fmt: skip
def test_what_is_no_plain_url_of_a_node_is_a_mistake(url: str) -> None:
    ((line, column, sentence),) = mistakes(f'attach: ["http://127.0.0.1:1", "{url}"]')
    assert (line, column) == (3, 42)
    assert sentence.startswith(
        "`attach` wants the http://HOST:PORT of a node, without path, user or query, not"
    )


@pytest.mark.parametrize(
    ("cluster", "column", "sentence"),
    [
        ("attach: []", 19, "`attach` wants the URL of each node; there is none"),
        ("attach: http://127.0.0.1:1", 19, "`attach` wants a list, not the text 'http://127.0.0.1:1'"),
        (f"nodes: 2, {TWO}", 18, "`nodes` does not go with `attach`, which uses nodes as they run already"),
        (f"{TWO}, redis: {{appendfsync: no}}", 79, "`redis` does not go with `attach`, which uses"),
        (f"{TWO}, command: [x]", 81, "`command` does not go with `attach`, which uses"),
        ('attach: ["http://a:1", "http://b:1", "http://a:1/"]', 48, "'http://a:1' is here twice"),
        (f"attach: {[f'http://a:{p}' for p in range(1, 34)]}", 19, "`attach` wants 32 nodes at most"),
    ],
)
def test_mistakes_are_told_in_their_place(cluster: str, column: int, sentence: str) -> None:
    ((line, at, told),) = mistakes(cluster)
    assert (line, at) == (3, column)
    assert told.startswith(sentence)


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (
            "{role: redis, mode: all}",
            "an attached cluster has no Redis that we know; there are node-1, node-2",
        ),
        ("{name: redis}", "there is no member 'redis'; there are node-1, node-2"),
        ("{name: node-3}", "there is no member 'node-3'; there are node-1, node-2"),
        ("{role: node, mode: fixed, value: 3}", "wants 3 of role node; there are 2 to choose from"),
    ],
)
def test_targets_that_an_attached_cluster_has_not(target: str, sentence: str) -> None:
    faults = f"[{FREEZE.replace('{role: node, mode: one}', target)}]"
    ((line, _, told),) = mistakes(TWO, faults=faults)
    assert (line, told) == (6, sentence)


# --- The steady state ---------------------------------------------------------------------------------------


def test_an_attached_cluster_has_a_steady_state_also_where_nobody_asks_for_one() -> None:
    assert [(bound.probe, str(bound)) for bound in plan_of(TWO).steady_state] == [
        ("delivery_ratio", "at least 0.999"),
        ("ready_nodes", "at least 2"),
    ]
    assert plan_of(TWO, more="steady_state: []").steady_state == plan_of(TWO).steady_state
    assert plan_of("nodes: 2").steady_state == ()


def test_its_own_steady_state_stands_in_the_place_of_that() -> None:
    plan = plan_of(TWO, more="steady_state: [{probe: ack_ratio, min: 0.5}]")
    assert [bound.probe for bound in plan.steady_state] == ["ack_ratio"]


def test_phases_too_short_to_measure_it_in_are_mistakes() -> None:
    told = [sentence for _, _, sentence in mistakes(TWO, steady="1s", recovery="3s")]
    assert len(told) == 2
    assert "2s at least" in told[0]
    assert "4s at least" in told[1]


# --- Backends, faults and targets that are refused ----------------------------------------------------------


@pytest.mark.parametrize("backend", ["process", "docker"])
def test_other_backends_are_refused_in_their_place(backend: str, file: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        check_backend(load(str(file)), backend)
    assert (
        f"attached.yaml:3:11: `attach` uses nodes that run already, and `--backend {backend}` starts its "
        "own; leave it out" in str(caught.value)
    )


@pytest.mark.parametrize("backend", ["auto", "attach"])
def test_attach_and_auto_are_taken(backend: str, file: Path) -> None:
    check_backend(load(str(file)), backend)
    chosen, reason = choose.choose(backend, print, attached=True)
    assert chosen.name == "attach"
    assert reason in ("asked for", "auto: the scenario attaches to nodes that run already")


def test_the_backend_attach_wants_a_scenario_that_attaches(file: Path) -> None:
    file.write_text(text_of("nodes: 2"))
    with pytest.raises(ScenarioError, match=r"attached\.yaml:3:1: `--backend attach` wants the URLs"):
        check_backend(load(str(file)), "attach")
    file.write_text(text_of("nodes: 2").replace("cluster: {nodes: 2}\n", ""))
    with pytest.raises(ScenarioError, match=r"attached\.yaml:1:1: `--backend attach` wants the URLs"):
        check_backend(load(str(file)), "attach")


def test_a_fault_that_is_no_command_is_refused_with_the_reason_and_its_alternatives(file: Path) -> None:
    kill = "{id: k, fault: kill, at: 2s, target: {name: node-1}, restart_after: 1s}"
    file.write_text(text_of(TWO, faults=f"[{FREEZE}, {kill}]"))
    with pytest.raises(ScenarioError) as caught:
        check_faults(load(str(file)), "attach")
    assert "the fault `kill` cannot be had with `--backend attach`: the members of an attached" in str(
        caught.value
    )
    assert "it can be had with `--backend process` and `--backend docker`" in str(caught.value)


def test_every_target_that_is_not_this_machine_is_told_in_its_place(file: Path) -> None:
    file.write_text(text_of('attach: ["http://127.0.0.1:1", "http://192.0.2.1:1", "http://[2001:db8::1]:1"]'))
    source = load(str(file))
    error = check_targets(source, ())
    assert error is not None
    first, second = error.problems
    assert (first.position.line, first.position.column) == (3, 42)
    assert first.sentence.startswith("192.0.2.1 is not this machine; ")
    assert second.sentence.endswith("add `--allow-remote 2001:db8::1`")
    assert check_targets(source, ("192.0.2.1",)) is not None
    assert check_targets(source, ("192.0.2.1", "2001:db8::1")) is None


# --- The guides ---------------------------------------------------------------------------------------------


def test_the_examples_of_the_guide_work() -> None:
    guide = (DOCS / "scenarios.md").read_text(encoding="utf-8")
    cluster = next(part for part in guide.split("```yaml\n") if part.startswith("cluster:\n  attach:"))
    faults = next(part for part in guide.split("```yaml\n") if "fault: command" in part)
    head = "version: 1\nname: guide\nload: {users: 2, messages_per_second: 1}\n"
    phases = "phases: {warmup: 1s, steady: 2s, chaos: 6s, recovery: 4s}\n"
    text = head + phases + cluster.split("```")[0] + faults.split("```")[0]
    plan = make_plan(parse(text, label="guide.yaml"), seed=1)
    assert len(plan.cluster.attach) == 3
    assert plan.faults[0].settings["inject"] == ("docker", "compose", "kill", "-s", "SIGSTOP", "{name}")


def test_the_example_of_the_guide_to_attaching_works() -> None:
    guide = (DOCS / "attach.md").read_text(encoding="utf-8")
    plan = make_plan(parse(guide.split("```yaml\n")[1].split("```")[0], label="attached.yaml"), seed=1)
    assert plan.cluster.attach == tuple(f"http://127.0.0.1:500{number}" for number in (1, 2, 3))
    assert plan.faults[0].targets[0] in plan.cluster.nodes
