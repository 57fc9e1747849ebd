"""What is said of a run before its end stands at its end, wherever it was cut; breaks are seen early."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from harness.judge import early
from harness.records.history import Op
from harness.records.plan import FaultPlan


def claimed(world: Any, until_ns: int) -> set[str]:
    """The guarantees that are violated for certain, by what was recorded up to a moment."""
    found = early.violations(
        plan=world.plan,
        meta=replace(world.meta, load_ended_ns=None, ended_ns=None),
        histories=world.histories(),
        until_ns=until_ns,
    )
    return {each.name for each in found}


def moments(world: Any, cuts: int) -> list[int]:
    """Moments all over the run, the last one its end."""
    stamps = sorted(entry.t_ns for entry in world.entries)
    return [stamps[(len(stamps) - 1) * part // cuts] for part in range(1, cuts + 1)]


@pytest.mark.parametrize(
    ("each", "cuts"),
    [pytest.param(7, 3, id="a-sample"), pytest.param(1, 12, id="all-cut-all-over", marks=pytest.mark.slow)],
)
def test_of_broken_runs_only_that_is_claimed_which_the_verdict_says_too(
    made: ModuleType, mutations: ModuleType, each: int, cuts: int
) -> None:
    seen: set[str] = set()
    own = [m for m in mutations.MUTATIONS.values() if m.breaks in early.CERTAIN["durable"]]
    others = [m for m in mutations.MUTATIONS.values() if m not in own]
    for mutation in (*own[::each], *others[::each]):
        world = mutations.good(made)
        mutation.apply(world)
        failed = made.failed(world.judge())
        for until_ns in moments(world, cuts):
            claims = claimed(world, until_ns)
            assert claims <= failed, (mutation.name, until_ns)
            seen |= claims
    assert seen == set(early.CERTAIN["durable"]) if each == 1 else seen


@pytest.mark.parametrize("seed", range(5))
def test_of_a_right_cluster_nothing_is_claimed_whatever_mess_it_lives_through(
    made: ModuleType, messy: ModuleType, seed: int
) -> None:
    world = messy.messy(made, seed)
    for until_ns in moments(world, 4):
        assert claimed(world, until_ns) == set(), until_ns


def test_a_second_receipt_is_certain_at_once_and_not_before(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(10)
    again = world.receive(1, world.logs["room-1"][4])
    world.talk(10)
    world.finish()
    assert claimed(world, again.t_ns - 1) == set()
    assert "no-duplicates" in claimed(world, again.t_ns)


def test_what_was_received_is_known_though_its_send_stands_in_a_file_that_was_read_later(
    made: ModuleType,
) -> None:
    """Two writers; what the sender's wrote before its send is stamped too late, so its file is cut there."""
    world = made.World()
    world.start()
    sent = world.send(1)
    [received] = world.deliveries(sent, bot=2)
    own = [entry for entry in world.entries if entry.bot == 1]
    before = own[own.index(world.find(Op.SEND)[0]) - 1]
    before.t_ns = received.t_ns + 1
    others = [entry for entry in world.entries if entry.bot > 1]
    files = (made._file("bots-1", own), made._file("bots-2", others))
    found = early.violations(plan=world.plan, meta=world.meta, histories=files, until_ns=received.t_ns)
    assert found == ()


def test_a_message_that_nobody_sent_is_certain(made: ModuleType) -> None:
    world = made.World()
    world.start()
    sent = world.send(1)
    world.drop(world.find(Op.SEND))
    assert claimed(world, world.now_ns) >= {"integrity"}
    assert sent.committed is not None


def test_a_rejected_message_that_was_delivered_is_left_to_the_end(made: ModuleType) -> None:
    """It may be sent once more, and then it was not rejected."""
    world = made.World()
    world.start()
    world.talk(5)
    sent = world.send(1, answer="definite")
    world.commit(sent)
    world.talk(5)
    assert claimed(world, world.now_ns) == set()
    world.finish()
    assert "integrity" in made.failed(world.judge())


LOSS = FaultPlan(
    id="loss", fault="redis-data-loss", at_s=1.0, targets=("redis",), traits=("comes-back", "destroys-log")
)
REDIS = FaultPlan(
    id="r", fault="kill", at_s=1.0, targets=("redis",), restart_after_s=1, traits=("takes-down",)
)


def test_where_the_log_may_lose_its_end_nothing_is_claimed_that_rests_on_places(made: ModuleType) -> None:
    def names(fault: FaultPlan, fsync: str) -> tuple[str, ...]:
        plan = made.World(faults=[fault]).plan
        return early.certain(replace(plan, cluster=replace(plan.cluster, appendfsync=fsync)))

    assert names(LOSS, "always") == names(REDIS, "everysec") == ("integrity",)
    assert set(names(REDIS, "always")) == set(early.CERTAIN["durable"])


def test_in_the_pubsub_mode_order_is_left_to_the_end(made: ModuleType) -> None:
    world = made.World(delivery="pubsub")
    assert set(early.certain(world.plan)) == {"no-duplicates", "integrity"}
    world.start()
    world.talk(8)
    world.receive(1, world.logs["room-1"][2])
    assert claimed(world, world.now_ns) == {"no-duplicates"}
