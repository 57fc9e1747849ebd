"""acked-durable: an acknowledged message is in the log of every node that the plan leaves alive."""

from types import ModuleType
from typing import Any

import pytest

from harness.records.history import Op


@pytest.mark.parametrize("delivery", ["durable", "pubsub"])
def test_all_in_every_log_passes(made: ModuleType, delivery: str) -> None:
    found = made.found(made.quiet(delivery=delivery).judge(), "acked-durable")
    assert (found.verdict, found.checked, found.violations) == ("pass", 90, 0)


def test_missing_on_one_node_fails_and_names_it(made: ModuleType) -> None:
    world = made.stormy()
    lost = world.sent[1, 3]
    world.drop(world.listed(lost, node="node-3", source="store"))
    verdict = world.judge()
    assert made.failed(verdict) == {"acked-durable", "convergence"}
    found = made.found(verdict, "acked-durable")
    assert found.violations == 1
    story = found.witnesses[0].story
    assert "bot-01's message 3 (room-1) was acknowledged by node-2 at " in story
    assert "before node-2 was killed" in story
    assert "not in the log that node-3 served" in story
    assert any("sends message 3 to room-1, attempt 1" in line for line in found.witnesses[0].operations)


def test_missing_everywhere_counts_once_per_node(made: ModuleType) -> None:
    world = made.quiet()
    world.drop(world.listed(world.sent[2, 1]))
    found = made.found(world.judge(), "acked-durable")
    assert (found.verdict, found.violations, len(found.witnesses)) == ("fail", 3, 1)


def test_acknowledged_late_and_missing_fails(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    late = world.send(1, answer="late")
    world.finish()
    world.drop([*world.listed(late), *world.deliveries(late)])
    assert "acked-durable" in made.failed(world.judge())


def test_indeterminate_and_missing_passes(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.send(1, answer="lost", lands=False)
    world.finish()
    assert made.found(world.judge(), "acked-durable").verdict == "pass"


def test_listed_under_another_room_only_fails(made: ModuleType) -> None:
    world = made.quiet(rooms=2)
    for entry in world.listed(world.sent[1, 1], node="node-1", source="store"):
        entry.a["room"] = world.wire("room-2")
    assert "acked-durable" in made.failed(world.judge())


def test_a_node_that_the_plan_leaves_down_is_not_asked(made: ModuleType) -> None:
    world = made.World(bots=4, faults=[made.replace(made.CRASH, restart_after_s=None)])
    world.start()
    world.talk(24)
    world.kill()
    world.everyone_back()
    world.talk(24)
    world.finish()
    verdict = world.judge()
    assert verdict.verdict == "pass"
    assert made.found(verdict, "acked-durable").checked == 48 * 2


def test_a_missing_final_read_is_unknown(made: ModuleType) -> None:
    world = made.quiet()
    world.drop(world.find(Op.FINAL_READ_END, lambda e: e.b == "node-2"))
    found = made.found(world.judge(), "acked-durable")
    assert found.verdict == "unknown"
    assert "node-2 was not read for room-1" in found.reason


def test_a_read_that_broke_off_accuses_nobody(made: ModuleType) -> None:
    world = made.quiet()
    last = world.find(Op.FINAL_READ_END, lambda e: (e.b, e.c) == ("node-2", "store"))[-1]
    last.flags = 0
    world.drop(world.find(Op.FINAL_READ, lambda e: (e.b, e.c, e.d) == ("node-2", "store", last.d)))
    found = made.found(world.judge(), "acked-durable")
    assert (found.verdict, found.violations, found.checked) == ("unknown", 0, 60)
    assert "node-2, room-1, store: the last read broke off" in found.reason


def test_missing_on_one_node_while_another_was_not_read_is_unknown(made: ModuleType) -> None:
    world = made.quiet()
    world.drop(world.listed(world.sent[1, 1], node="node-3", source="store"))
    world.drop(world.find(Op.FINAL_READ_END, lambda e: e.b == "node-2"))
    found = made.found(world.judge(), "acked-durable")
    assert (found.verdict, found.violations) == ("unknown", 1)
    assert found.witnesses


def test_nothing_acknowledged_is_unknown(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.finish()
    assert made.found(world.judge(), "acked-durable").verdict == "unknown"


def _break_a_tail_off(world: Any) -> None:
    world.find(Op.FINAL_READ_END, lambda e: (e.b, e.c) == ("node-1", "tail"))[-1].flags = 0


def _leave_a_tail_out(world: Any) -> None:
    world.drop(
        e
        for e in world.entries
        if e.op in (Op.FINAL_READ, Op.FINAL_READ_END) and (e.b, e.c) == ("node-1", "tail")
    )


@pytest.mark.parametrize("trouble", [_break_a_tail_off, _leave_a_tail_out])
def test_a_bad_tail_read_says_nothing_about_the_log(made: ModuleType, trouble: Any) -> None:
    world = made.quiet()
    trouble(world)
    verdict = world.judge()
    assert made.found(verdict, "acked-durable").verdict == "pass"
    assert verdict.verdict == "unknown"  # The lifecycle says why.
    assert made.finding(verdict, "final-reads").verdict == "fail"


def test_a_bad_tail_read_does_not_excuse_a_loss(made: ModuleType) -> None:
    world = made.quiet()
    world.drop(world.listed(world.sent[1, 1], node="node-3", source="store"))
    _break_a_tail_off(world)
    assert made.found(world.judge(), "acked-durable").verdict == "fail"
