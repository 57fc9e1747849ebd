"""Vacuity and doubt: what proves nothing is unknown, with its reason, for every guarantee and every run."""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from harness.records.guarantees import GUARANTEES
from harness.records.history import Op
from harness.records.journal import MemberState

Make = Callable[[ModuleType], Any]


def _nothing_acknowledged(made: ModuleType) -> Any:
    world = made.World()
    world.start()
    world.finish()
    return world


def _a_read_is_missing(made: ModuleType) -> Any:
    world = made.quiet()
    world.drop(world.find(Op.FINAL_READ_END, lambda e: e.b == "node-2"))
    return world


def _a_bot_stayed_away(made: ModuleType) -> Any:
    world = made.World()
    world.start()
    world.talk(9)
    world.lose(3)
    world.talk(9)
    world.finish()
    return world


def _own_message_missing_in_a_torn_history(made: ModuleType) -> Any:
    world = made.quiet()
    last = [e for e in world.find(Op.DELIVERY) if e.a["producer"] == world.bots[e.bot].name][-1]
    world.drop([last])
    world.torn = 7
    return world


def _own_message_on_its_way_when_the_run_was_cut_short(made: ModuleType) -> Any:
    world = made.quiet()
    last = [e for e in world.find(Op.DELIVERY) if e.a["producer"] == world.bots[e.bot].name][-1]
    world.drop([last])
    world.meta = replace(world.meta, aborted="it took too long")
    return world


def _refused_without_final_reads(made: ModuleType) -> Any:
    world = made.stormy()
    for entry in [*world.find(Op.HISTORY), *world.find(Op.JOIN_OK)]:
        entry.flags = 0
    world.drop(world.find(Op.FINAL_READ_END))
    return world


def _no_user_list(made: ModuleType) -> Any:
    world = made.quiet()
    world.drop(world.find(Op.USER_LIST))
    return world


def _wrong_list_before_its_deadline(made: ModuleType) -> Any:
    world = made.quiet()
    world.find(Op.USER_LIST)[-1].a["users"].pop()
    return world


def _away_while_a_fault_holds(made: ModuleType) -> Any:
    world = made.World(bots=4, faults=[made.CRASH])
    world.start()
    world.talk(24)
    world.kill()
    world.finish()
    return world


UNKNOWN: list[tuple[str, Make, str]] = [
    ("acked-durable", _a_read_is_missing, "node-2 was not read for room-1 (store)"),
    ("acked-durable", _nothing_acknowledged, "no message was acknowledged"),
    ("complete-delivery", _a_bot_stayed_away, "bot-03 was not joined at the end"),
    ("no-duplicates", _nothing_acknowledged, "no message was acknowledged"),
    ("integrity", _nothing_acknowledged, "no message was acknowledged"),
    ("total-order", _nothing_acknowledged, "no message was acknowledged"),
    ("fifo-order", _nothing_acknowledged, "no message was acknowledged"),
    ("causal-order", _nothing_acknowledged, "no message was acknowledged"),
    ("read-your-writes", _own_message_missing_in_a_torn_history, "the history of bots-1 is torn"),
    ("read-your-writes", _own_message_on_its_way_when_the_run_was_cut_short, "the run was cut short"),
    ("read-your-writes", _nothing_acknowledged, "no message was acknowledged"),
    ("monotonic-reads", _nothing_acknowledged, "no message was acknowledged"),
    ("gapless-resume", _refused_without_final_reads, "was refused"),
    ("convergence", _a_read_is_missing, "node-2 was not read for room-1 (store)"),
    ("presence", _no_user_list, "no user list was received"),
    ("presence", _wrong_list_before_its_deadline, "the run ended before a list had to be right"),
    ("reconnection", _away_while_a_fault_holds, "unfinished run"),
    ("availability", _nothing_acknowledged, "no message was sent outside declared outages"),
]


@pytest.mark.parametrize(("guarantee", "make", "reason"), UNKNOWN)
def test_a_guarantee_on_which_a_record_says_nothing_is_unknown(
    made: ModuleType, guarantee: str, make: Make, reason: str
) -> None:
    verdict = make(made).judge()
    found = made.found(verdict, guarantee)
    assert found.verdict == "unknown"
    assert reason in found.reason
    assert verdict.verdict in ("unknown", "fail")


