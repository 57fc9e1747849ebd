"""complete-delivery: whoever is entitled to an acknowledged message has received it."""

from types import ModuleType

import pytest

from harness.records.history import Op


@pytest.mark.parametrize("delivery", ["durable", "pubsub"])
def test_everyone_got_everything_passes(made: ModuleType, delivery: str) -> None:
    found = made.found(made.quiet(delivery=delivery).judge(), "complete-delivery")
    assert (found.verdict, found.checked) == ("pass", 90)


def test_one_recipient_lacks_one_message_fails_and_is_named(made: ModuleType) -> None:
    world = made.stormy()
    lost = world.sent[2, 4]
    world.drop(world.deliveries(lost, bot=3))
    verdict = world.judge()
    assert made.failed(verdict) == {"complete-delivery"}
    found = made.found(verdict, "complete-delivery")
    assert found.violations == 1
    assert found.witnesses[0].story.endswith("; bot-03 never received it")
    assert "bot-02's message 4 (room-1) was acknowledged by node-3 at" in found.witnesses[0].story
    assert any("bot-03" in line and "joins room-1" in line for line in found.witnesses[0].operations)


def test_two_recipients_share_a_witness(made: ModuleType) -> None:
    world = made.quiet()
    world.drop(world.deliveries(world.sent[1, 1], bot=2) + world.deliveries(world.sent[1, 1], bot=3))
    found = made.found(world.judge(), "complete-delivery")
    assert (found.violations, len(found.witnesses)) == (2, 1)
    assert "bot-02 and bot-03 never received it" in found.witnesses[0].story


def test_the_sender_itself_is_a_recipient(made: ModuleType) -> None:
    world = made.quiet()
    world.drop(world.deliveries(world.sent[1, 2], bot=1))
    assert made.failed(world.judge()) == {"complete-delivery", "read-your-writes"}


def test_lost_while_away_in_pubsub_fails(made: ModuleType) -> None:
    verdict = made.stormy(delivery="pubsub").judge()
    assert made.failed(verdict) == {"complete-delivery"}
    found = made.found(verdict, "complete-delivery")
    assert found.violations == 12  # Six messages while two bots were away.
    assert "after node-2 was killed; bot-01 and bot-04 never received it" in found.witnesses[0].story


def test_received_by_resume_passes(made: ModuleType) -> None:
    assert made.found(made.stormy().judge(), "complete-delivery").verdict == "pass"


def test_what_was_sent_before_the_join_entitles_nobody(made: ModuleType) -> None:
    world = made.World()
    world.connect(1)
    world.join(1)
    for _ in range(60):  # More than a snapshot has.
        world.send(1)
    world.connect(2)
    world.join(2)
    world.send(1)
    world.connect(3)
    world.join(3)
    world.finish()
    found = made.found(world.judge(), "complete-delivery")
    assert (found.verdict, found.checked) == ("pass", 62)


def test_sent_before_the_join_but_placed_after_it_entitles(made: ModuleType) -> None:
    world = made.World(bots=2)
    world.connect(1)
    world.join(1)
    overlapping = world.send(1, before_commit=lambda: (world.connect(2), world.join(2)))
    world.finish()
    assert made.found(world.judge(), "complete-delivery").checked == 2
    world.drop(world.deliveries(overlapping, bot=2))
    assert made.failed(world.judge()) == {"complete-delivery"}


def test_overlapping_the_join_in_pubsub_entitles_nobody(made: ModuleType) -> None:
    world = made.World(bots=2, delivery="pubsub")
    world.connect(1)
    world.join(1)
    overlapping = world.send(1, before_commit=lambda: (world.connect(2), world.join(2)))
    world.finish()
    world.drop(world.deliveries(overlapping, bot=2))
    assert made.found(world.judge(), "complete-delivery").verdict == "pass"


