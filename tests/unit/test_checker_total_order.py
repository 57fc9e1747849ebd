"""total-order: all recipients and all nodes agree on one order per room."""

from types import ModuleType
from typing import Any

import pytest

from harness.records.history import Op


@pytest.mark.parametrize("delivery", ["durable", "pubsub"])
def test_one_order_passes(made: ModuleType, delivery: str) -> None:
    assert made.found(made.stormy(delivery=delivery).judge(), "total-order").verdict == "pass"


def _swap_places(one: dict, other: dict) -> None:
    one["seq"], other["seq"] = other["seq"], one["seq"]


def test_two_messages_swapped_for_one_bot_fails(made: ModuleType) -> None:
    world = made.quiet()
    first, second = world.sent[1, 2], world.sent[2, 2]
    _swap_places(world.deliveries(first, bot=3)[0].a, world.deliveries(second, bot=3)[0].a)
    verdict = world.judge()
    assert made.failed(verdict) == {"total-order", "monotonic-reads"}
    found = made.found(verdict, "total-order")
    assert found.violations == 2 + 1  # Two places are contested, and one message came late.
    assert "position 4 of room-1 is" in found.witnesses[0].story
    assert "for bot-03" in found.witnesses[0].story


def test_one_node_has_another_order_fails(made: ModuleType) -> None:
    world = made.quiet()
    for one, other in zip(
        world.listed(world.sent[1, 2], node="node-2"),
        world.listed(world.sent[2, 2], node="node-2"),
        strict=True,
    ):
        one.a, other.a = {**other.a, "seq": one.a["seq"]}, {**one.a, "seq": other.a["seq"]}
    assert made.failed(world.judge()) == {"total-order", "convergence"}


def test_an_acknowledgement_that_names_anothers_place_fails(made: ModuleType) -> None:
    world = made.quiet()
    world.find(Op.SEND_OK, lambda e: e.bot == 1 and e.a == 2)[0].d = 9
    verdict = world.judge()
    assert made.failed(verdict) == {"total-order"}
    assert "for the acknowledgement by" in made.found(verdict, "total-order").witnesses[0].story


