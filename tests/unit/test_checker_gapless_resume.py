"""gapless-resume: whoever resumes misses nothing, or is told honestly that it cannot resume."""

import tracemalloc
from types import ModuleType
from typing import Any

import pytest

from harness.records.history import FLAG_RECOVERED, Op


def _resumed(world: Any) -> tuple[Any, Any, Any]:
    """Return JOIN, HISTORY and JOIN_OK of bot-01's resume."""
    return tuple(
        next(e for e in world.find(op) if e.bot == 1 and e.conn == 2)
        for op in (Op.JOIN, Op.HISTORY, Op.JOIN_OK)
    )


def test_exactly_what_was_missed_passes(made: ModuleType) -> None:
    found = made.found(made.stormy().judge(), "gapless-resume")
    assert (found.verdict, found.checked) == ("pass", 8)  # Two resumes, and one epoch on six connections.


def test_a_history_with_a_gap_fails(made: ModuleType) -> None:
    world = made.stormy()
    _, history, _ = _resumed(world)
    missed = [e for e in world.find(Op.DELIVERY) if e.bot == 1 and e.conn == 2 and e.flags][2]
    world.drop([missed])
    history.c -= 1
    verdict = world.judge()
    assert "gapless-resume" in made.failed(verdict) <= {"gapless-resume", "complete-delivery"}
    story = made.found(verdict, "gapless-resume").witnesses[0].story
    assert f"its history left out {missed.a['seq']}" in story
    assert "bot-01 resumed room-1 on node-3 at " in story
    assert "after node-2 was killed" in story


def test_an_empty_history_that_calls_itself_complete_fails(made: ModuleType) -> None:
    world = made.stormy()
    _, history, _ = _resumed(world)
    world.drop(e for e in world.find(Op.DELIVERY) if e.bot == 1 and e.conn == 2 and e.flags)
    history.c = 0
    assert "gapless-resume" in made.failed(world.judge())


def test_live_that_begins_too_late_fails(made: ModuleType) -> None:
    world = made.stormy()
    first_live = next(e for e in world.find(Op.DELIVERY) if e.bot == 1 and e.conn == 2 and not e.flags)
    assert first_live.a["producer"] == "bot-01"  # Its own: who sent it must see it, too.
    world.drop([first_live])
    verdict = world.judge()
    assert made.failed(verdict) == {"gapless-resume", "complete-delivery", "read-your-writes"}
    assert "the first live message was" in made.found(verdict, "gapless-resume").witnesses[0].story


def test_a_live_gap_later_on_is_not_the_resumes_fault(made: ModuleType) -> None:
    world = made.stormy()
    later = [e for e in world.find(Op.DELIVERY) if e.bot == 1 and e.conn == 2 and not e.flags][5]
    world.drop([later])
    assert made.failed(world.judge()) == {"complete-delivery"}


def test_a_head_before_the_cursor_fails(made: ModuleType) -> None:
    world = made.stormy()
    join, history, ok = _resumed(world)
    world.drop(e for e in world.find(Op.DELIVERY) if e.bot == 1 and e.conn == 2 and e.flags)
    history.c, ok.c = 0, join.c - 3
    verdict = world.judge()
    assert "gapless-resume" in made.failed(verdict)
    assert "before its cursor" in made.found(verdict, "gapless-resume").witnesses[0].story


def _refuse(world: Any) -> tuple[Any, Any]:
    """Turn the resume into a snapshot."""
    join, history, ok = _resumed(world)
    history.flags &= ~FLAG_RECOVERED
    ok.flags &= ~FLAG_RECOVERED
    return join, ok


def test_refused_without_a_cause_fails(made: ModuleType) -> None:
    world = made.stormy()
    _refuse(world)
    verdict = world.judge()
    assert made.failed(verdict) == {"gapless-resume"}
    assert "and was refused, although" in made.found(verdict, "gapless-resume").witnesses[0].story


def test_refused_for_an_unknown_epoch_passes(made: ModuleType) -> None:
    world = made.stormy()
    join, _ = _refuse(world)
    join.b = "e0"
    assert made.found(world.judge(), "gapless-resume").verdict == "pass"


def test_refused_for_a_cursor_past_the_end_passes(made: ModuleType) -> None:
    world = made.stormy()
    join, _ = _refuse(world)
    join.c = 10_000
    assert made.found(world.judge(), "gapless-resume").verdict == "pass"


