"""reconnection: every bot that lost its connection is back in its rooms within the deadline."""

from types import ModuleType

import pytest

from harness.records.bots import CLIENT_QUIT
from harness.records.history import Op
from harness.records.plan import FaultPlan


def test_back_in_time_passes(made: ModuleType) -> None:
    found = made.found(made.stormy().judge(), "reconnection")
    assert (found.verdict, found.checked) == ("pass", 2)


def _away_for(made: ModuleType, seconds: float, reason: str) -> object:
    world = made.World(rooms=2)
    world.start()
    world.talk(9)
    world.lose(2, reason)
    world.wait(seconds)
    world.come_back(2)
    world.talk(9)
    world.finish()
    return world.judge()


@pytest.mark.parametrize(
    ("seconds", "reason", "word"),
    [
        (4.9, "transport: reset", "pass"),
        (5.1, "transport: reset", "fail"),
        (5.1, "ping timeout: nothing came for 10 s", "pass"),
        (12.1, "ping timeout: nothing came for 10 s", "fail"),
    ],
)
def test_the_deadline_depends_on_how_the_loss_was_noticed(
    made: ModuleType, seconds: float, reason: str, word: str
) -> None:
    verdict = _away_for(made, seconds, reason)
    assert made.found(verdict, "reconnection").verdict == word
    assert made.failed(verdict) == ({"reconnection"} if word == "fail" else set())


def test_late_is_told_with_numbers(made: ModuleType) -> None:
    verdict = _away_for(made, 7.0, "transport: reset")
    story = made.found(verdict, "reconnection").witnesses[0].story
    assert "bot-02 lost its connection to node-3 (transport: reset) at" in story
    assert "5 s are allowed" in story


def test_back_in_one_of_two_rooms_only_fails(made: ModuleType) -> None:
    world = made.World(rooms=2)
    world.start()
    world.talk(8)
    world.lose(2)
    world.connect(2)
    world.join(2, "room-1")
    world.talk(8)
    world.finish()
    verdict = world.judge()
    assert made.failed(verdict) == {"reconnection"}
    assert "never back in all its rooms" in made.found(verdict, "reconnection").witnesses[0].story


def test_a_second_loss_on_the_way_back_prolongs_nothing(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.lose(2)
    world.wait(3)
    world.connect(2)
    world.lose(2)
    world.wait(3)
    world.come_back(2)
    world.talk(9)
    world.finish()
    verdict = world.judge()
    assert made.failed(verdict) == {"reconnection"}
    assert made.found(verdict, "reconnection").checked == 1


def test_a_room_that_was_left_is_not_waited_for(made: ModuleType) -> None:
    world = made.World(rooms=2)
    world.start()
    world.talk(8)
    world.leave(2, "room-2")
    world.lose(2)
    world.connect(2)
    world.join(2, "room-1")
    world.finish()
    assert made.found(world.judge(), "reconnection").verdict == "pass"


def test_own_wish_is_no_loss(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.lose(2, CLIENT_QUIT)
    world.come_back(2)
    world.finish()
    found = made.found(world.judge(), "reconnection")
    assert (found.verdict, found.checked) == ("pass", 0)


def test_never_in_at_all_fails(made: ModuleType) -> None:
    world = made.World()
    world.connect(1)
    world.join(1)
    world.connect(2)
    world.join(2)
    world.connect(3)
    world.talk(9)
    world.finish()
    verdict = world.judge()
    assert made.failed(verdict) == {"reconnection"}
    assert "bot-03 was not in room-1 at the end" in made.found(verdict, "reconnection").witnesses[0].story


def test_a_connection_replaced_without_a_word_counts_as_lost(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.wait(1)
    world.come_back(2)
    world.finish()
    assert made.found(world.judge(), "reconnection").checked == 1


def test_the_deadline_runs_from_the_end_of_a_declared_outage(made: ModuleType) -> None:
    fault = FaultPlan(
        id="redis", fault="kill", at_s=1.0, targets=("redis",), restart_after_s=5.0, traits=("takes-down",)
    )
    for seconds, word in ((4.0, "pass"), (6.0, "fail")):
        world = made.World(faults=[fault])
        world.start()
        world.talk(24)
        world.kill("redis")
        world.lose(2)
        world.wait(20)
        world.restart("redis")
        world.wait(seconds)
        world.come_back(2)
        world.talk(24)
        world.finish()
        assert made.found(world.judge(), "reconnection").verdict == word


def test_losses_after_the_final_reads_do_not_count(made: ModuleType) -> None:
    world = made.quiet()
    for entry in world.find(Op.DISCONNECT):
        entry.a = "closed by the server"
    found = made.found(world.judge(), "reconnection")
    assert (found.verdict, found.checked) == ("pass", 0)


def test_not_back_while_a_fault_was_never_healed_is_unknown(made: ModuleType) -> None:
    world = made.World(bots=4, faults=[made.CRASH])
    world.start()
    world.talk(24)
    world.kill()
    world.finish()
    found = made.found(world.judge(), "reconnection")
    assert (found.verdict, found.violations) == ("unknown", 2)
