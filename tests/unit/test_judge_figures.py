"""Figures: counts by outcome, quantiles, the longest wait, the ways back."""

from types import ModuleType

import pytest


def test_sends_by_outcome(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.send(1, answer="definite")
    world.send(1, answer="lost", lands=False)
    world.send(1, answer="lost", lands=True)
    world.send(1, answer="late")
    world.finish()
    sends = world.judge().stats.sends
    assert (sends.attempted, sends.acked, sends.rejected) == (13, 10, 1)
    assert (sends.indeterminate, sends.recovered) == (2, 1)


def test_attempts_are_not_messages(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.attempt(world.send(1, answer="lost"))
    world.finish()
    assert world.judge().stats.sends.attempted == 1


def test_acknowledgement_latency_runs_from_the_first_invoke(made: ModuleType) -> None:
    world = made.World()
    world.start()
    sent = world.send(1, answer="lost")
    world.wait(3)
    world.attempt(sent)
    world.finish()
    latency = world.judge().stats.ack_latency_ms
    assert latency.count == 1
    assert latency.max == pytest.approx(3000, abs=20)


def test_a_p99_needs_a_hundred_samples(made: ModuleType) -> None:
    for count, known in ((99, False), (100, True)):
        world = made.World(bots=1)
        world.start()
        world.talk(count)
        world.finish()
        latency = world.judge().stats.ack_latency_ms
        assert latency.count == count
        assert (latency.p99 is not None) is known
        assert latency.max is not None


def test_delivery_latency_counts_live_receipts_only(made: ModuleType) -> None:
    stats = made.stormy().judge().stats
    assert stats.deliveries == 360
    assert stats.delivery_latency_ms.count == 360 - 12


def test_the_longest_wait_begins_anew_at_each_acknowledgement(made: ModuleType) -> None:
    world = made.World(bots=1)
    world.start()
    world.send(1, before_commit=lambda: world.wait(2))
    world.wait(50)  # Nothing under way: nobody waits.
    first = world.send(1, answer="none")
    world.wait(3)
    world.send(1)
    world.wait(4)
    world.acknowledge(first)
    world.finish()
    assert world.judge().stats.longest_wait_ms == pytest.approx(4000, abs=50)


def test_an_unanswered_send_waits_to_the_end(made: ModuleType) -> None:
    world = made.World(bots=1)
    world.start()
    world.send(1, answer="none")
    world.wait(9)
    world.finish()
    assert world.judge().stats.longest_wait_ms == pytest.approx(9000, abs=50)


def test_nobody_sent_so_nobody_waited(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.finish()
    stats = world.judge().stats
    assert (stats.longest_wait_ms, stats.ack_latency_ms.max) == (None, None)


def test_ways_back_name_fault_nodes_and_what_was_caught_up(made: ModuleType) -> None:
    ways = made.stormy().judge().reconnections
    assert [way.bot for way in ways] == ["bot-01", "bot-04"]
    for way in ways:
        assert (way.fault_id, way.from_node, way.caught_up) == ("crash", "node-2", 6)
        assert way.to_node in ("node-1", "node-3")
        assert way.reason == made.CUT
        assert way.back_ns is not None
        assert way.back_ns > way.lost_ns


def test_a_loss_outside_all_faults_belongs_to_none(made: ModuleType) -> None:
    world = made.stormy(finish=False)
    world.lose(2)
    world.come_back(2)
    world.finish()
    assert world.judge().reconnections[-1].fault_id is None
    assert world.judge().stats.reconnections.count == 3


def test_never_back_has_no_end(made: ModuleType) -> None:
    world = made.stormy(finish=False)
    world.lose(2)
    world.finish()
    way = world.judge().reconnections[-1]
    assert (way.bot, way.back_ns, way.to_node) == ("bot-02", None, None)


def test_who_sends_as_the_last_thing_that_anybody_does_has_waited_for_a_moment(made: ModuleType) -> None:
    world = made.World(bots=2)
    world.start()
    world.send(1, answer="lost", lands=False)
    last = max(index for index, entry in enumerate(world.entries) if entry.op is made.Op.SEND)
    del world.entries[last + 1 :]  # The run was interrupted there.
    assert world.judge().stats.longest_wait_ms == pytest.approx(0, abs=0.001)
