"""drained - a send that was refused as out of order - is resolved when its sender left it behind."""

from types import ModuleType

import pytest

OUT_OF_ORDER = "out_of_order: the next n is 1"


def _forgotten(made: ModuleType, *, rooms: int = 1) -> tuple[object, object]:
    """The cluster lost its log, and perhaps had a message that was sent before."""
    world = made.World(rooms=rooms)
    world.start()
    world.talk(9)
    sent = world.send(1, answer="lost")
    return world, sent


def _try_again(world, sent) -> None:  # type: ignore[no-untyped-def]
    world.attempt(sent, answer="none", lands=False)
    world._refuse(sent, OUT_OF_ORDER, flags=1)


def _take_another_producer(world, bot: int = 1) -> None:  # type: ignore[no-untyped-def]
    world.bots[bot].producers += 1
    world.bots[bot].numbers.clear()


def _drained(made: ModuleType, world) -> str:  # type: ignore[no-untyped-def]
    world.finish()
    return str(made.finding(world.judge(), "drained").verdict)


def test_left_behind_for_another_producer_is_resolved_and_indeterminate(made: ModuleType) -> None:
    world, sent = _forgotten(made)
    _try_again(world, sent)
    _take_another_producer(world)
    world.send(1)
    world.finish()
    verdict = world.judge()
    assert made.finding(verdict, "drained").verdict == "pass"
    assert verdict.stats.sends.indeterminate == 1


def test_whoever_stays_with_the_producer_still_waits(made: ModuleType) -> None:
    world, sent = _forgotten(made)
    _try_again(world, sent)
    world.send(1)
    assert _drained(made, world) == "fail"


def test_another_producer_in_another_room_says_nothing(made: ModuleType) -> None:
    world, sent = _forgotten(made, rooms=2)
    _try_again(world, sent)
    _take_another_producer(world)
    world.send(1, "room-2")
    assert _drained(made, world) == "fail"


def test_another_producer_of_another_bot_says_nothing(made: ModuleType) -> None:
    world, sent = _forgotten(made)
    _try_again(world, sent)
    world.send(2)
    assert _drained(made, world) == "fail"


def test_what_moved_to_the_new_producer_is_not_left_behind(made: ModuleType) -> None:
    world, sent = _forgotten(made)
    _take_another_producer(world)
    world.send(1)
    sent.producer = world.bots[1].producer
    _try_again(world, sent)
    assert _drained(made, world) == "fail"


def test_what_was_sent_by_the_old_producer_before_the_move_says_nothing(made: ModuleType) -> None:
    world, sent = _forgotten(made)
    world.send(1)
    _take_another_producer(world)
    sent.producer = world.bots[1].producer
    _try_again(world, sent)
    assert _drained(made, world) == "fail"


def test_an_attempt_without_an_answer_decides(made: ModuleType) -> None:
    world, sent = _forgotten(made)
    _try_again(world, sent)
    world.attempt(sent, answer="none", lands=False)
    _take_another_producer(world)
    world.send(1)
    assert _drained(made, world) == "fail"


@pytest.mark.parametrize("error", ["store_unavailable: Redis is away", "draining: bye"])
def test_what_was_refused_for_the_moment_is_not_left_behind(made: ModuleType, error: str) -> None:
    world, sent = _forgotten(made)
    world.attempt(sent, answer="none", lands=False)
    world._refuse(sent, error, flags=0)
    _take_another_producer(world)
    world.send(1)
    assert _drained(made, world) == "fail"
