"""Finding scenarios: files, shipped ones by name, and sentences for what is neither."""

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.plan import make_plan
from harness.records.plan import Plan
from harness.scenario.library import load, shipped
from harness.scenario.parse import ScenarioError

LEAST = """\
version: 1
name: least
load: {users: 2, messages_per_second: 1}
phases: {warmup: 1s, steady: 1s, chaos: 1s, recovery: 1s}
faults: []
"""


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Shipped scenarios must be found wherever the user is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(LEAST)
    source = load("mine.yaml")
    assert (source.argument, source.text, source.scenario.name) == ("mine.yaml", LEAST, "least")


def test_a_file_goes_before_a_shipped_scenario_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "node-kill").write_text(LEAST)
    assert load("node-kill").scenario.name == "least"


def test_a_folder_of_that_name_hides_no_shipped_scenario(tmp_path: Path) -> None:
    (tmp_path / "node-kill").mkdir()
    assert load("node-kill").scenario.name == "node-kill"


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("node-kil", "neither a file nor a shipped scenario called 'node-kil'; did you mean 'node-kill'?"),
        ("scenarios/node-kill.yaml", "there is no file scenarios/node-kill.yaml; did you mean 'node-kill'?"),
        ("somewhere/else.yml", "there is no file somewhere/else.yml\n"),
        (".", ". is a folder, not a scenario"),
        ("", "is a folder, not a scenario"),
        ("no\0name", "neither a file nor a shipped scenario called"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(argument: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(argument)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith("shipped scenarios: " + ", ".join(shipped()))


def test_mistakes_carry_the_name_that_the_user_gave(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(LEAST.replace("users", "user"))
    with pytest.raises(ScenarioError, match=r"wrong\.yaml:3:8: unknown key `user`"):
        load("./wrong.yaml")


def test_a_file_that_is_no_text_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "photo.yaml").write_bytes(b"version: 1\n\xff\xd8")
    with pytest.raises(UsageError, match=r"photo\.yaml is no UTF-8 text: see byte 11"):
        load("photo.yaml")


# --- What ships ------------------------------------------------------------------------------------------


def plan_of(name: str, seed: int = 1) -> Plan:
    return make_plan(load(name).scenario, seed=seed)


@pytest.mark.parametrize("name", list(shipped()))
def test_every_shipped_scenario_is_sound(name: str) -> None:
    scenario = load(name).scenario
    assert scenario.name == name.rpartition("/")[2]
    assert scenario.description
    assert scenario.seed is None


def test_the_two_kills_differ_in_delivery_and_expectation_only() -> None:
    durable, pubsub = plan_of("node-kill"), plan_of("pubsub-node-kill")
    assert (durable.cluster.delivery, pubsub.cluster.delivery) == ("durable", "pubsub")
    assert durable.expect.verdict == "pass"
    assert (pubsub.expect.verdict, pubsub.expect.violates) == ("fail", ("complete-delivery",))
    assert (durable.bots, durable.phases, durable.faults) == (pubsub.bots, pubsub.phases, pubsub.faults)


def test_node_kill_is_what_the_demo_promises() -> None:
    plan = plan_of("node-kill")
    assert (len(plan.cluster.nodes), len(plan.bots), len(plan.rooms)) == (3, 30, 3)
    assert plan.messages_per_second == 60
    assert plan.load_s <= 35  # leaves ten seconds of 45 for start and end
    (crash,) = plan.faults
    assert (crash.fault, crash.restart_after_s, len(crash.targets)) == ("kill", 5.0, 1)


def test_over_many_seeds_every_node_is_killed_sometimes() -> None:
    hit = {plan_of("node-kill", seed).faults[0].targets for seed in range(50)}
    assert hit == {("node-1",), ("node-2",), ("node-3",)}
