"""no-duplicates: nobody receives a message twice in a membership, and none has two places in the log."""

from types import ModuleType
from typing import Any

import pytest

from harness.records.history import FLAG_FROM_HISTORY, Op


@pytest.mark.parametrize("delivery", ["durable", "pubsub"])
def test_everything_once_passes(made: ModuleType, delivery: str) -> None:
    assert made.found(made.quiet(delivery=delivery).judge(), "no-duplicates").verdict == "pass"


@pytest.mark.parametrize("delivery", ["durable", "pubsub"])
def test_twice_live_fails(made: ModuleType, delivery: str) -> None:
    world = made.quiet(delivery=delivery)
    world.insert_after(world.deliveries(world.sent[1, 2], bot=3)[0])
    verdict = world.judge()
    assert made.failed(verdict) == {"no-duplicates"}
    found = made.found(verdict, "no-duplicates")
    assert found.violations == 1
    assert "bot-03 received bot-01's message 2 (room-1) twice: live at" in found.witnesses[0].story


def test_a_resume_that_begins_before_the_cursor_fails(made: ModuleType) -> None:
    world = made.stormy()
    first = next(e for e in world.find(Op.JOIN, lambda e: e.c > 0))
    history = next(e for e in world.find(Op.HISTORY) if e.bot == first.bot and e.conn == first.conn)
    known = world.logs["room-1"][first.c - 2]  # At the cursor.
    world.insert_after(
        history, op=Op.DELIVERY, flags=FLAG_FROM_HISTORY, a=dict(known), b=0, c=0, t_ns=history.t_ns
    )
    history.c += 1
    verdict = world.judge()
    assert made.failed(verdict) == {"no-duplicates"}
    assert (
        f"it had resumed with cursor {first.c - 1}" in made.found(verdict, "no-duplicates").witnesses[0].story
    )


def test_live_again_on_a_later_connection_fails(made: ModuleType) -> None:
    world = made.stormy()
    old = world.sent[1, 1]
    later = next(e for e in world.find(Op.DELIVERY) if e.bot == 1 and e.conn == 2 and not e.flags)
    copy = world.insert_after(later)
    copy.a = dict(old.committed)
    assert "no-duplicates" in made.failed(world.judge())


def test_history_and_live_overlap_on_one_join_fails(made: ModuleType) -> None:
    world = made.stormy()
    resumed = [e for e in world.find(Op.DELIVERY) if e.bot == 1 and e.conn == 2 and e.flags][-1]
    ok = next(e for e in world.find(Op.JOIN_OK) if e.bot == 1 and e.conn == 2)
    world.insert_after(ok, op=Op.DELIVERY, flags=0, a=dict(resumed.a), b=0, c=0)
    assert made.failed(world.judge()) == {"no-duplicates"}