def test_there_is_an_unknown_history_for_each_guarantee() -> None:
    assert {name for name, _, _ in UNKNOWN} == set(GUARANTEES)


# Runs that test nothing


def _a_fault_that_did_nothing(made: ModuleType) -> Any:
    world = made.stormy()
    first = next(entry for entry in world.members if entry.member == "node-2")
    world.members = [entry for entry in world.members if entry.member != "node-2"] + [first]
    return world


def _a_fault_without_a_receipt(made: ModuleType) -> Any:
    world = made.stormy()
    world.faults = [entry for entry in world.faults if entry.step != "proved"]
    return world


def _a_fault_that_nobody_felt(made: ModuleType) -> Any:
    world = made.World(bots=2, faults=[replace(made.CRASH, targets=("node-1",))])
    world.start()
    world.talk(24)
    world.kill()
    world.talk(24)
    world.restart()
    world.talk(24)
    world.finish()
    return world


def _too_little_traffic(made: ModuleType) -> Any:
    world = made.World(bots=4, faults=[made.CRASH])
    world.start()
    world.talk(24)
    world.kill()
    world.everyone_back()
    world.talk(3)
    world.restart()
    world.talk(24)
    world.finish()
    return world


def _a_silent_node(made: ModuleType) -> Any:
    world = made.quiet()
    world.drop(e for e in world.find(Op.FINAL_READ) + world.find(Op.FINAL_READ_END) if e.b == "node-3")
    return world


def _a_node_that_never_came_up(made: ModuleType) -> Any:
    world = made.quiet()
    world.members = [
        replace(entry, state=MemberState.STARTING) if entry.member == "node-3" else entry
        for entry in world.members
    ]
    return world


def _an_overloaded_generator(made: ModuleType) -> Any:
    world = made.quiet()
    world.lag_ms = 900.0
    return world


def _an_unmeasured_generator(made: ModuleType) -> Any:
    world = made.quiet()
    world.lag_ms = None
    return world


def _a_bot_without_a_record(made: ModuleType) -> Any:
    world = made.quiet()
    world.drop([entry for entry in world.entries if entry.bot == 2])
    return world


def _an_unresolved_send(made: ModuleType) -> Any:
    world = made.World()
    world.start()
    world.talk(9)
    world.send(1, answer="none", lands=False)
    world.finish()
    return world


def _an_aborted_run(made: ModuleType) -> Any:
    world = made.quiet()
    world.meta = replace(world.meta, aborted="interrupted by the user")
    return world


VACUOUS: list[tuple[Make, str]] = [
    (_nothing_acknowledged, "traffic"),
    (_a_fault_that_did_nothing, "proven:crash"),
    (_a_fault_without_a_receipt, "proven:crash"),
    (_a_fault_that_nobody_felt, "cut-off:crash"),
    (_too_little_traffic, "traffic:crash"),
    (_a_read_is_missing, "final-reads"),
    (_a_silent_node, "final-reads"),
    (_a_node_that_never_came_up, "healthy-start"),
    (_an_overloaded_generator, "generator"),
    (_an_unmeasured_generator, "generator"),
    (_a_bot_without_a_record, "history"),
    (_an_unresolved_send, "drained"),
    (_an_aborted_run, "to-its-end"),
]


@pytest.mark.parametrize(("make", "finding"), VACUOUS)
def test_a_run_that_proves_nothing_is_unknown_and_says_why(
    made: ModuleType, make: Make, finding: str
) -> None:
    verdict = make(made).judge()
    assert (verdict.verdict, made.failed(verdict)) == ("unknown", set())
    found = made.finding(verdict, finding)
    assert found.verdict in ("fail", "unknown")
    assert found.evidence


def test_a_bot_that_never_joined_fails_reconnection_and_leaves_its_deliveries_unknown(
    made: ModuleType,
) -> None:
    world = made.World()
    for bot in (1, 2):
        world.connect(bot)
        world.join_all(bot)
    world.connect(3)
    world.talk(24)
    world.finish()
    verdict = world.judge()
    assert made.failed(verdict) == {"reconnection"}
    assert made.found(verdict, "complete-delivery").verdict == "unknown"


def test_a_run_without_planned_faults_passes_and_says_so(made: ModuleType) -> None:
    verdict = made.quiet().judge()
    assert verdict.verdict == "pass"
    assert "the plan has no faults" in made.finding(verdict, "faults").evidence
