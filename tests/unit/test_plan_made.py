"""The plan: the same for the same seed, spread fairly, and stable under edits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.plan import REST_S, make_plan
from harness.records.codec import dump_json, load_json
from harness.records.guarantees import GUARANTEES, IMPLEMENTED
from harness.records.plan import FaultPlan, Plan
from harness.scenario.model import LARGEST_SEED, Scenario
from harness.scenario.parse import parse
from harness.timeline import timeline

SEEDS = st.integers(0, LARGEST_SEED)


def scenario(
    *,
    nodes: int = 3,
    load: str = "{users: 30, spawn_rate: 15, rooms: 3, messages_per_second: 60}",
    faults: tuple[str, ...] = (),
    rest: str = "",
) -> Scenario:
    text = f"""
version: 1
name: planned
description: What the tests plan.
cluster: {{nodes: {nodes}}}
load: {load}
phases: {{warmup: 3s, steady: 5s, chaos: 100s, recovery: 6s}}
faults: [{", ".join(faults)}]
{rest}
"""
    return parse(text, label="planned.yaml")


def kill(id_: str, at_s: int, target: str = "{role: node, mode: one}", *, back_s: int = 2) -> str:
    return f"{{id: {id_}, fault: kill, at: {at_s}s, target: {target}, restart_after: {back_s}s}}"


def by_id(plan: Plan) -> dict[str, FaultPlan]:
    return {fault.id: fault for fault in plan.faults}


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    nodes = draw(st.integers(1, 6))
    users = draw(st.integers(1, 60))
    rooms = draw(st.integers(1, users))
    modes = st.sampled_from(
        ["mode: one", "mode: all", "mode: fixed, value: 1", "mode: percent, value: 40"],
    )
    faults = tuple(
        kill(f"fault-{number}", 5 * number, f"{{role: node, {mode}}}")
        for number, mode in enumerate(draw(st.lists(modes, max_size=5)))
    )
    rate = draw(st.integers(1, 500)) / 10
    spawn = f"spawn_rate: {users / 3 + 0.1:.3f}"
    load = f"{{users: {users}, {spawn}, rooms: {rooms}, messages_per_second: {rate}}}"
    return scenario(nodes=nodes, load=load, faults=faults)


# --- Determinism -----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(planned=scenarios(), seed=SEEDS)
def test_the_same_seed_gives_the_same_plan_byte_for_byte(planned: Scenario, seed: int) -> None:
    first = dump_json(make_plan(planned, seed=seed))
    assert first == dump_json(make_plan(planned.model_copy(deep=True), seed=seed))
    assert dump_json(load_json(Plan, first)) == first


def test_another_seed_gives_other_choices() -> None:
    planned = scenario(nodes=6, faults=(kill("crash", 3),))
    plans = [make_plan(planned, seed=seed) for seed in range(60)]
    assert {plan.faults[0].targets[0] for plan in plans} == set(plans[0].cluster.nodes)
    assert len({plan.bots[0].seed for plan in plans}) == 60


def test_every_python_version_makes_the_same_choices() -> None:
    faults = (kill("a", 1), kill("b", 9, "{role: node, mode: fixed, value: 3}"))
    plan = make_plan(scenario(nodes=5, faults=faults), seed=4711)
    assert [fault.targets for fault in plan.faults] == [("node-2",), ("node-3", "node-4", "node-5")]
    assert [bot.seed for bot in plan.bots[:3]] == [3535929138762111, 4879268857592610, 4382012542111449]


# --- Faults ----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(
    seed=SEEDS,
    edited=st.sampled_from(
        [
            kill("b", 7, "{role: node, mode: all}"),
            kill("b", 8, "{role: node, mode: fixed, value: 2}"),
            kill("b", 7, "{role: redis, mode: one}", back_s=1),
            kill("b", 7, "{name: node-3}"),
            kill("other", 7),
        ]
    ),
)
def test_an_edit_to_one_fault_does_not_reshuffle_the_others(seed: int, edited: str) -> None:
    before = make_plan(scenario(nodes=5, faults=(kill("a", 1), kill("b", 7), kill("c", 20))), seed=seed)
    after = make_plan(scenario(nodes=5, faults=(kill("a", 1), edited, kill("c", 20))), seed=seed)
    gone = make_plan(scenario(nodes=5, faults=(kill("c", 20), kill("a", 1))), seed=seed)
    for other in ("a", "c"):
        assert by_id(before)[other] == by_id(after)[other] == by_id(gone)[other]
    assert before.bots == after.bots == gone.bots


@given(seed=SEEDS)
@settings(deadline=None, max_examples=50)
def test_an_excluded_target_moves_no_one_who_was_not_hit(seed: int) -> None:
    alone = make_plan(scenario(nodes=5, faults=(kill("a", 1), kill("b", 9))), seed=seed)
    excluding = kill("b", 9, "{role: node, mode: one, exclude: a}")
    apart = make_plan(scenario(nodes=5, faults=(kill("a", 1), excluding)), seed=seed)
    hit_a, hit_b = by_id(apart)["a"].targets, by_id(apart)["b"].targets
    assert not set(hit_a) & set(hit_b)
    if by_id(alone)["b"].targets != hit_a:
        assert hit_b == by_id(alone)["b"].targets


@given(seed=SEEDS)
@settings(deadline=None, max_examples=50)
def test_a_chain_of_exclusions_holds_for_every_seed(seed: int) -> None:
    faults = (
        kill("a", 1, "{role: node, mode: percent, value: 50, exclude: node-2}", back_s=9),
        kill("b", 2, "{role: node, mode: all, exclude: a}", back_s=9),
    )
    plan = by_id(make_plan(scenario(nodes=5, faults=faults), seed=seed))
    assert len(plan["a"].targets) == 2
    assert "node-2" in plan["b"].targets
    assert sorted(plan["a"].targets + plan["b"].targets) == [f"node-{number}" for number in range(1, 6)]


@pytest.mark.parametrize(
    ("target", "count"),
    [
        ("{name: node-2}", 1),
        ("{name: redis}", 1),
        ("{role: redis, mode: all}", 1),
        ("{role: node, mode: one}", 1),
        ("{role: node, mode: all}", 5),
        ("{role: node, mode: fixed, value: 3}", 3),
        ("{role: node, mode: percent, value: 1}", 1),
        ("{role: node, mode: percent, value: 40}", 2),
        ("{role: node, mode: percent, value: 41}", 3),
        ("{role: node, mode: percent, value: 100}", 5),
        ("{role: node, mode: percent, value: 50, exclude: node-1}", 2),
        ("{role: node, mode: all, exclude: node-1}", 4),
        ("{role: node, mode: all, exclude: redis}", 5),
    ],
)
def test_each_target_hits_as_many_as_it_says(target: str, count: int) -> None:
    (fault,) = make_plan(scenario(nodes=5, faults=(kill("a", 1, target),)), seed=7).faults
    assert len(fault.targets) == count
    assert list(fault.targets) == sorted(fault.targets)


def test_faults_are_in_the_order_of_their_times() -> None:
    faults = (kill("late", 9), kill("b", 4, "{name: node-1}"), kill("a", 4, "{name: node-2}"))
    plan = make_plan(scenario(faults=faults), seed=1)
    assert [(fault.id, fault.at_s) for fault in plan.faults] == [("b", 12.0), ("a", 12.0), ("late", 17.0)]


def test_a_member_that_is_not_restarted_stays_down() -> None:
    faults = ("{id: a, fault: kill, at: 1s, target: {name: node-1}}",)
    assert make_plan(scenario(faults=faults), seed=1).faults[0].restart_after_s is None


# --- Bots ------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(planned=scenarios(), seed=SEEDS)
def test_bots_start_within_the_warmup_and_share_rate_rooms_and_nodes(planned: Scenario, seed: int) -> None:
    plan = make_plan(planned, seed=seed)
    assert [bot.ordinal for bot in plan.bots] == list(range(1, planned.load.users + 1))
    starts = [bot.start_at_s for bot in plan.bots]
    assert starts == sorted(starts)
    assert starts[0] == 0.0
    assert starts[-1] < plan.phases[0].end_s
    assert sum(bot.messages_per_second for bot in plan.bots) == pytest.approx(plan.messages_per_second)
    for room in plan.rooms:
        in_room = [bot.first_node for bot in plan.bots if bot.rooms == (room,)]
        assert in_room
        assert spread([in_room.count(node) for node in plan.cluster.nodes]) <= 1
    assert spread([sum(room in bot.rooms for bot in plan.bots) for room in plan.rooms]) <= 1


def spread(counts: list[int]) -> int:
    return max(counts) - min(counts)


def test_few_bots_in_many_rooms_use_all_nodes_too() -> None:
    plan = make_plan(scenario(load="{users: 6, rooms: 6, messages_per_second: 6}"), seed=1)
    assert [bot.first_node for bot in plan.bots] == ["node-1", "node-2", "node-3"] * 2


@pytest.mark.parametrize(("users", "first", "last"), [(9, "bot-01", "bot-09"), (100, "bot-001", "bot-100")])
def test_names_of_bots_sort_as_they_count(users: int, first: str, last: str) -> None:
    load = f"{{users: {users}, spawn_rate: 100, messages_per_second: 1}}"
    names = [bot.name for bot in make_plan(scenario(load=load), seed=1).bots]
    assert (names[0], names[-1]) == (first, last)
    assert names == sorted(names)


def test_bots_have_seeds_of_their_own() -> None:
    plan = make_plan(scenario(), seed=1)
    assert len({bot.seed for bot in plan.bots}) == 30


# --- The rest --------------------------------------------------------------------------------------------


def test_phases_follow_each_other_without_a_gap() -> None:
    text = """
