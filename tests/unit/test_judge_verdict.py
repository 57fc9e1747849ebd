"""The verdict on a whole run: which finding decides, what stands in doubt, what was expected."""

from types import ModuleType
from typing import Any

import pytest

from harness.records.codec import dump_json, load_json
from harness.records.history import Op
from harness.records.journal import MemberState
from harness.records.plan import Expectation, FaultPlan
from harness.records.verdict import RunVerdict


def test_a_good_run_with_a_kill_passes(made: ModuleType) -> None:
    verdict = made.stormy().judge()
    assert (verdict.verdict, verdict.as_expected, verdict.unexpected) == ("pass", True, ())
    assert {prop.verdict for prop in verdict.properties} == {"pass"}


def test_a_run_without_faults_passes_and_says_so(made: ModuleType) -> None:
    verdict = made.quiet().judge()
    assert verdict.verdict == "pass"
    assert made.finding(verdict, "faults").verdict == "n/a"
    assert "no faults" in made.finding(verdict, "faults").evidence


@pytest.mark.parametrize("delivery", ["durable", "pubsub"])
def test_the_same_record_gives_the_same_verdict(made: ModuleType, delivery: str) -> None:
    world = made.stormy(delivery=delivery)
    one, other = dump_json(world.judge()), dump_json(world.judge())
    assert one == other
    assert load_json(RunVerdict, one) == world.judge()


# Vacuity


def test_no_traffic_is_unknown_whatever_is_checked(made: ModuleType) -> None:
    for checks in (("acked-durable",), ("reconnection",), ("total-order", "gapless-resume")):
        world = made.World(checks=checks)
        world.start()
        world.finish()
        assert world.judge().verdict == "unknown"


def test_nothing_checked_is_unknown(made: ModuleType) -> None:
    assert made.quiet(checks=()).judge().verdict == "unknown"


def test_a_check_without_a_checker_is_not_applicable_or_unknown_when_named(made: ModuleType) -> None:
    verdict = made.quiet(checks=("acked-durable", "no-such-guarantee")).judge()
    assert made.found(verdict, "no-such-guarantee").verdict == "n/a"
    assert verdict.verdict == "pass"
    verdict = made.quiet(checks=("acked-durable", "no-such-guarantee"), checks_named=True).judge()
    assert made.found(verdict, "no-such-guarantee").verdict == "unknown"
    assert verdict.verdict == "unknown"


def test_no_history_at_all_is_unknown(made: ModuleType) -> None:
    world = made.quiet()
    world.entries.clear()
    verdict = world.judge()
    assert (verdict.verdict, made.failed(verdict)) == ("unknown", set())


def test_the_bots_history_missing_is_unknown(made: ModuleType) -> None:
    world = made.quiet()
    world.drop([entry for entry in world.entries if entry.bot])
    verdict = world.judge()
    assert (verdict.verdict, made.failed(verdict)) == ("unknown", set())
    assert "there is no history of bot-01" in made.finding(verdict, "history").evidence


def test_one_bots_history_missing_is_unknown(made: ModuleType) -> None:
    world = made.quiet()
    world.drop([entry for entry in world.entries if entry.bot == 2])
    verdict = world.judge()
    assert (verdict.verdict, made.failed(verdict)) == ("unknown", set())


# Doubt


def _lose_a_delivery(world: Any) -> None:
    world.drop(world.deliveries(world.sent[1, 1], bot=2))


def _no_final_reads(world: Any) -> None:
    world.drop(world.find(Op.FINAL_READ_END, lambda e: e.b == "node-1"))


def _broken_off_final_read(world: Any) -> None:
    world.find(Op.FINAL_READ_END)[-1].flags = 0


def _moving_final_read(world: Any) -> None:
    last = world.find(Op.FINAL_READ)[-1]
    world.drop([last])


def _single_round(world: Any) -> None:
    world.drop(e for e in world.entries if e.op in (Op.FINAL_READ, Op.FINAL_READ_END) and e.d == 2)