def test_beyond_the_contiguous_cursor_may_come_again(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    dropped = world.send(1)
    world.send(1)
    world.drop(world.deliveries(dropped, bot=2))
    world.lose(2)
    world.bots[2].cursors["room-1"] = ("e1", dropped.committed["seq"] - 1)
    world.come_back(2)
    world.finish()
    verdict = world.judge()
    assert made.failed(verdict) == set()
    assert made.found(verdict, "no-duplicates").verdict == "pass"


def test_a_second_membership_may_begin_with_what_is_known(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.leave(2)
    world.join(2)
    world.talk(9)
    world.finish()
    assert world.judge().verdict == "pass"


def test_a_snapshot_after_an_unanswered_join_may_repeat(made: ModuleType) -> None:
    world = made.World(bots=2)
    world.connect(1)
    world.join(1)
    world.send(1)
    world.connect(2)
    world.join(2, acknowledged=False)
    world.lose(2)
    world.bots[2].cursors.clear()
    world.come_back(2)
    world.send(2)
    world.finish()
    assert made.found(world.judge(), "no-duplicates").verdict == "pass"


def test_an_honest_snapshot_may_repeat_what_the_cursor_covered(made: ModuleType) -> None:
    world = _with_snapshot(made)
    assert made.found(world.judge(), "no-duplicates").verdict == "pass"


def test_a_snapshot_that_repeats_itself_fails(made: ModuleType) -> None:
    world = _with_snapshot(made)
    repeated = world.find(Op.DELIVERY, lambda e: e.bot == 2 and e.conn == 2 and e.flags)[0]
    world.insert_after(repeated)
    world.find(Op.HISTORY, lambda e: e.bot == 2 and e.conn == 2)[0].c += 1
    assert made.failed(world.judge()) == {"no-duplicates"}


def _with_snapshot(made: ModuleType) -> Any:
    """bot-02 comes back with a cursor of an unknown epoch, and is given all again."""
    world = made.World()
    world.start()
    world.talk(9)
    world.lose(2)
    del world.bots[2].cursors["room-1"]
    world.come_back(2)
    join = world.find(Op.JOIN, lambda e: e.bot == 2 and e.conn == 2)[0]
    join.b, join.c = "e0", 10
    world.talk(9)
    world.finish()
    return world


def test_live_again_on_a_later_connection_in_pubsub_fails(made: ModuleType) -> None:
    world = made.World(delivery="pubsub")
    world.start()
    sent = world.send(1)
    world.lose(2)
    world.come_back(2)
    world.receive(2, sent.committed)
    world.finish()
    assert made.failed(world.judge()) == {"no-duplicates"}


def test_paged_by_the_bot_itself_may_repeat(made: ModuleType) -> None:
    world = made.quiet()
    delivery = world.deliveries(world.sent[1, 1], bot=2)[0]
    page = world.insert_after(delivery, flags=FLAG_FROM_HISTORY)
    assert made.found(world.judge(), "no-duplicates").verdict == "pass"
    page.flags, delivery.flags = delivery.flags, page.flags  # The page comes first.
    assert made.found(world.judge(), "no-duplicates").verdict == "pass"


def test_committed_twice_has_two_places_and_fails(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    sent = world.send(1, answer="lost")
    world.commit(sent)
    world.acknowledge(sent)
    world.finish()
    verdict = world.judge()
    assert made.failed(verdict) == {"no-duplicates"}
    stories = [witness.story for witness in made.found(verdict, "no-duplicates").witnesses]
    assert any(
        "it has two places in the log" in story and "positions 10 and 11" in story for story in stories
    )


def test_a_page_after_an_announced_epoch_may_come_before_the_live_message(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.record(Op.HISTORY, 2, a=world.wire("room-1"), b="e1", c=1)
    world.receive(2, world.logs["room-1"][0], from_history=True)
    raced = world.send(1)
    live = world.deliveries(raced, bot=2)[0]
    page = world.insert_after(live)
    live.flags = FLAG_FROM_HISTORY
    assert not page.flags
    world.finish()
    assert made.found(world.judge(), "no-duplicates").verdict == "pass"


def test_received_at_two_places_in_two_memberships_fails(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.leave(2)
    world.join(2)
    world.finish()
    again = world.find(Op.DELIVERY, lambda e: e.bot == 2 and e.flags)[3]
    again.a["seq"] = 30
    assert "no-duplicates" in made.failed(world.judge())


def test_an_old_message_live_again_later_is_a_duplicate_and_no_disorder(made: ModuleType) -> None:
    world = made.quiet()
    old, last = (
        world.deliveries(world.sent[1, 1], bot=2)[0],
        world.find(Op.DELIVERY, lambda e: e.bot == 2)[-1],
    )
    world.insert_after(last, a=dict(old.a))
    assert made.failed(world.judge()) == {"no-duplicates"}


def test_listed_twice_at_one_position_fails(made: ModuleType) -> None:
    world = made.quiet()
    for entry in world.listed(world.sent[1, 1], node="node-2", source="store"):
        world.insert_after(entry)
    assert made.failed(world.judge()) == {"no-duplicates", "convergence"}


def test_listed_twice_in_pubsub_fails(made: ModuleType) -> None:
    world = made.quiet(delivery="pubsub")
    for entry in world.listed(world.sent[1, 1], node="node-2", source="store"):
        world.insert_after(entry)
    assert made.failed(world.judge()) == {"no-duplicates", "convergence"}


def test_a_violation_stands_without_final_reads(made: ModuleType) -> None:
    world = made.quiet()
    world.insert_after(world.deliveries(world.sent[1, 2], bot=3)[0])
    world.drop(world.find(Op.FINAL_READ_END))
    verdict = world.judge()
    assert made.found(verdict, "no-duplicates").verdict == "fail"
    assert verdict.verdict == "fail"


def test_nothing_acknowledged_is_unknown(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.finish()
    assert made.found(world.judge(), "no-duplicates").verdict == "unknown"


def _join_again(made: ModuleType, *, behind: int = 0, cursor: bool = True, fresh: bool = False) -> Any:
    """bot-02 joins a second time on one connection, and a message comes live before the history that has it.

    `behind`: how far the join's cursor is ahead of where the history begins. `fresh`: the connection is new.
    """
    world = made.World(bots=2)
    world.start()
    world.talk(10)
    if fresh:
        world.lose(2)
        world.connect(2)
    epoch, seq = world.bots[2].cursors["room-1"]
    wire = world.wire("room-1")
    world.record(Op.JOIN, 2, a=wire, b=epoch if cursor else None, c=seq + behind + 1 if cursor else 0)
    world.bots[2].joined.add("room-1")
    world.send(1)
    world.record(Op.HISTORY, 2, flags=1, a=wire, b=epoch, c=1)
    world.receive(2, world.logs["room-1"][-1], from_history=True)
    world.record(Op.JOIN_OK, 2, flags=1, a=wire, b=epoch, c=len(world.logs["room-1"]))
    return world


@pytest.mark.parametrize("cursor", [True, False])
def test_joined_again_on_one_connection_may_repeat_what_came_live_meanwhile(
    made: ModuleType, cursor: bool
) -> None:
    world = _join_again(made, cursor=cursor)
    world.talk(10)
    world.finish()
    verdict = world.judge()
    assert made.found(verdict, "no-duplicates").verdict == "pass"
    assert verdict.verdict == "pass"


def test_joined_again_on_one_connection_may_not_repeat_what_the_cursor_covers(made: ModuleType) -> None:
    world = _join_again(made, behind=1)
    world.finish()
    assert made.found(world.judge(), "no-duplicates").violations == 1


def test_a_first_join_may_not_deliver_live_what_its_history_brings(made: ModuleType) -> None:
    world = _join_again(made, fresh=True)
    world.finish()
    assert made.found(world.judge(), "no-duplicates").violations == 1


def test_joined_again_after_a_leave_may_not_deliver_live_what_its_history_brings(made: ModuleType) -> None:
    world = made.World(bots=2)
    world.start()
    world.talk(10)
    world.leave(2)
    wire = world.wire("room-1")
    world.record(Op.JOIN, 2, a=wire, b="e1", c=11)
    world.bots[2].joined.add("room-1")
    world.send(1)
    world.record(Op.HISTORY, 2, flags=1, a=wire, b="e1", c=1)
    world.receive(2, world.logs["room-1"][-1], from_history=True)
    world.record(Op.JOIN_OK, 2, flags=1, a=wire, b="e1", c=11)
    world.finish()
    assert made.found(world.judge(), "no-duplicates").violations == 1


def test_joined_again_and_live_again_after_the_history_fails(made: ModuleType) -> None:
    world = _join_again(made)
    world.receive(2, world.logs["room-1"][-1])
    world.finish()
    assert made.found(world.judge(), "no-duplicates").violations == 1


# Over epochs


def _sent_again(made: ModuleType, *, lost: bool) -> tuple[Any, Any]:
    """A message is committed once more in a new epoch; its first place is lost, or not."""
    world = made.World()
    world.start()
    world.talk(9)
    sent = list(world.sent.values())[-1]
    if lost:
        world.lose_end("room-1", 1, "e2")
    else:
        world.epochs["room-1"] = "e2"
    sent.committed = None
    world.attempt(sent)
    world.talk(3)
    world.finish()
    return world, sent


def test_a_message_sent_again_after_its_place_was_lost_is_none(made: ModuleType) -> None:
    world, _ = _sent_again(made, lost=True)
    assert made.failed(world.judge()) == set()


def test_a_message_with_a_second_place_in_a_new_epoch_is_one(made: ModuleType) -> None:
    world, _ = _sent_again(made, lost=False)
    assert "no-duplicates" in made.failed(world.judge())


def test_a_message_that_came_twice_in_the_new_epoch_is_one(made: ModuleType) -> None:
    world, sent = _sent_again(made, lost=True)
    world.insert_after(world.deliveries(sent, bot=3)[-1])
    assert "no-duplicates" in made.failed(world.judge())
