"""A scenario in YAML: what it becomes, and that all its mistakes are reported at once, each in its place."""

import re
from collections.abc import Mapping

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.faults.registry import FAULTS
from harness.records.plan import Limits
from harness.scenario.model import FAULT_MODELS, FAULT_NAMES, Scenario
from harness.scenario.parse import ScenarioError, parse

# The lines of a scenario by name, so that a test can exchange one and knows where it stands.
LINES: Mapping[str, str] = {
    "version": "version: 1",
    "name": "name: two-kills",
    "description": "description: Two nodes go, one after the other.",
    "seed": "seed: 4711",
    "cluster": "cluster:",
    "nodes": "  nodes: 3",
    "delivery": "  delivery: durable",
    "redis": "  redis: {appendfsync: always}",
    "load": "load:",
    "users": "  users: 30",
    "spawn_rate": "  spawn_rate: 15",
    "rooms": "  rooms: 3",
    "rate": "  messages_per_second: 60",
    "phases": "phases:",
    "warmup": "  warmup: 3s",
    "steady": "  steady: 5s",
    "chaos": "  chaos: 20s",
    "recovery": "  recovery: 6s",
    "faults": "faults:",
    "first.id": "  - id: first",
    "first.fault": "    fault: kill",
    "first.at": "    at: 2s",
    "first.target": "    target: {name: node-1}",
    "first.restart": "    restart_after: 5s",
    "second.id": "  - id: second",
    "second.fault": "    fault: kill",
    "second.at": "    at: 4s",
    "second.target": "    target: {role: node, mode: one, exclude: first}",
    "second.restart": "    restart_after: 5s",
    "checks": "checks: [complete-delivery, total-order, reconnection]",
    "limits": "limits:",
    "reconnection": "  reconnection: 4s",
    "drain": "  drain: 10s",
    "expect": "expect:",
    "verdict": "  verdict: fail",
    "violates": "  violates: [complete-delivery]",
    "may_violate": "  may_violate: [total-order]",
}


def text_of(**changed: str | None) -> str:
    """Return the scenario with some lines exchanged, or left out (`None`); `_` in names stands for `.`."""
    lines = {**LINES, **changed}
    return "".join(f"{line}\n" for line in lines.values() if line is not None)