def test_a_duplicates_acknowledgement_that_names_a_new_place_fails(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    sent = world.send(1, answer="lost")
    world.attempt(sent)
    world.talk(9)
    world.finish()
    assert world.judge().verdict == "pass"
    world.find(Op.SEND_OK, lambda e: e.a == sent.key and e.bot == 1)[0].d = 11
    assert made.failed(world.judge()) == {"total-order"}


def test_another_epoch_for_one_recipient_fails(made: ModuleType) -> None:
    world = made.quiet()
    world.deliveries(world.sent[1, 2], bot=3)[0].a["epoch"] = "e2"
    assert made.failed(world.judge()) == {"total-order", "gapless-resume"}  # Nor was it told of that epoch.


def test_a_hole_in_the_numbers_fails(made: ModuleType) -> None:
    world = made.quiet()
    for entry in [*world.find(Op.DELIVERY), *world.find(Op.FINAL_READ)]:
        entry.a["seq"] += entry.a["seq"] > 12
    for entry in world.find(Op.SEND_OK):
        entry.d += entry.d > 12
    verdict = world.judge()
    assert made.failed(verdict) == {"total-order"}
    assert (
        "position 13 names no message, but 12 and 14 do"
        in made.found(verdict, "total-order").witnesses[0].story
    )


def test_a_hole_is_not_judged_without_final_reads(made: ModuleType) -> None:
    world = made.quiet()
    for entry in world.find(Op.DELIVERY):
        entry.a["seq"] += entry.a["seq"] > 12
    for entry in world.find(Op.SEND_OK):
        entry.d += entry.d > 12
    world.drop(world.find(Op.FINAL_READ) + world.find(Op.FINAL_READ_END))
    verdict = world.judge()
    assert (made.failed(verdict), verdict.verdict) == (set(), "unknown")


def test_other_peoples_messages_fill_positions(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    stranger = {
        **world.sent[1, 1].committed,
        "seq": 10,
        "user": "eve",
        "text": "hello",
        "producer": "eve",
        "n": 1,
    }
    world.logs["room-1"].append(stranger)
    for bot in (1, 2, 3):
        world.receive(bot, stranger)
    world.talk(9)
    world.finish()
    assert world.judge().verdict == "pass"


def test_a_place_that_is_anothers_for_one_bot_fails(made: ModuleType) -> None:
    world = made.quiet()
    place = world.deliveries(world.sent[1, 2], bot=3)[0]
    stranger = {**place.a, "user": "eve", "text": "hello", "producer": "eve", "n": 1}
    world.insert_after(place, a=stranger)
    verdict = world.judge()
    assert made.failed(verdict) == {"total-order"}
    assert "another user's message for bot-03" in made.found(verdict, "total-order").witnesses[0].story


def test_a_final_read_out_of_order_fails(made: ModuleType) -> None:
    world = made.quiet()
    for one, other in zip(
        world.listed(world.sent[1, 2], "node-2", "store"),
        world.listed(world.sent[2, 2], "node-2", "store"),
        strict=True,
    ):
        one.a, other.a = other.a, one.a
    assert made.failed(world.judge()) == {"total-order", "convergence"}


def test_live_out_of_order_on_a_connection_fails(made: ModuleType) -> None:
    world = made.quiet()
    one = world.deliveries(world.sent[1, 2], bot=3)[0]
    other = world.deliveries(world.sent[2, 2], bot=3)[0]
    one.a, other.a = other.a, one.a
    verdict = world.judge()
    assert made.failed(verdict) == {"total-order", "monotonic-reads", "causal-order"}
    assert "live and after position" in made.found(verdict, "total-order").witnesses[0].story


def test_seen_the_other_way_round_in_pubsub_fails(made: ModuleType) -> None:
    world = made.quiet(delivery="pubsub")
    one = world.deliveries(world.sent[1, 2], bot=3)[0]
    other = world.deliveries(world.sent[2, 2], bot=3)[0]
    one.a, other.a = other.a, one.a
    verdict = world.judge()
    assert made.failed(verdict) == {"total-order", "causal-order"}
    found = made.found(verdict, "total-order")
    assert found.violations == 8  # With two bots and six final reads, one pair each.
    assert "saw them the other way round" in found.witnesses[0].story
    assert sum("receives bot-0" in line for line in found.witnesses[0].operations) == 4


def test_missed_messages_in_pubsub_are_no_disorder(made: ModuleType) -> None:
    world = made.quiet(delivery="pubsub")
    world.drop(world.deliveries(world.sent[1, 2], bot=3) + world.deliveries(world.sent[2, 5], bot=2))
    assert made.found(world.judge(), "total-order").verdict == "pass"


def test_two_epochs_with_continuing_numbers_pass(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.epochs["room-1"] = "e2"
    world.talk(9)
    world.finish()
    assert made.found(world.judge(), "total-order").verdict == "pass"


def test_nothing_acknowledged_is_unknown(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.finish()
    assert made.found(world.judge(), "total-order").verdict == "unknown"


@pytest.mark.parametrize("missing", [("c",), ("d",), ("c", "d")])
def test_an_acknowledgement_without_a_position_fails(made: ModuleType, missing: tuple[str, ...]) -> None:
    world = made.quiet()
    ack = world.find(Op.SEND_OK, lambda e: e.bot == 1 and e.a == 2)[0]
    for operand in missing:
        setattr(ack, operand, 0)
    verdict = world.judge()
    assert made.failed(verdict) == {"total-order"}
    found = made.found(verdict, "total-order")
    assert (found.violations, found.checked) == (1, 30 + 30)
    assert "bot-01's message 2 (room-1) was acknowledged by " in found.witnesses[0].story
    assert "without a position" in found.witnesses[0].story


def test_a_hole_counts_as_checked(made: ModuleType) -> None:
    world = made.quiet()
    for entry in [*world.find(Op.DELIVERY), *world.find(Op.FINAL_READ)]:
        entry.a["seq"] += 500 * (entry.a["seq"] > 12)
    for entry in world.find(Op.SEND_OK):
        entry.d += 500 * (entry.d > 12)
    found = made.found(world.judge(), "total-order")
    assert (found.violations, found.checked) == (500, 30 + 500 + 30)


def test_observers_in_pubsub_that_disagree_in_much_are_one_violation(made: ModuleType) -> None:
    world = made.quiet(delivery="pubsub")
    own = world.find(Op.DELIVERY, lambda e: e.bot == 3)
    contents = [entry.a for entry in own]
    for entry, content in zip(own, reversed(contents), strict=True):
        entry.a = content
    found = made.found(world.judge(), "total-order")
    assert (found.violations, found.checked) == (8, 36)  # The others are two bots and six final reads.
    assert len(found.witnesses) == 8
    assert "of the 30 messages that both saw, 30 stand in such pairs" in found.witnesses[0].story


# Over epochs


def _sealed(made: ModuleType, *, lost: int = 3) -> tuple[Any, list[Any]]:
    """Nine messages, of which the last are lost with the end of the log; then a new epoch, and nine more."""
    world = made.World()
    world.start()
    world.talk(9)
    gone = list(world.sent.values())[-lost:]
    world.lose_end("room-1", lost, "e2")
    return world, gone


def test_the_same_positions_in_a_new_epoch_are_other_places(made: ModuleType) -> None:
    world, _ = _sealed(made)
    world.talk(9)
    world.finish()
    assert made.failed(world.judge()) == {"acked-durable"}


def test_a_lost_message_that_was_sent_again_has_one_place(made: ModuleType) -> None:
    world, gone = _sealed(made)
    for sent in gone:
        sent.committed = None
        world.attempt(sent)
    world.finish()
    assert made.failed(world.judge()) == set()


def test_a_hole_past_the_sealed_end_is_no_hole(made: ModuleType) -> None:
    world, gone = _sealed(made)
    world.talk(9)
    world.finish()
    unheard = gone[1]
    world.drop(world.deliveries(unheard) + world.find(Op.SEND_OK, lambda e: e.d == 8 and e.c == "e1"))
    assert made.found(world.judge(), "total-order").verdict == "pass"


def test_a_hole_before_the_sealed_end_fails(made: ModuleType) -> None:
    world, _ = _sealed(made)
    world.talk(9)
    world.finish()
    second = world.sent[2, 1]
    world.drop(world.deliveries(second) + world.listed(second))
    world.drop(world.find(Op.SEND_OK, lambda e: e.d == 2 and e.c == "e1"))
    assert "total-order" in made.failed(world.judge())


def test_two_messages_at_one_place_past_the_sealed_end_fail(made: ModuleType) -> None:
    world, gone = _sealed(made)
    world.finish()
    one, other = (world.deliveries(sent, bot=3)[0] for sent in gone[:2])
    other.a["seq"] = one.a["seq"]
    assert "total-order" in made.failed(world.judge())


def test_live_out_of_order_in_a_new_epoch_below_the_old_one_fails(made: ModuleType) -> None:
    world, _ = _sealed(made, lost=9)
    world.talk(6)
    world.finish()
    own = [e for e in world.find(Op.DELIVERY) if e.bot == 3 and e.a["epoch"] == "e2"]
    own[1].a, own[2].a = own[2].a, own[1].a
    verdict = world.judge()
    assert "total-order" in made.failed(verdict)
    assert "live and after position" in made.found(verdict, "total-order").witnesses[0].story


def test_nothing_left_of_the_old_epoch_and_messages_sent_again_pass(made: ModuleType) -> None:
    world, gone = _sealed(made, lost=9)
    for sent in gone:
        sent.committed = None
        world.attempt(sent)
    world.finish()
    assert made.failed(world.judge()) == set()
