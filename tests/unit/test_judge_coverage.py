"""Coverage and lifecycle: did the run test what it says, and did it begin and end as it must?"""

from dataclasses import replace
from types import ModuleType

import pytest

from harness.records.history import Op
from harness.records.journal import MemberState
from harness.records.plan import FaultPlan


def _proven(made: ModuleType, world: object) -> object:
    return made.finding(world.judge(), "proven:crash")  # type: ignore[attr-defined]


def test_killed_and_back_is_proven(made: ModuleType) -> None:
    found = _proven(made, made.stormy())
    assert found.verdict == "pass"
    assert "node-2 was killed at " in found.evidence
    assert "node-2 was back by" in found.evidence


def test_never_injected_is_unproven(made: ModuleType) -> None:
    world = made.stormy()
    world.faults = []
    verdict = world.judge()
    assert verdict.verdict == "unknown"
    assert "never injected" in made.finding(verdict, "proven:crash").evidence
    assert made.finding(verdict, "traffic:crash").verdict == "unknown"


@pytest.mark.parametrize(("step", "words"), [("proved", "saw it bite"), ("heal_proved", "saw it heal")])
def test_a_step_that_nobody_proved_is_unproven(made: ModuleType, step: str, words: str) -> None:
    world = made.stormy()
    world.faults = [entry for entry in world.faults if entry.step != step]
    assert world.judge().verdict == "unknown"
    assert words in _proven(made, world).evidence


def test_a_failed_step_is_told(made: ModuleType) -> None:
    world = made.stormy()
    failed = replace(world.faults[-1], step="failed", evidence={"error": "the disk was full"})
    world.faults.append(failed)
    assert _proven(made, world).verdict == "fail"
    assert "the disk was full" in _proven(made, world).evidence


def test_a_kill_that_did_nothing_is_unproven_whatever_the_journal_says(made: ModuleType) -> None:
    world = made.stormy()
    first = next(entry for entry in world.members if entry.member == "node-2")
    world.members = [entry for entry in world.members if entry.member != "node-2"] + [first]
    verdict = world.judge()
    assert verdict.verdict == "unknown"
    assert (
        "node-2 was the same incarnation before and after" in made.finding(verdict, "proven:crash").evidence
    )


def test_back_as_the_same_process_is_unproven(made: ModuleType) -> None:
    world = made.stormy()
    own = [entry for entry in world.members if entry.member == "node-2"]
    world.members = [
        replace(entry, identity=own[0].identity) if entry is own[-1] else entry for entry in world.members
    ]
    assert "was not seen ready again as another incarnation" in _proven(made, world).evidence


def test_a_kill_for_good_needs_no_heal(made: ModuleType) -> None:
    world = made.World(bots=4, faults=[replace(made.CRASH, restart_after_s=None)])
    world.start()
    world.talk(30)
    world.kill()
    world.everyone_back()
    world.talk(30)
    world.finish()
    assert _proven(made, world).verdict == "pass"
    assert world.judge().verdict == "pass"


@pytest.mark.parametrize(
    ("before", "during", "after", "word"),
    [(20, 20, 20, "pass"), (19, 20, 20, "fail"), (20, 19, 20, "fail"), (20, 20, 19, "fail")],
)
def test_traffic_around_the_fault(made: ModuleType, before: int, during: int, after: int, word: str) -> None:
    world = made.World(bots=4, faults=[made.CRASH])
    world.start()
    world.talk(before)
    world.kill()
    world.everyone_back()
    world.talk(during)
    world.wait(1)  # It was more than a moment: what is sent after its end is not sent during it.
    world.restart()
    world.talk(after)
    world.finish()
    verdict = world.judge()
    found = made.finding(verdict, "traffic:crash")
    assert found.verdict == word
    assert f"before it: {before}, sent during it: {during}, acknowledged after it: {after}" in found.evidence
    assert verdict.verdict == ("pass" if word == "pass" else "unknown")