def _overload(world: Any) -> None:
    world.lag_ms = 251.0


def _unhealed(world: Any) -> None:
    world.faults = [entry for entry in world.faults if entry.step != "heal_proved"]


def _still_down(world: Any) -> None:
    world._see("node-2", MemberState.DOWN)


def _torn(world: Any) -> None:
    world.torn = 3


DOUBTS = [
    _no_final_reads,
    _broken_off_final_read,
    _moving_final_read,
    _single_round,
    _overload,
    _unhealed,
    _still_down,
    _torn,
]


@pytest.mark.parametrize("doubt", DOUBTS)
def test_in_doubt_a_good_run_is_unknown(made: ModuleType, doubt: Any) -> None:
    world = made.stormy()
    doubt(world)
    verdict = world.judge()
    assert (verdict.verdict, made.failed(verdict)) == ("unknown", set())


@pytest.mark.parametrize("doubt", DOUBTS)
def test_in_doubt_a_lost_message_is_unknown_and_keeps_its_witness(made: ModuleType, doubt: Any) -> None:
    world = made.stormy()
    _lose_a_delivery(world)
    doubt(world)
    verdict = world.judge()
    found = made.found(verdict, "complete-delivery")
    assert (verdict.verdict, found.verdict, found.violations) == ("unknown", "unknown", 1)
    assert len(found.witnesses) == 1
    assert found.reason


@pytest.mark.parametrize("doubt", DOUBTS)
def test_in_doubt_a_violation_of_safety_stands(made: ModuleType, doubt: Any) -> None:
    world = made.stormy()
    world.insert_after(world.deliveries(world.sent[1, 1], bot=2)[0])
    doubt(world)
    verdict = world.judge()
    assert verdict.verdict == "fail"
    assert made.failed(verdict) == {"no-duplicates"}


def test_a_lag_that_nobody_recorded_is_unknown(made: ModuleType) -> None:
    world = made.quiet()
    world.lag_ms = None
    verdict = world.judge()
    assert verdict.verdict == "unknown"
    assert made.finding(verdict, "generator").verdict == "unknown"


def test_a_lag_that_nobody_recorded_does_not_excuse_a_loss(made: ModuleType) -> None:
    world = made.quiet()
    world.lag_ms = None
    _lose_a_delivery(world)
    assert world.judge().verdict == "fail"


# Expectations


LOSS = Expectation(
    verdict="fail", violates=("complete-delivery",), may_violate=("total-order", "causal-order")
)


def test_an_expected_failure_is_as_expected(made: ModuleType) -> None:
    verdict = made.stormy(delivery="pubsub", expect=LOSS).judge()
    assert (verdict.verdict, verdict.as_expected, verdict.expected) == ("fail", True, "fail")


def test_a_failure_that_was_not_expected_is_not(made: ModuleType) -> None:
    verdict = made.stormy(delivery="pubsub").judge()
    assert (verdict.verdict, verdict.as_expected) == ("fail", False)
    assert any("complete-delivery failed: 12 violations" in sentence for sentence in verdict.unexpected)


def test_a_pass_where_failure_was_expected_is_not(made: ModuleType) -> None:
    verdict = made.stormy(expect=LOSS).judge()
    assert (verdict.verdict, verdict.as_expected) == ("pass", False)
    assert (
        "The scenario expects a violation of complete-delivery, but its finding is pass."
        in verdict.unexpected
    )


def test_failing_in_something_else_is_not(made: ModuleType) -> None:
    world = made.stormy(expect=LOSS)
    world.insert_after(world.deliveries(world.sent[1, 1], bot=2)[0])
    verdict = world.judge()
    assert (verdict.verdict, verdict.as_expected) == ("fail", False)
    assert any(
        s.startswith("no-duplicates failed, which the scenario does not allow") for s in verdict.unexpected
    )


