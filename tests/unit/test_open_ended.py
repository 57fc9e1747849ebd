"""Plans of `wordaround load`: without an end before the run, with what it came to after it."""

from harness.open_ended import LONGEST_S, as_it_was, nth_bot, open_ended
from harness.plan import make_plan
from harness.records.plan import Plan
from harness.scenario.parse import parse

SCENARIO = """\
version: 1
name: by-hand
load: {users: 10, messages_per_second: 20, rooms: 2, spawn_rate: 5}
phases: {warmup: 2s, steady: 3s, chaos: 10s, recovery: 5s}
steady_state: [{probe: ack_ratio, min: 0.9}]
faults:
  - {id: crash, fault: kill, at: 1s, target: {role: node, mode: one}, restart_after: 2s}
"""


def planned() -> Plan:
    return make_plan(parse(SCENARIO, label="by-hand.yaml"), seed=7)


def phases(plan: Plan) -> list[tuple[str, float, float]]:
    return [(phase.name, phase.start_s, phase.end_s) for phase in plan.phases]


def test_without_an_end_it_lasts_for_a_day_and_nothing_is_injected() -> None:
    plan = open_ended(planned(), run_time_s=None, with_faults=False)
    assert phases(plan) == [("warmup", 0, 2), ("steady", 2, LONGEST_S)]
    assert (plan.faults, plan.steady_state, plan.by_hand) == ((), (), True)


def test_nobody_roams_since_nobody_knows_the_end() -> None:
    assert any(bot.roam_every_s is not None for bot in planned().bots)
    plan = open_ended(planned(), run_time_s=None, with_faults=False)
    assert all(bot.roam_every_s is None for bot in plan.bots)


def test_with_a_run_time_it_ends_then() -> None:
    assert phases(open_ended(planned(), run_time_s=30, with_faults=False))[-1] == ("steady", 2, 30)
    assert phases(open_ended(planned(), run_time_s=1, with_faults=False)) == [("warmup", 0, 1)]


def test_with_faults_the_phases_are_the_scenarios_and_recovery_lasts() -> None:
    plan = open_ended(planned(), run_time_s=60, with_faults=True)
    assert phases(plan) == [("warmup", 0, 2), ("steady", 2, 5), ("chaos", 5, 15), ("recovery", 15, 60)]
    assert [fault.id for fault in plan.faults] == ["crash"]


def test_what_it_came_to_has_its_end_and_its_bots() -> None:
    plan = as_it_was(open_ended(planned(), run_time_s=None, with_faults=True), load_s=9.5, bots=12)
    assert phases(plan) == [("warmup", 0, 2), ("steady", 2, 5), ("chaos", 5, 9.5)]
    assert [bot.name for bot in plan.bots[-3:]] == ["bot-10", "bot-11", "bot-12"]
    assert len(as_it_was(plan, load_s=9.5, bots=4).bots) == 4


def test_bots_beyond_the_plan_have_names_and_seeds_of_their_own_and_the_rooms_of_the_row() -> None:
    bots = planned().bots
    extra = [nth_bot(bots, ordinal) for ordinal in range(11, 131)]
    assert [bot.rooms for bot in extra[:2]] == [bots[0].rooms, bots[1].rooms]
    assert len({bot.seed for bot in (*bots, *extra)}) == 130
    assert len({bot.name for bot in (*bots, *extra)}) == 130
    assert [bot.ordinal for bot in extra] == list(range(11, 131))
    assert nth_bot(bots, 57) == nth_bot(bots, 57)
    assert nth_bot(bots, 3) is bots[2]