@pytest.mark.parametrize(("later_s", "word"), [(0, "pass"), (2, "fail")])
def test_what_is_over_in_a_moment_is_felt_in_the_second_after(
    made: ModuleType, later_s: float, word: str
) -> None:
    world = made.World(faults=[made.MOMENT])
    world.start()
    world.talk(24)
    world.inject("moment")
    world.heal("moment")
    world.wait(later_s)
    world.talk(24)
    world.finish()
    found = made.finding(world.judge(), "traffic:moment")
    assert found.verdict == word
    assert f"sent during it: {24 if word == 'pass' else 0}" in found.evidence


@pytest.mark.parametrize(
    ("down", "word"), [(("node-1", "node-2", "node-3"), "pass"), (("node-1", "node-2"), "fail")]
)
def test_nobody_must_send_while_all_nodes_are_down(
    made: ModuleType, down: tuple[str, ...], word: str
) -> None:
    world = made.World(bots=4, faults=[replace(made.CRASH, targets=down)])
    world.start()
    world.talk(30)
    world.kill()
    world.wait(5)
    world.restart()
    world.everyone_back()
    world.talk(30)
    world.finish()
    found = made.finding(world.judge(), "traffic:crash")
    assert found.verdict == word
    assert "sent during it: 0" in found.evidence


def test_nobody_on_the_killed_node_is_unknown(made: ModuleType) -> None:
    world = made.World(bots=2, nodes=3, faults=[replace(made.CRASH, targets=("node-1",))])
    world.start()
    world.talk(30)
    world.kill()
    world.talk(30)
    world.restart()
    world.talk(30)
    world.finish()
    verdict = world.judge()
    assert made.finding(verdict, "cut-off:crash").verdict == "unknown"
    assert verdict.verdict == "unknown"


def test_who_kept_the_connection_was_not_cut_off(made: ModuleType) -> None:
    world = made.stormy()
    stayed = world.find(Op.DISCONNECT, lambda e: e.bot == 1 and e.conn == 1)
    world.drop(stayed)
    world.drop(e for e in world.entries if e.bot == 1 and e.conn == 2)
    found = made.finding(world.judge(), "cut-off:crash")
    assert found.verdict == "fail"
    assert "bot-01 kept a connection to node-2" in found.evidence


def test_a_fault_on_redis_cuts_nobody_off(made: ModuleType) -> None:
    world = made.World(
        faults=[
            FaultPlan(
                id="r", fault="kill", at_s=1, targets=("redis",), restart_after_s=1, traits=("takes-down",)
            )
        ]
    )
    world.start()
    world.talk(24)
    world.kill("r")
    world.talk(24)
    world.restart("r")
    world.talk(24)
    world.finish()
    verdict = world.judge()
    assert made.finding(verdict, "cut-off:r").verdict == "n/a"
    assert verdict.verdict == "pass"


def test_what_bots_noted_is_told_with_the_generator(made: ModuleType) -> None:
    world = made.quiet()
    world.record(Op.BOT_ERROR, 2, a="from node-1: an unknown event 'oops'")
    found = made.finding(world.judge(), "generator")
    assert found.verdict == "pass"
    assert "1 oddities, the first: from node-1" in found.evidence


# Lifecycle


def _word(made: ModuleType, world: object, name: str) -> str:
    verdict = world.judge()  # type: ignore[attr-defined]
    found = made.finding(verdict, name)
    if found.verdict == "fail":
        assert verdict.verdict == "unknown"
    return str(found.verdict)


def test_a_member_that_was_not_ready_at_the_start(made: ModuleType) -> None:
    world = made.quiet()
    world.members = [
        replace(entry, state=MemberState.STARTING) if entry.member == "node-3" else entry
        for entry in world.members
    ]
    assert _word(made, world, "healthy-start") == "fail"


def test_an_aborted_run(made: ModuleType) -> None:
    world = made.quiet()
    world.meta = replace(world.meta, aborted="interrupted by the user")
    assert _word(made, world, "to-its-end") == "fail"
    assert "interrupted by the user" in made.finding(world.judge(), "to-its-end").evidence


def test_a_run_whose_load_never_began(made: ModuleType) -> None:
    world = made.World()
    world.meta = replace(world.meta, load_began_ns=None, aborted="node-2 did not become ready")
    verdict = world.judge()
    assert (verdict.verdict, made.failed(verdict)) == ("unknown", set())