def test_failing_also_in_what_is_allowed_is(made: ModuleType) -> None:
    world = made.stormy(delivery="pubsub", expect=LOSS)
    one, other = world.deliveries(world.sent[2, 2], bot=3)[0], world.deliveries(world.sent[1, 2], bot=3)[0]
    one.a, other.a = other.a, one.a
    verdict = world.judge()
    assert made.failed(verdict) == {"complete-delivery", "total-order", "causal-order"}
    assert verdict.as_expected


def test_an_expected_failure_of_an_unproven_fault_is_not(made: ModuleType) -> None:
    world = made.stormy(delivery="pubsub", expect=LOSS)
    world.faults = [entry for entry in world.faults if entry.step != "proved"]
    verdict = world.judge()
    assert (verdict.verdict, verdict.as_expected) == ("fail", False)
    assert any("Coverage did not pass" in sentence for sentence in verdict.unexpected)


def test_an_expected_failure_in_doubt_is_unknown(made: ModuleType) -> None:
    world = made.stormy(delivery="pubsub", expect=LOSS)
    _overload(world)
    verdict = world.judge()
    assert (verdict.verdict, verdict.as_expected) == ("unknown", False)


def test_a_check_that_was_expected_to_fail_and_not_made_is_told(made: ModuleType) -> None:
    verdict = made.stormy(delivery="pubsub", expect=LOSS, checks=("integrity",)).judge()
    assert any("but it was not checked" in sentence for sentence in verdict.unexpected)


# Witnesses


def test_at_most_32_witnesses_with_full_counts(made: ModuleType) -> None:
    world = made.World(bots=2)
    world.start()
    world.talk(60)
    world.finish()
    world.drop(world.find(Op.DELIVERY, lambda e: e.bot == 2))
    found = made.found(world.judge(), "complete-delivery")
    assert (found.violations, len(found.witnesses)) == (60, 32)


def test_stories_name_faults_that_are_no_kills(made: ModuleType) -> None:
    fault = FaultPlan(id="slow", fault="latency", at_s=1.0, targets=("node-1", "node-2"), duration_s=5.0)
    world = made.World(faults=[fault])
    world.start()
    world.talk(24)
    world._step(fault, "injected")
    lost = world.send(1)
    world.wait(2)
    world._step(fault, "heal_proved")
    late = world.send(1)
    world.finish()
    world.drop(world.listed(lost, "node-1", "store") + world.listed(late, "node-1", "store"))
    stories = [witness.story for witness in made.found(world.judge(), "acked-durable").witnesses]
    assert "after fault slow (latency on node-1 and node-2) began" in stories[0]
    assert "after fault slow (latency on node-1 and node-2) was healed" in stories[1]


# Hostile records


def test_rows_that_make_no_sense_discredit_the_run_and_nothing_else(made: ModuleType) -> None:
    world = made.quiet()
    world.record(Op.SEND_OK, 1, a=4711, b=1, c="e1", d=3)
    world.record(Op.SEND, 1, a={"what": "ever"}, b=1, c=4712)
    world.record(Op.JOIN_OK, 1, a="nowhere.ffffffff", b="e1", c=3)
    world.record(Op.JOIN_OK, 1, conn=99, a=world.wire("room-1"), b="e1", c=3)
    world.record(Op.LEAVE_OK, 2, a=None, b=None, c=0)
    world.entries.append(made.Entry(t_ns=world.now_ns, op=Op.DELIVERY, bot=99, a="{}"))
    verdict = world.judge()
    assert (verdict.verdict, made.failed(verdict)) == ("unknown", set())
    assert made.finding(verdict, "history").verdict == "fail"


def test_ids_that_lead_nowhere_do_not_crash(made: ModuleType) -> None:
    world = made.quiet()
    for op in Op:
        for bot in (0, 1, 77):
            world.entries.append(
                made.Entry(t_ns=world.now_ns, op=op, bot=bot, conn=3, a=10**9, b=10**9, c=10**9, d=10**9)
            )
    assert dump_json(world.judge())


