"""Runs of `wordaround load`: bots that leave for good before the end violate nothing, and hide nothing."""

from types import ModuleType
from typing import Any

from harness.records.bots import CLIENT_QUIT
from harness.records.history import Op


def _with_a_bot_that_leaves_for_good(made: ModuleType, *, finish: bool = True) -> Any:
    world = made.World(bots=4)
    world.start()
    world.talk(20)
    world.leave(4)
    world.record(Op.DISCONNECT, 4, a=CLIENT_QUIT)
    world.bots[4].node = None
    world.wait(1)
    world.talk(12)
    if finish:
        world.finish()
    return world


def test_a_bot_that_left_in_order_violates_nothing(made: ModuleType) -> None:
    verdict = _with_a_bot_that_leaves_for_good(made).judge()
    assert {found.name: found.verdict for found in verdict.properties if found.verdict != "pass"} == {}
    assert verdict.verdict == "pass"


def test_what_it_would_have_received_before_it_left_is_missed(made: ModuleType) -> None:
    world = _with_a_bot_that_leaves_for_good(made)
    first = world.sent[1, 1]
    world.drop(world.deliveries(first, bot=4))
    assert "complete-delivery" in made.failed(world.judge())


def test_lists_of_users_are_looked_at_until_the_others_hang_up(made: ModuleType) -> None:
    world = _with_a_bot_that_leaves_for_good(made, finish=False)
    world.lose(3)
    world.come_back(3)
    world.find(Op.USER_LIST)[-1].a["users"].pop()
    world.finish()
    found = made.found(world.judge(), "presence")
    assert found.verdict == "unknown"
    assert "the run ended before a list had to be right" in found.reason