def test_after_the_leave_nothing_is_owed(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.leave(3)
    world.talk(8)
    world.finish()
    found = made.found(world.judge(), "complete-delivery")
    assert (found.verdict, found.checked) == ("pass", 9 * 3 + 8 * 2)


def test_before_the_leave_everything_is_owed(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    owed = world.send(1)
    world.leave(3)
    world.finish()
    world.drop(world.deliveries(owed, bot=3))
    assert made.failed(world.judge()) == {"complete-delivery"}


@pytest.mark.parametrize(("lacks", "fails"), [(-1, False), (-2, True)])
def test_before_a_leave_that_nobody_answered_all_up_to_the_last_that_came_is_owed(
    made: ModuleType, lacks: int, fails: bool
) -> None:
    """Found by redis-kill: who was refused to leave, and left all the same, lacked the last message."""
    world = made.World()
    world.start()
    world.talk(9)
    sent = [world.send(1) for _ in range(2)]
    world.leave(3, answered=False)
    world.finish()
    world.drop(world.deliveries(sent[lacks], bot=3))
    assert ("complete-delivery" in made.failed(world.judge())) is fails


def test_committed_before_the_leaves_position_is_owed_though_acknowledged_later(made: ModuleType) -> None:
    world = made.World()
    world.start()
    owed = world.send(1, before_answer=lambda: world.leave(3))
    world.finish()
    world.drop(world.deliveries(owed, bot=3))
    assert made.failed(world.judge()) == {"complete-delivery"}


def test_indeterminate_and_seen_by_some_passes(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    half_seen = world.send(1, answer="none")
    world.finish()
    world.drop(world.deliveries(half_seen, bot=2))
    assert made.found(world.judge(), "complete-delivery").verdict == "pass"


def test_an_altered_copy_is_no_receipt(made: ModuleType) -> None:
    world = made.quiet()
    for entry in world.deliveries(world.sent[1, 1], bot=2):
        entry.a["text"] += "!"
    assert made.failed(world.judge()) == {"complete-delivery", "integrity"}


def test_a_bot_that_never_came_back_is_unknown_and_fails_reconnection(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.lose(3)
    world.talk(9)
    world.finish()
    verdict = world.judge()
    assert made.failed(verdict) == {"reconnection"}
    found = made.found(verdict, "complete-delivery")
    assert (found.verdict, found.violations) == ("unknown", 0)
    assert found.reason == "bot-03 was not joined at the end"


def test_a_loss_elsewhere_still_fails_when_another_bot_stayed_away(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.lose(3)
    world.finish()
    world.drop(world.deliveries(world.sent[1, 1], bot=2))
    assert made.failed(world.judge()) == {"complete-delivery", "reconnection"}


def test_hung_up_on_after_the_final_reads_is_no_matter(made: ModuleType) -> None:
    world = made.quiet()
    for entry in world.find(Op.DISCONNECT):
        entry.a = "closed by the server"
    assert world.judge().verdict == "pass"


def test_nothing_acknowledged_is_unknown(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.send(1, answer="none")
    world.finish()
    assert made.found(world.judge(), "complete-delivery").verdict == "unknown"


def test_a_witness_has_the_steps_of_its_diagram(made: ModuleType) -> None:
    world = made.stormy()
    lost = world.sent[2, 4]
    world.drop(world.deliveries(lost, bot=3))
    (witness,) = made.found(world.judge(), "complete-delivery").witnesses
    steps = [(step.kind.value, step.source, step.target) for step in witness.steps]
    assert ("send", "bot-02", "node-3") in steps
    assert ("acknowledged", "node-3", "bot-02") in steps
    assert steps[-1] == ("never", "bot-03", "")
    assert {target for kind, _, target in steps if kind == "received"} - {"bot-03"}
    acked = next(step for step in witness.steps if step.kind.value == "acknowledged")
    assert acked.t_ns == witness.t_ns
    assert any(f"at position {acked.position} of" in line for line in witness.operations)
    assert list(witness.steps) == sorted(witness.steps, key=lambda step: step.t_ns)
    assert all("never" not in line for line in witness.operations)