version: 1
name: sums
load: {users: 1, messages_per_second: 1}
phases: {warmup: 100ms, steady: 200ms, chaos: 400ms, recovery: 700ms}
faults: []
"""
    plan = make_plan(parse(text, label="sums.yaml"), seed=1)
    assert [(phase.name, phase.start_s, phase.end_s) for phase in plan.phases] == [
        ("warmup", 0.0, 0.1),
        ("steady", 0.1, 0.3),
        ("chaos", 0.3, 0.7),
        ("recovery", 0.7, 1.4),
    ]


def test_all_checks_are_the_implemented_ones_in_the_published_order() -> None:
    plan = make_plan(scenario(), seed=1)
    assert plan.checks == tuple(name for name in GUARANTEES if name in IMPLEMENTED)
    assert set(IMPLEMENTED) <= set(GUARANTEES)
    assert not plan.checks_named


def test_named_checks_are_brought_into_the_published_order() -> None:
    plan = make_plan(scenario(rest="checks: [reconnection, integrity, no-duplicates]"), seed=1)
    assert plan.checks == ("no-duplicates", "integrity", "reconnection")
    assert plan.checks_named


def test_limits_and_expectation_reach_the_plan() -> None:
    rest = "limits: {longest_wait: 2s}\nexpect: {verdict: fail, violates: [integrity, acked-durable]}"
    plan = make_plan(scenario(rest=rest), seed=1)
    assert (plan.limits.longest_wait_s, plan.limits.reconnection_s) == (2.0, 5.0)
    assert (plan.expect.verdict, plan.expect.violates) == ("fail", ("acked-durable", "integrity"))


def test_the_timeline_tells_what_happens_when() -> None:
    faults = (
        kill("crash", 3, "{name: node-2}"),
        "{id: gone, fault: kill, at: 3500ms, target: {name: node-1}}",
    )
    lines = timeline(make_plan(scenario(faults=faults), seed=1))
    assert lines == (
        "    0.0 s  warmup: 30 bots within 1.9 s, 3 rooms, 60 messages/s over node-1, node-2, node-3 "
        "(durable)",
        "    3.0 s  steady",
        "    8.0 s  chaos",
        "   11.0 s  kill node-2 (crash)",
        "   11.5 s  kill node-1 (gone), for good",
        "   13.0 s  start node-2 again (crash)",
        "  108.0 s  recovery",
        "  114.0 s  load stops; within 15 s all is resent, caught up and read",
    )


def test_roamers_rest_before_the_end__so_that_the_last_lists_of_users_can_come() -> None:
    plan = make_plan(scenario(), seed=1)
    roamers = [bot for bot in plan.bots if bot.roam_every_s is not None]
    assert len(roamers) == 3
    assert {bot.roam_until_s for bot in roamers} == {plan.phases[-1].end_s - REST_S}