def mistakes(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(ScenarioError) as caught:
        parse(text, label="test.yaml")
    return [
        (problem.position.line, problem.position.column, problem.sentence)
        for problem in caught.value.problems
    ]


def line_of(name: str) -> int:
    return list(LINES).index(name) + 1


def only_mistake(**changed: str | None) -> tuple[int, int, str]:
    found = mistakes(text_of(**changed))
    assert len(found) == 1, found
    return found[0]


# --- What it becomes -------------------------------------------------------------------------------------


def test_every_key_arrives() -> None:
    scenario = parse(text_of(), label="test.yaml")
    assert (scenario.name, scenario.seed) == ("two-kills", 4711)
    assert (scenario.cluster.nodes, scenario.cluster.delivery) == (3, "durable")
    assert scenario.cluster.redis.appendfsync == "always"
    assert (scenario.load.users, scenario.load.spawn_rate, scenario.load.rooms) == (30, 15.0, 3)
    assert scenario.load.messages_per_second == 60.0
    assert (scenario.phases.warmup, scenario.phases.recovery) == (3.0, 6.0)
    assert [(fault.id, fault.at, fault.restart_after) for fault in scenario.faults] == [
        ("first", 2.0, 5.0),
        ("second", 4.0, 5.0),
    ]
    assert scenario.faults[1].target.exclude == "first"
    assert scenario.checks == ("complete-delivery", "total-order", "reconnection")
    assert (scenario.limits.reconnection, scenario.limits.drain) == (4.0, 10.0)
    assert scenario.expect.may_violate == ("total-order",)


def test_what_is_left_out_has_the_documented_default() -> None:
    text = """
        version: 1
        name: least
        load: {users: 2, messages_per_second: 0.5}
        phases: {warmup: 1s, steady: 0s, chaos: 0s, recovery: 500ms}
        faults: []
    """
    scenario = parse(text, label="least.yaml")
    assert scenario.seed is None
    assert scenario.description == ""
    assert (scenario.cluster.nodes, scenario.cluster.delivery) == (3, "durable")
    assert (scenario.load.rooms, scenario.load.spawn_rate) == (1, 25.0)
    assert scenario.checks == "all"
    assert scenario.expect.verdict == "pass"
    defaults = Limits()
    assert dict(scenario.limits) == {
        name.removesuffix("_s"): getattr(defaults, name) for name in Limits.__dataclass_fields__
    }
    assert scenario.steady_state == ()


def test_anchors_and_merges_work() -> None:
    second = "  - {<<: *base, id: second, at: 10s, target: {role: node, mode: one}}"
    lines = {
        "first.id": "  - &base",
        "first.fault": "    id: first\n    fault: kill",
        **{name: None for name in LINES if name.startswith("second.")},
        "second.id": second,
    }
    faults = parse(text_of(**lines), label="test.yaml").faults
    assert [(fault.id, fault.fault, fault.at, fault.restart_after) for fault in faults] == [
        ("first", "kill", 2.0, 5.0),
        ("second", "kill", 10.0, 5.0),
    ]


def test_the_word_no_needs_no_quotes_where_it_is_one_of_the_words() -> None:
    scenario = parse(text_of(redis="  redis: {appendfsync: no}"), label="test.yaml")
    assert scenario.cluster.redis.appendfsync == "no"


def test_scenarios_are_frozen() -> None:
    scenario = parse(text_of(), label="test.yaml")
    with pytest.raises(ValueError, match="frozen"):
        scenario.seed = 1  # type: ignore[misc]


def test_every_fault_that_can_be_named_exists() -> None:
    assert set(FAULT_NAMES) == set(FAULTS)


# --- One mistake each ------------------------------------------------------------------------------------

# line name, the line instead, column, what the sentence must contain
# fmt: off
SINGLE_MISTAKES: list[tuple[str, str, int, str]] = [
    # Keys
    ("seed", "sead: 1", 1, "unknown key `sead`; did you mean 'seed'?"),
    ("name", "nmae: two-kills", 1, "unknown key `nmae`; did you mean 'name'?"),
    ("rooms", "  romms: 3", 3, "unknown key `romms` in `load`; did you mean 'rooms'?"),
    ("reconnection", "  reconection: 4s", 3, "unknown key `reconection` in `limits`"),
    ("drain", "  repeat: 10s", 3, "unknown key `repeat` in `limits`; known are reconnection, silent_cut"),
    ("second.restart", "    duration: 5s", 5, "unknown key `duration` in `faults`; known are id, fault"),
    ("first.target", "    target: {name: node-1, from: redis}", 28, "unknown key `from` in `target`"),
    # Types
    ("version", "version: 2", 10, "`version` wants the number 1, not the number 2"),
    ("version", "version: '1'", 10, "not the text '1'"),
    ("name", "name: Two Kills", 7, "`name` wants a name of small letters"),
    ("name", "name: ../x", 7, "`name` wants a name of small letters"),
    ("name", f"name: {'x' * 65}", 7, "at most 64 characters"),
    ("description", "description: on", 14, "wants a text, not the truth value 'on' (quotes make it a text)"),
    ("description", "description: 2024-01-01", 14, "wants a text, not the date '2024-01-01'"),
    ("seed", "seed: 1.5", 7, "wants a whole number from 0 to 9007199254740991, not the number 1.5"),
    ("seed", "seed: -1", 7, "not the number -1"),
    ("seed", "seed: 9007199254740992", 7, "not the number 9007199254740992"),
    ("seed", "seed: 010", 7, "not the number '010' (numbers are written in plain decimal)"),
    ("seed", "seed: 1:30", 7, "not the number '1:30'"),
    ("seed", "seed:", 6, "not nothing"),
    ("seed", f"seed: {'9' * 5000}", 7, "not the number '9999"),
    ("nodes", "  nodes: 0", 10, "`nodes` wants a whole number from 1 to 32, not the number 0"),
    ("nodes", "  nodes: yes", 10, "not the truth value 'yes'"),
    ("delivery", "  delivery: pub-sub", 13, "one of durable, pubsub, not the text 'pub-sub'; did you"),
    ("redis", "  redis: always", 10, "`redis` wants a mapping, not the text 'always'"),
    ("redis", "  redis: {appendfsync: on}", 24, "one of always, everysec, no, not the truth"),
    ("users", "  users: 0", 10, "`users` wants a whole number from 1 to 65535, not the number 0"),
    ("users", "  users: many", 10, "not the text 'many'"),
    ("spawn_rate", "  spawn_rate: 0", 15, "wants a number above 0, up to 10000, not"),
    ("rate", "  messages_per_second: .inf", 24, "not the number '.inf'"),
    ("rate", "  messages_per_second: true", 24, "not the truth value 'true'"),
    ("rate", "  messages_per_second: 1e3", 24, "not the text '1e3'"),
    ("warmup", "  warmup: 3", 11, "like 500ms, 5s or 2m, not the number 3; did you mean '3s'?"),
    ("warmup", "  warmup: 0s", 11, "wants a duration above zero"),
    ("steady", "  steady: 5 s", 11, "not the text '5 s'; did you mean '5s'?"),
    ("recovery", "  recovery: 25000m", 13, "(24 hours at most)"),
    ("first.at", "    at: -1s", 9, "not the text '-1s'"),
    ("second.restart", "    restart_after: 0s", 20, "`restart_after` wants a duration above zero"),
    ("second.restart", "    restart_after:", 19, "`restart_after` wants a duration above zero like"),
    ("drain", "  drain: 0ms", 10, "`drain` wants a duration above zero"),
    ("first.fault", "    fault: kil", 12, "), not the text 'kil'; did you mean 'kill'?"),
    ("first.fault", "    fault: meteor", 12, "the name of a fault (there are: kill"),
    ("first.target", "    target: {name: 1}", 20, "`name` wants a text, not the number 1"),
    ("second.target", "    target: {role: client, mode: one}", 20, "`role` wants one of node, redis"),
    ("second.target", "    target: {role: node, mode: every}", 32, "`mode` wants one of one, all, fixed"),
    ("checks", "checks: everything", 9, "wants all, or a list of guarantees, not the text"),
    ("checks", "checks: {a: b}", 9, "`checks` wants all, or a list of guarantees, not a mapping"),
    ("checks", "checks: [complete-delivery, total-odder]", 29, "did you mean 'total-order'?"),
    ("checks", "checks: [complete-delivery, total-order, lifo-order]", 42, "did you mean 'fifo-order'?"),
    ("violates", "  violates: complete-delivery", 13, "`violates` wants a list, not the text"),
    ("may_violate", "  may_violate: [chaos]", 17, "`may_violate` wants the name of a guarantee"),
    ("verdict", "  verdict: unknown", 12, "`verdict` wants one of pass, fail"),
    # Sense
    ("spawn_rate", "  spawn_rate: 9.9", 15, "30 users at 9.9 a second take 3.0303 s to start"),
    ("rooms", "  rooms: 31", 10, "31 rooms for 30 users would leave rooms empty"),
    ("first.at", "    at: 20s", 9, "20 s after the start of chaos is not within it: it lasts 20 s"),
    ("second.restart", "    restart_after: 22s", 20, "26 s after the start of chaos is too late"),
    ("second.id", "  - id: first", 9, "another fault has the id 'first' already"),
    ("second.id", "  - id: node-7", 9, "'node-7' is the name of a member"),
    ("second.id", "  - id: redis", 9, "'redis' is the name of a member"),
    ("second.target", "    target: {name: node-4}", 20, "no member 'node-4'; there are redis, node-1"),
    ("second.target", "    target: {role: node, mode: one, exclude: frist}", 46, "did you mean 'first'?"),
    ("second.target", "    target: {role: node, mode: one, exclude: node-8}", 46, "`exclude` wants a member"),
    ("second.target", "    target: {role: node, mode: one, exclude: second}", 46, "'second' is listed here"),
    ("first.target", "    target: {role: redis, mode: one, exclude: second}", 47, "'second' is listed later"),
    ("first.target", "    target: {role: redis, mode: one, exclude: redis}", 47, "no redis is left to hit"),
    ("second.target", "    target: {role: node, mode: fixed, value: 3, exclude: first}", 46, "there are 2"),
    ("second.target", "    target: {role: node, mode: fixed, value: 101}", 46, "wants a whole number"),
    ("second.target", "    target: {role: node, mode: fixed, exclude: first}", 32, "wants a `value`: how"),
    ("second.target", "    target: {role: node, mode: one, value: 2, exclude: first}", 44, "does not go"),
    ("second.target", "    target: {role: node, exclude: first}", 13, "the key `mode` is missing"),
    ("second.target", "    target: {exclude: first}", 13, "wants `name: node-2`, or a `role` with"),
    ("second.target", "    target: {name: node-2, role: node}", 34, "`role` does not go with `name`"),
    ("second.target", "    target: {name: node-1}", 13, "while the fault 'first' has it down; exclude"),
    ("second.target", "    target: {role: node, mode: one}", 13, "may hit node-1 while the fault"),
    ("second.target", "    target: {role: node, mode: all}", 13, "may hit node-1 while"),
    ("checks", "checks: [complete-delivery, total-order, total-order]", 42, "'total-order' is here twice"),
    ("may_violate", "  may_violate: [complete-delivery]", 17, "'complete-delivery' is in `violates` already"),
]
# fmt: on


@pytest.mark.parametrize(("name", "line", "column", "sentence"), SINGLE_MISTAKES)
def test_one_mistake_gives_one_located_sentence(name: str, line: str, column: int, sentence: str) -> None:
    found = only_mistake(**{name: line})
    assert found[:2] == (line_of(name), column)
    assert sentence in found[2]


@pytest.mark.parametrize(
    ("name", "missing", "reported_in"),
    [
        ("version", "the key `version` is missing", "name"),
        ("users", "the key `users` is missing in `load`", "load"),
        ("rate", "the key `messages_per_second` is missing in `load`", "load"),
        ("recovery", "the key `recovery` is missing in `phases`", "phases"),
        ("second.fault", "the key `fault` is missing in `faults`", "second.id"),
        (
            "second.at",
            "the key `at` is missing in `faults`, or `after` in its place",
            "second.id",
        ),
        ("second.target", "the key `target` is missing in `faults`", "second.id"),
    ],
)
def test_a_missing_key_is_reported_where_it_belongs(name: str, missing: str, reported_in: str) -> None:
    line, _, sentence = only_mistake(**{name: None})
    assert sentence == missing
    assert line == line_of(reported_in) - (name == "version")


def test_a_run_without_faults_must_say_so() -> None:
    gone = {name: None for name in LINES if name.startswith(("first.", "second."))}
    assert only_mistake(**gone, faults=None)[2] == "the key `faults` is missing"
    assert parse(text_of(**gone, faults="faults: []"), label="test.yaml").faults == ()


def test_a_key_that_is_there_twice_is_a_mistake_and_the_first_one_counts() -> None:
    line, column, sentence = only_mistake(rate="  messages_per_second: 60\n  users: none")
    assert (line, column) == (line_of("rate") + 1, 3)
    assert sentence == f"the key `users` is here twice (first in line {line_of('users')})"


def test_odd_keys_are_mistakes() -> None:
    assert only_mistake(seed="seed: 1\n? [a]\n: 2") == (line_of("seed") + 1, 3, "a key must be a plain word")
    assert only_mistake(seed="seed: 1\n<<: 3") == (line_of("seed") + 1, 5, "`<<` merges mappings only")


def test_who_expects_a_failure_says_which() -> None:
    line, column, sentence = only_mistake(violates="  violates: []")
    assert (line, column) == (line_of("verdict"), 12)
    assert sentence == "`verdict: fail` wants `violates`: which guarantees are broken"


def test_nothing_is_violated_where_a_pass_is_expected() -> None:
    found = mistakes(text_of(verdict="  verdict: pass"))
    assert [line for line, _, _ in found] == [line_of("violates"), line_of("may_violate")]
    assert all("does not go with `verdict: pass`" in sentence for _, _, sentence in found)


def test_only_what_is_checked_can_be_expected_to_fail() -> None:
    line, column, sentence = only_mistake(checks="checks: [complete-delivery]")
    assert (line, column) == (line_of("may_violate"), 17)
    assert sentence == "'total-order' is expected to be violated, but is not among `checks`"


def test_what_has_no_meaning_in_the_mode_cannot_be_named() -> None:
    named = {
        "delivery": "  delivery: pubsub",
        "checks": "checks: [complete-delivery, gapless-resume, total-order]",
        "may_violate": "  may_violate: [gapless-resume]",
    }
    found = mistakes(text_of(**named))
    assert [(line, column) for line, column, _ in found] == [
        (line_of("checks"), 29),
        (line_of("may_violate"), 17),
    ]
    assert {sentence for _, _, sentence in found} == {
        "'gapless-resume' has no meaning with `delivery: pubsub`"
    }
    assert parse(text_of(**{**named, "delivery": None}), label="test.yaml")


def test_an_empty_list_of_checks_judges_nothing() -> None:
    assert "an empty list would judge nothing" in only_mistake(checks="checks: []")[2]


# --- Members that are down -------------------------------------------------------------------------------


def test_a_member_that_is_back_can_be_hit_again() -> None:
    later = {"second.at": "    at: 8s", "second.target": "    target: {name: node-1}"}
    assert parse(text_of(**later), label="test.yaml").faults[1].target.name == "node-1"


def test_a_member_that_is_just_coming_back_cannot_be_hit() -> None:
    at_once = {"second.at": "    at: 7s", "second.target": "    target: {name: node-1}"}
    assert "has it down" in only_mistake(**at_once)[2]


def test_a_member_that_stays_down_cannot_be_hit_again() -> None:
    forever = {
        "first.restart": None,
        "second.at": "    at: 19s",
        "second.target": "    target: {name: node-1}",
    }
    assert "has it down" in only_mistake(**forever)[2]


def test_an_earlier_fault_that_is_listed_later_counts_too() -> None:
    swapped = {
        "first.at": "    at: 10s",
        "second.at": "    at: 6s",
        "second.target": "    target: {name: node-1}",
    }
    assert "has it down" in only_mistake(**swapped)[2]


def test_whoever_leaves_a_member_out_does_not_collide_there() -> None:
    apart = {"second.target": "    target: {role: node, mode: all, exclude: node-1}"}
    assert parse(text_of(**apart), label="test.yaml").faults[1].target.exclude == "node-1"


def test_other_roles_do_not_collide() -> None:
    redis = {"second.target": "    target: {role: redis, mode: all}"}
    assert parse(text_of(**redis), label="test.yaml").faults[1].target.role == "redis"


def test_some_node_must_be_alive_in_the_end() -> None:
    both = {"first.restart": None, "second.restart": None, "nodes": "  nodes: 2"}
    line, _, sentence = only_mistake(**both)
    assert line == line_of("second.id") - 1  # for the line that was left out above it
    assert sentence.startswith("no node would be alive in the end")
    assert parse(text_of(**{**both, "nodes": "  nodes: 3"}), label="test.yaml")


def test_redis_must_be_alive_in_the_end() -> None:
    gone = {"second.target": "    target: {name: redis}", "second.restart": None}
    assert only_mistake(**gone)[2].startswith("no redis would be alive in the end")


def test_excluding_all_targets_leaves_nobody() -> None:
    all_nodes = {"first.target": "    target: {role: node, mode: percent, value: 67}"}
    assert "no node is left to hit once 'first' is excluded" in only_mistake(**all_nodes)[2]


# --- All at once -----------------------------------------------------------------------------------------

# One mistake a line, none of which hides or causes another.
PLANTED: list[tuple[str, str, int, str]] = [
    row
    for row in SINGLE_MISTAKES
    if row[1]
    in (
        "version: 2", "name: Two Kills", "description: on", "seed: 010", "  romms: 3", "  delivery: pub-sub",
        "  redis: always", "  warmup: 0s", "  steady: 5 s", "    at: -1s", "    fault: meteor",
        "    target: {name: node-1, from: redis}", "  - id: node-7", "    restart_after: 22s",
        "    target: {name: node-4}", "  reconection: 4s", "  drain: 0ms", "  violates: complete-delivery",
        "  may_violate: [chaos]",
    )
]  # fmt: skip


@settings(deadline=None)
@given(planted=st.sets(st.sampled_from(PLANTED), min_size=1))
def test_any_set_of_mistakes_is_reported_completely_and_in_the_order_of_the_file(
    planted: set[tuple[str, str, int, str]],
) -> None:
    found = mistakes(text_of(**{name: line for name, line, _, _ in planted}))
    expected = sorted((line_of(name), column, sentence) for name, _, column, sentence in planted)
    assert [place[:2] for place in found] == [place[:2] for place in expected]
    for (_, _, sentence), (_, _, fragment) in zip(found, expected, strict=True):
        assert fragment in sentence


def test_a_mistake_that_an_alias_repeats_is_reported_once() -> None:
    text = text_of(
        **{"first.target": "    target: &t {role: nod, mode: one}", "second.target": "    target: *t"}
    )
    assert [sentence.partition(",")[0] for _, _, sentence in mistakes(text)] == ["`role` wants one of node"]


def test_a_misspelt_section_does_not_raise_doubts_about_the_rest() -> None:
    misspelt = {"cluster": "clustr:", "nodes": "  nodes: 9", "first.target": "    target: {name: node-9}"}
    assert only_mistake(**misspelt)[2] == "unknown key `clustr`; did you mean 'cluster'?"


def test_a_misspelt_optional_key_does_not_raise_doubts_about_the_rest() -> None:
    assert "unknown key `verdit` in `expect`" in only_mistake(verdict="  verdit: fail")[2]
    assert "unknown key `restart_afer`" in only_mistake(**{"first.restart": "    restart_afer: 5s"})[2]


def test_the_message_has_a_line_for_each_mistake() -> None:
    with pytest.raises(UsageError) as caught:
        parse(text_of(version="version: 2", seed="seed: x"), label="my.yaml")
    assert caught.value.exit_code == 2
    first, *lines = str(caught.value).splitlines()
    assert first == "my.yaml has 2 mistakes:"
    assert [re.match(r"  my\.yaml:(\d+):(\d+): `", line) is not None for line in lines] == [True, True]


# --- No scenario at all ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "column", "sentence"),
    [
        ("", 1, 1, "the file is empty"),
        ("# nothing\n", 1, 1, "the file is empty"),
        ("- version: 1\n", 1, 1, "a scenario is a mapping"),
        ("kill everything", 1, 1, "a scenario is a mapping"),
        ("version: [1\nname: x", 2, 5, "this is no YAML"),
        ("version: 1\n\tname: x", 2, 1, "this is no YAML: found character '\\t'"),
        ("version: 1\nname: 'x", 2, 9, "this is no YAML"),
        ("version: 1\nname: *x", 2, 7, "undefined alias 'x'"),
        ("version: 1\n---\nversion: 1", 2, 1, "found another document"),
        ("version: 1\nname: \x07", 2, 7, "YAML allows no such character: U+0007"),
        ("version: &a [*a]", 1, 1, "has an alias inside of what it stands for"),
        ("version: &a {<<: *a}", 1, 1, "has an alias inside of what it stands for"),
        ("version: " + "[" * 500, 1, 1, "is nested too deeply"),
    ],
)
def test_what_is_no_scenario_at_all_is_located_too(text: str, line: int, column: int, sentence: str) -> None:
    ((found_line, found_column, found),) = mistakes(text)
    assert (found_line, found_column) == (line, column)
    assert sentence in found