def test_a_key_used_for_two_messages_discredits_the_run(made: ModuleType) -> None:
    world = made.quiet()
    content = {**world.find(Op.SEND)[0].a, "text": "something else"}
    world.record(Op.SEND, 1, a=content, b=2, c=1)
    verdict = world.judge()
    assert "different messages under the key 1" in made.finding(verdict, "history").evidence


SURROGATE = "\ud800"


def _in_the_room(content: dict[str, Any]) -> None:
    content["room"] = f"{SURROGATE}.0a1b2c3d"


def _in_the_user(content: dict[str, Any]) -> None:
    content["user"] = SURROGATE


def _in_the_text(content: dict[str, Any]) -> None:
    content["text"] += SURROGATE


def _in_the_epoch(content: dict[str, Any]) -> None:
    content["epoch"] = SURROGATE


def _in_the_producer(content: dict[str, Any]) -> None:
    content["producer"] = SURROGATE


def _huge_position(content: dict[str, Any]) -> None:
    content["seq"] = 10**4299


HOSTILE = [_in_the_room, _in_the_user, _in_the_text, _in_the_epoch, _in_the_producer, _huge_position]


@pytest.mark.parametrize("delivery", ["durable", "pubsub"])
@pytest.mark.parametrize("op", [Op.DELIVERY, Op.FINAL_READ])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_the_verdict_on_a_hostile_cluster_can_be_written(
    made: ModuleType, hostile: Any, op: Op, delivery: str
) -> None:
    world = made.quiet(delivery=delivery)
    for entry in world.find(op, lambda e: e.a["text"] == world.sent[1, 2].text):
        hostile(entry.a)
    verdict = world.judge()
    assert load_json(RunVerdict, dump_json(verdict)) == verdict


def test_positions_of_thousands_of_digits_are_malformed_and_do_not_crash(made: ModuleType) -> None:
    world = made.quiet()
    for key, seq in ((2, 1), (3, 10**4300 - 1)):
        for bot, epoch in ((1, "e2"), (2, "e3")):
            for entry in world.listed(world.sent[bot, key]):
                entry.a.update(epoch=epoch, seq=seq)
    verdict = world.judge()
    assert "integrity" in made.failed(verdict)
    assert "beyond 9007199254740991 as seq" in made.found(verdict, "integrity").witnesses[0].story
    assert dump_json(verdict)


@pytest.mark.parametrize("room", [f"{SURROGATE}.0a1b2c3d", "room-1.0a1b2c3d"])
def test_a_verdict_on_names_in_answers_that_no_file_takes_can_be_written(made: ModuleType, room: str) -> None:
    world = made.stormy()
    for entry in world.entries:
        if entry.op in (Op.JOIN_OK, Op.HISTORY, Op.LEAVE_OK) and entry.bot == 1:
            entry.a, entry.b = room, SURROGATE
        if entry.op is Op.SEND_OK and entry.bot == 2:
            entry.c = SURROGATE
        if entry.op in (Op.CONNECT, Op.DISCONNECT) and entry.bot == 3:
            entry.a = SURROGATE
    verdict = world.judge()
    assert made.failed(verdict)
    assert load_json(RunVerdict, dump_json(verdict)) == verdict


def test_a_foreign_room_name_is_shown_with_its_surrogates_spelled_out(made: ModuleType) -> None:
    world = made.quiet()
    _in_the_room(world.deliveries(world.sent[1, 1], bot=2)[0].a)
    lines = [
        line for prop in world.judge().properties for witness in prop.witnesses for line in witness.operations
    ]
    assert any("in \\ud800 at position" in line for line in lines)


def test_a_fault_without_targets_does_not_crash(made: ModuleType) -> None:
    fault = FaultPlan(
        id="nobody", fault="kill", at_s=1.0, targets=(), restart_after_s=1.0, traits=("takes-down",)
    )
    verdict = made.quiet(faults=[fault]).judge()
    assert verdict.verdict == "unknown"
    assert "nobody" in made.finding(verdict, "cut-off:nobody").evidence
