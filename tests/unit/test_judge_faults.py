"""What the judge makes of faults that take nobody down: partitions, pauses, storms, commands."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from harness.checkers import stories
from harness.records.history import Op
from harness.records.journal import MemberState
from harness.records.plan import CLIENTS, FaultPlan

NODES = ("node-1", "node-2", "node-3")
CUT = FaultPlan(id="cut", fault="partition", at_s=1.0, targets=("redis",), peers=NODES, duration_s=10.0)
ALONE = replace(CUT, peers=("node-1",))
STORM = FaultPlan(
    id="storm", fault="reconnect-storm", at_s=1.0, targets=("node-2",), traits=("comes-back", "cuts-off")
)


# availability


def _nobody_is_answered_for(made: ModuleType, seconds: float, fault: FaultPlan) -> Any:
    world = made.World(faults=[fault])
    world.start()
    world.talk(30)
    world.inject(fault.id)
    sent = [world.send(bot, answer="lost", lands=False) for bot in (1, 2, 3)]
    world.wait(seconds)
    world.heal(fault.id)
    for one in sent:
        world.attempt(one)
    world.wait(1)
    world.talk(30)
    world.finish()
    return made.found(world.judge(), "availability")


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (CUT, "pass"),
        (replace(CUT, targets=NODES, peers=("redis",)), "pass"),
        (replace(CUT, targets=NODES, peers=(CLIENTS,)), "pass"),
        (ALONE, "fail"),
        (replace(CUT, targets=NODES, peers=NODES), "fail"),
        (replace(CUT, fault="latency", traits=("degrades",)), "fail"),
        (replace(CUT, fault="command", targets=(), peers=()), "fail"),
    ],
)
def test_sends_that_are_late_under_a_fault_are_excused_only_when_nobody_could_be_served(
    made: ModuleType, fault: FaultPlan, word: str
) -> None:
    assert _nobody_is_answered_for(made, 7.0, fault).verdict == word


# presence


def _bot_2_is_missing_in_lists(made: ModuleType, **how: Any) -> Any:
    fault = FaultPlan(id="f", at_s=1.0, duration_s=30.0, **how)
    world = made.World(bots=4, faults=[fault])
    world.start()
    world.talk(30)
    assert world.bots[2].node == "node-3"
    world.inject("f")
    for entry in world.find(Op.USER_LIST)[-4:]:
        entry.a["users"] = [user for user in entry.a["users"] if not user["user"].startswith("bot-02")]
    world.wait(25)
    world.lose(3)
    world.come_back(3)
    world.heal("f")
    world.talk(30)
    world.finish()
    return made.found(world.judge(), "presence")


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ({"fault": "pause", "targets": ("node-3",)}, "pass"),
        ({"fault": "pause", "targets": ("node-2",)}, "fail"),
        ({"fault": "partition", "targets": ("redis",), "peers": ("node-3",)}, "pass"),
        ({"fault": "partition", "targets": ("redis",), "peers": ("node-2",)}, "fail"),
        ({"fault": "partition", "targets": ("redis",), "peers": NODES}, "pass"),
        ({"fault": "cpu", "targets": ("node-3",), "traits": ("degrades",)}, "fail"),
        ({"fault": "command", "targets": ()}, "pass"),
    ],
)
def test_users_whom_a_fault_holds_are_undetermined_and_no_others(
    made: ModuleType, how: dict[str, Any], word: str
) -> None:
    assert _bot_2_is_missing_in_lists(made, **how).verdict == word


# coverage


def _storm(made: ModuleType, *, after_s: float = 0.0, who: tuple[int, ...] | None = None) -> Any:
    world = made.World(bots=6, faults=[STORM])
    world.start()
    world.talk(30)
    on_it = [bot.ordinal for bot in world.bots.values() if bot.node == "node-2"]
    world.inject("storm")
    world.heal("storm")
    world.wait(after_s)
    for bot in on_it if who is None else on_it[: len(who)]:
        world.lose(bot)
    world.everyone_back()
    world.talk(30)
    world.finish()
    return made.finding(world.judge(), "cut-off:storm")


def test_whoever_a_storm_cut_off_came_back(made: ModuleType) -> None:
    found = _storm(made)
    assert found.verdict == "pass"
    assert found.evidence == "2 bots lost their connection to node-2; 2 connected again"


def test_a_storm_that_somebody_did_not_feel_is_not_covered(made: ModuleType) -> None:
    assert _storm(made, who=(1,)).verdict == "fail"


def test_what_was_lost_seconds_after_a_storm_was_lost_to_something_else(made: ModuleType) -> None:
    assert _storm(made, after_s=2.0).verdict == "fail"


def test_what_takes_a_node_down_may_drain_it_for_seconds_first(made: ModuleType) -> None:
    world = made.World(bots=6, faults=[replace(made.CRASH, fault="stop")])
    world.start()
    world.talk(30)
    world.inject("crash")
    for bot in [bot for bot in world.bots.values() if bot.node == "node-2"]:
        world.wait(3)
        world.lose(bot.ordinal)
    world.everyone_back()
    world.heal("crash")
    world.finish()
    assert made.finding(world.judge(), "cut-off:crash").verdict == "pass"


def test_resets_between_members_cut_nobody_off(made: ModuleType) -> None:
    world = made.World(faults=[replace(STORM, fault="reset", peers=("redis",))])
    found = made.finding(world.judge(), "cut-off:storm")
    assert found.verdict == "n/a"
    assert found.evidence == "reset between node-2 and redis cuts nobody off for sure"


# lifecycle


def _node_2_is_paused(made: ModuleType, at_ns: int) -> Any:
    world = made.quiet()
    ready = next(entry for entry in world.members if entry.member == "node-2")
    world.members.append(replace(ready, t_ns=at_ns, state=MemberState.PAUSED))
    return world


def test_a_member_that_stands_still_at_the_end_has_not_recovered(made: ModuleType) -> None:
    world = _node_2_is_paused(made, made.ZERO_NS + made.MS)
    verdict = world.judge()
    found = made.finding(verdict, "recovered")
    assert (found.verdict, found.evidence) == ("fail", "node-2 was paused at the end")
    assert verdict.verdict == "unknown"


def test_a_member_that_stood_still_when_the_load_began_is_an_unhealthy_start(made: ModuleType) -> None:
    found = made.finding(_node_2_is_paused(made, made.ZERO_NS - made.MS).judge(), "healthy-start")
    assert (found.verdict, found.evidence) == ("fail", "node-2 was paused when the load began")


# stories


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (replace(CUT, targets=("node-2",), peers=("redis",)), "partition of node-2 from redis"),
        (
            replace(CUT, fault="latency", peers=("node-1", "node-3")),
            "latency between redis and node-1 and node-3",
        ),
        (replace(CUT, fault="pause", peers=()), "pause on redis"),
        (replace(CUT, fault="command", targets=(), peers=()), "command"),
    ],
)
def test_a_fault_in_words(fault: FaultPlan, words: str) -> None:
    assert stories.what(fault) == words