def test_aliases_that_multiply_are_stopped() -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    ((_, _, sentence),) = mistakes("\n".join(["a0: &a0 [x]", *levels]))
    assert sentence == "a scenario has at most 10,000 values"


def test_tags_run_nothing() -> None:
    _, column, sentence = only_mistake(name="name: !!python/object/apply:os.getcwd []")
    assert column == 7
    assert sentence.endswith("not a list")


YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


def is_scenario_or_located(document: object) -> bool:
    """Return whether the document is a scenario, or has mistakes that are all in lines that it has."""
    text = yaml.safe_dump(document, allow_unicode=True)
    try:
        return bool(parse(text, label="test.yaml"))
    except ScenarioError as error:
        lines = [problem.position.line for problem in error.problems]
        return bool(lines) and all(1 <= line <= text.count("\n") for line in lines)


@settings(deadline=None)
@given(key=st.sampled_from(list(Scenario.model_fields)), value=YAML_VALUES)
def test_whatever_stands_at_a_key_is_judged(key: str, value: object) -> None:
    assert is_scenario_or_located({**yaml.safe_load(text_of()), key: value})


FAULT_KEYS = sorted({key for model in FAULT_MODELS.values() for key in model.model_fields})


@settings(deadline=None)
@given(key=st.sampled_from(FAULT_KEYS), value=YAML_VALUES)
def test_whatever_stands_in_a_fault_is_judged(key: str, value: object) -> None:
    document = yaml.safe_load(text_of())
    document["faults"][0][key] = value
    assert is_scenario_or_located(document)