def test_an_unresolved_send(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.send(1, answer="lost")
    world.finish()
    assert _word(made, world, "drained") == "fail"
    assert (
        "bot-01's message 4 (room-1) was still unresolved" in made.finding(world.judge(), "drained").evidence
    )


def test_an_expired_result_is_resolved(made: ModuleType) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    world.send(1, answer="indefinite")
    world.finish()
    assert _word(made, world, "drained") == "pass"


def test_a_bot_that_did_not_catch_up(made: ModuleType) -> None:
    world = made.quiet()
    last = world.logs["room-1"][-1]
    world.drop(world.find(Op.DELIVERY, lambda e: e.bot == 2 and e.a["seq"] == last["seq"]))
    verdict = world.judge()
    assert made.finding(verdict, "caught-up").verdict == "fail"
    assert "bot-02 received up to 29 of 30 in room-1" in made.finding(verdict, "caught-up").evidence
    assert made.failed(verdict) == {"complete-delivery"}


def test_recovered_without_a_sight_of_health(made: ModuleType) -> None:
    world = made.stormy()
    back = [entry for entry in world.members if entry.member == "node-2"][-1]
    world.members = [
        replace(entry, state=MemberState.NOT_READY) if entry is back else entry for entry in world.members
    ]
    assert _word(made, world, "recovered") == "fail"


def test_a_slow_probe_just_before_the_load_is_no_unhealthy_start(made: ModuleType) -> None:
    world = made.stormy()
    ready = next(entry for entry in world.members if entry.member == "node-1")
    world.members += [
        replace(ready, t_ns=made.ZERO_NS - made.MS, state=MemberState.NOT_READY),
        replace(ready, t_ns=made.ZERO_NS + 250 * made.MS),
    ]
    verdict = world.judge()
    assert verdict.verdict == "pass"
    evidence = made.finding(verdict, "healthy-start").evidence
    assert "node-1 had been ready, though it was not-ready just before the load" in evidence


@pytest.mark.parametrize("state", [MemberState.DOWN, MemberState.NOT_READY])
def test_a_member_that_went_before_the_load_is_an_unhealthy_start(
    made: ModuleType, state: MemberState
) -> None:
    world = made.stormy()
    ready = next(entry for entry in world.members if entry.member == "node-1")
    gone = replace(ready, t_ns=made.ZERO_NS - 2 * made.MS, state=MemberState.DOWN, identity="")
    other = replace(ready, t_ns=made.ZERO_NS - made.MS, state=state, identity="pid 999 started 999")
    back = replace(other, t_ns=made.ZERO_NS + made.MS, state=MemberState.READY)
    world.members += [gone, back] if state is MemberState.DOWN else [gone, other, back]
    assert _word(made, world, "healthy-start") == "fail"


@pytest.mark.parametrize(
    ("error", "flags", "word"),
    [
        ("out_of_order: expected 3", 0, "fail"),
        ("store_unavailable", 0, "fail"),
        ("draining: bye", 1, "fail"),
        ("a_code_of_tomorrow", 0, "fail"),
        ("key_reused: other text", 0, "pass"),
        ("a_code_of_tomorrow", 1, "pass"),
    ],
)
def test_which_refusals_leave_a_send_open(made: ModuleType, error: str, flags: int, word: str) -> None:
    world = made.World()
    world.start()
    world.talk(9)
    sent = world.send(1, answer="lost")
    world.attempt(sent, answer="none")
    world._refuse(sent, error, flags)
    world.finish()
    assert _word(made, world, "drained") == word


def test_a_tail_that_was_never_read_is_an_incomplete_final_read(made: ModuleType) -> None:
    world = made.quiet()
    tail = [
        e
        for e in world.entries
        if e.op in (Op.FINAL_READ, Op.FINAL_READ_END) and (e.b, e.c) == ("node-2", "tail")
    ]
    world.drop(tail)
    verdict = world.judge()
    assert verdict.verdict == "unknown"
    assert made.finding(verdict, "final-reads").evidence == "node-2 was not read for room-1 (tail)"