def test_refused_for_a_cursor_in_a_sealed_epoch(made: ModuleType) -> None:
    for cursor, word in ((9, "fail"), (12, "pass")):  # The old epoch ends at 9.
        world = made.World()
        world.start()
        world.talk(9)
        world.lose(2)
        world.epochs["room-1"] = "e2"
        for bot in (1, 3):
            world.announce(bot)
        world.talk(9)
        world.come_back(2)
        world.finish()
        join = world.find(Op.JOIN, lambda e: e.bot == 2 and e.conn == 2)[0]
        join.b, join.c = "e1", cursor + 1
        for entry in world.find(Op.HISTORY) + world.find(Op.JOIN_OK):
            entry.flags = 0
        assert made.found(world.judge(), "gapless-resume").verdict == word


def test_refused_for_what_is_no_longer_retained_passes(made: ModuleType) -> None:
    world = made.stormy()
    join, _ = _refuse(world)
    world.drop(e for e in world.find(Op.FINAL_READ) if e.a["seq"] <= join.c)
    assert made.found(world.judge(), "gapless-resume").verdict == "pass"


@pytest.mark.parametrize("how", ["missing", "broken off"])
def test_refused_without_final_reads_is_unknown(made: ModuleType, how: str) -> None:
    world = made.stormy()
    _refuse(world)
    ends = world.find(Op.FINAL_READ_END)
    if how == "missing":
        world.drop(ends)
    for end in ends:
        end.flags = 0
    found = made.found(world.judge(), "gapless-resume")
    assert found.verdict == "unknown"
    assert "was refused" in found.reason


def test_a_gap_while_a_final_read_is_missing_is_unknown_with_its_witness(made: ModuleType) -> None:
    world = made.stormy()
    world.drop([e for e in world.find(Op.DELIVERY) if e.bot == 1 and e.conn == 2 and e.flags][:1])
    world.drop(world.find(Op.FINAL_READ_END))
    found = made.found(world.judge(), "gapless-resume")
    assert (found.verdict, found.violations, len(found.witnesses)) == ("unknown", 1, 1)


def test_pubsub_is_not_applicable(made: ModuleType) -> None:
    verdict = made.quiet(delivery="pubsub").judge()
    assert made.found(verdict, "gapless-resume").verdict == "n/a"
    assert verdict.verdict == "pass"


def test_named_by_the_scenario_in_pubsub_is_unknown(made: ModuleType) -> None:
    verdict = made.quiet(delivery="pubsub", checks_named=True).judge()
    found = made.found(verdict, "gapless-resume")
    assert found.verdict == "unknown"
    assert "names this check" in found.reason
    assert verdict.verdict == "unknown"


def test_a_head_far_beyond_the_history_is_told_as_ranges(made: ModuleType) -> None:
    world = made.stormy()
    _, _, ok = _resumed(world)
    head, ok.c = ok.c, 2**32 - 1
    tracemalloc.start()
    try:
        verdict = world.judge()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    story = made.found(verdict, "gapless-resume").witnesses[0].story
    assert f"its history left out {head + 1} to {2**32 - 1}" in story
    assert most < 100_000_000


# Over epochs


def _sealed(made: ModuleType) -> Any:
    """Six messages in e1 survive, bot-02 is away since then, and nine follow in e2."""
    world = made.World()
    world.start()
    world.talk(6)
    world.lose(2)
    world.epochs["room-1"] = "e2"
    for bot in (1, 3):
        world.announce(bot)
    world.talk(9)
    return world


def test_a_resume_from_a_sealed_epoch_into_the_next_passes(made: ModuleType) -> None:
    world = _sealed(made)
    world.come_back(2)
    world.talk(3)
    world.finish()
    found = made.found(world.judge(), "gapless-resume")
    assert (found.verdict, found.checked) == (
        "pass",
        7,
    )  # One resume; on two connections two epochs, on two one.
    assert world.find(Op.JOIN, lambda e: e.bot == 2 and e.conn == 2)[0].b == "e1"


def test_a_resume_over_epochs_that_left_something_out_fails(made: ModuleType) -> None:
    world = _sealed(made)
    world.come_back(2)
    world.finish()
    missed = next(e for e in world.find(Op.DELIVERY) if e.bot == 2 and e.conn == 2 and e.flags)
    world.find(Op.HISTORY, lambda e: e.bot == 2 and e.conn == 2)[0].c -= 1
    world.drop([missed])
    assert "gapless-resume" in made.failed(world.judge())


def test_a_resume_from_past_the_sealed_end_that_calls_itself_complete_fails(made: ModuleType) -> None:
    world = _sealed(made)
    world.bots[2].cursors["room-1"] = ("e1", 8)
    world.come_back(2)
    world.finish()
    verdict = world.judge()
    assert "gapless-resume" in made.failed(verdict)
    assert "of an epoch that ends at 6" in made.found(verdict, "gapless-resume").witnesses[0].story


# Epochs that open while bots are joined


def _opened(made: ModuleType, *told: int, **options: Any) -> Any:
    """Six messages of room-1 in e1, then nine in e2; of the three bots these are told of it."""
    world = made.World(**options)
    world.start()
    world.talk(6)
    world.epochs["room-1"] = "e2"
    for bot in told:
        world.announce(bot)
    world.talk(9)
    return world


def test_an_epoch_that_was_announced_passes(made: ModuleType) -> None:
    world = _opened(made, 1, 2, 3)
    world.finish()
    found = made.found(world.judge(), "gapless-resume")
    assert (found.verdict, found.checked) == ("pass", 6)  # Two epochs on three connections.


def test_an_epoch_that_was_announced_again_passes(made: ModuleType) -> None:
    world = _opened(made, 1, 2, 3)
    world.announce(2)  # As after a hole that nothing could fill.
    world.talk(3)
    world.finish()
    assert made.found(world.judge(), "gapless-resume").verdict == "pass"


def test_an_epoch_without_a_word_fails_once_a_connection(made: ModuleType) -> None:
    world = _opened(made, 1)
    world.finish()
    verdict = world.judge()
    found = made.found(verdict, "gapless-resume")
    assert made.failed(verdict) == {"gapless-resume"}
    assert (found.violations, found.checked) == (2, 6)
    assert {witness.story[:7] for witness in found.witnesses} == {"bot-02 ", "bot-03 "}
    assert "received position 7 of epoch 'e2' live in room-1 on node-" in found.witnesses[0].story
    assert any("position 6 of epoch e1, live" in line for line in found.witnesses[0].operations)


def test_an_epoch_announced_after_its_first_message_fails(made: ModuleType) -> None:
    world = _opened(made, 1, 3)
    world.announce(2)
    world.talk(6)
    world.finish()
    found = made.found(world.judge(), "gapless-resume")
    assert (found.verdict, found.violations) == ("fail", 1)


def test_an_epoch_announced_on_another_connection_or_in_another_room_fails(made: ModuleType) -> None:
    for which in ("conn", "a"):
        world = _opened(made, 1, 2, 3, rooms=2)
        world.finish()
        told = world.find(Op.HISTORY, lambda e: e.bot == 2 and e.b == "e2")[0]
        setattr(told, which, {"conn": 7, "a": world.wire("room-2")}[which])
        found = made.found(world.judge(), "gapless-resume")
        assert (found.verdict, found.violations) == ("fail", 1), which


@pytest.mark.parametrize("op", [Op.HISTORY, Op.JOIN_OK])
def test_the_epoch_that_a_join_named_in_either_way_needs_no_other_word(made: ModuleType, op: Op) -> None:
    world = _opened(made, 1, 2, 3)
    world.lose(2)
    world.come_back(2)
    world.talk(6)
    world.finish()
    for silenced, words in ((op, 0), ({Op.HISTORY: Op.JOIN_OK, Op.JOIN_OK: Op.HISTORY}[op], 1)):
        for entry in world.find(silenced, lambda e: e.conn == 2):
            entry.b = None
        witnesses = made.found(world.judge(), "gapless-resume").witnesses
        assert sum("had told it of that epoch" in witness.story for witness in witnesses) == words


def test_messages_of_other_people_begin_an_epoch_too(made: ModuleType) -> None:
    world = _opened(made, 1, 3)
    world.finish()
    first = world.find(Op.DELIVERY, lambda e: e.bot == 2 and e.a["epoch"] == "e2")[0]
    first.a.update(user="somebody", text="hello", producer=None, n=None)
    found = made.found(world.judge(), "gapless-resume")
    assert found.violations == 1
    assert "position 7 of epoch 'e2'" in found.witnesses[0].story


def test_an_epoch_without_a_word_in_a_torn_history_is_unknown_with_its_witness(made: ModuleType) -> None:
    world = _opened(made, 1, 3)
    world.finish()
    world.torn = 7
    found = made.found(world.judge(), "gapless-resume")
    assert (found.verdict, found.violations, len(found.witnesses)) == ("unknown", 1, 1)
    assert "torn" in found.reason
