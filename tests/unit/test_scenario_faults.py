"""What scenarios say of faults beside a time and a target: after, repeat, each; their sense and plan."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.faults.registry import FAULTS
from harness.plan import make_plan
from harness.records.codec import dump_json
from harness.records.plan import AfterPlan, FaultPlan
from harness.scenario.model import LARGEST_SEED, Scenario
from harness.scenario.parse import ScenarioError, parse
from harness.timeline import timeline

HEAD = """version: 1
name: faults
cluster: {nodes: 4}
load: {users: 8, messages_per_second: 20, spawn_rate: 8}
phases: {warmup: 1s, steady: 2s, chaos: 30s, recovery: 6s}
faults:
"""
FIRST_LINE = 7


def scenario(*faults: str) -> Scenario:
    return parse(HEAD + "".join(f"  - {{{fault}}}\n" for fault in faults), label="f.yaml")


def planned(*faults: str, seed: int = 1) -> dict[str, FaultPlan]:
    return {plan.id: plan for plan in make_plan(scenario(*faults), seed=seed).faults}


def mistakes(*faults: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        scenario(*faults)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


CUT = "id: cut, fault: pause, at: 2s, target: {name: node-1}, duration: 10s"
CRASH = "id: crash, fault: kill, target: {name: node-2}, restart_after: 5s"


# --- after -----------------------------------------------------------------------------------------------


def test_after__an_inject__the_plan_keeps_the_event_and_its_earliest_time() -> None:
    crash = planned(CUT, f"{CRASH}, after: {{id: cut, event: injected, delay: 3s}}")["crash"]
    assert crash.after == AfterPlan(id="cut", event="injected", delay_s=3.0)
    assert crash.at_s == 1 + 2 + 2 + 3


def test_after__a_heal__the_earliest_time_is_the_end_of_the_other() -> None:
    crash = planned(CUT, f"{CRASH}, after: {{id: cut, event: healed}}")["crash"]
    assert crash.after == AfterPlan(id="cut", event="healed", delay_s=0.0)
    assert crash.at_s == 1 + 2 + 2 + 10


def test_after__its_event__is_an_inject_where_nothing_is_said() -> None:
    assert planned(CUT, f"{CRASH}, after: {{id: cut}}")["crash"].after == AfterPlan(
        id="cut", event="injected", delay_s=0.0
    )


@pytest.mark.parametrize(
    ("faults", "sentence"),
    [
        ((CUT, f"{CRASH}, at: 1s, after: {{id: cut}}"), "8:88: `after` does not go with `at`"),
        ((CUT, CRASH), "8:5: the key `at` is missing in `faults`, or `after` in its place"),
        ((CUT, f"{CRASH}, after: {{id: cute}}"), "'cute'; did you mean 'cut'?"),
        ((f"{CRASH}, after: {{id: cut}}", CUT), "'cut' is listed later"),
        ((CUT, f"{CRASH}, after: {{id: cut, event: healt}}"), "`event` wants one of injected, healed"),
        (
            (
                "id: gone, fault: kill, at: 1s, target: {name: node-1}",
                f"{CRASH}, after: {{id: gone, event: healed}}",
            ),
            "'gone' is never healed, so nothing can come after that",
        ),
        (
            (CUT, f"{CRASH}, after: {{id: cut, event: healed, delay: 25s}}"),
            "37 s after the start of chaos is not within it: it lasts 30 s",
        ),
        (
            (CUT.replace("10s", "40s"),),
            "7:71: 42 s after the start of chaos is too late to be over: the load ends after 36 s",
        ),
        (
            (
                CUT,
                "id: k, fault: kill, after: {id: cut, delay: 1s}, target: {name: node-1}, restart_after: 1s",
            ),
            "may hit node-1 while the fault 'cut' holds it; exclude 'cut', or choose another time",
        ),
    ],
)
def test_a_moment_that_makes_no_sense_is_a_located_mistake(faults: tuple[str, ...], sentence: str) -> None:
    assert [line for line in mistakes(*faults) if sentence in line], mistakes(*faults)


def test_after__the_heal_of_a_fault_on_the_same_member__is_no_overlap() -> None:
    again = "id: k, fault: kill, after: {id: cut, event: healed}, target: {name: node-1}, restart_after: 1s"
    assert planned(CUT, again)["k"].targets == ("node-1",)


# --- duration --------------------------------------------------------------------------------------------


def test_duration__of_a_reversible_fault__must_be_there_and_of_others_must_not() -> None:
    without = mistakes(CUT.replace(", duration: 10s", ""))
    assert any("the key `duration` is missing in `faults`" in line for line in without)
    too_much = mistakes(f"{CRASH}, at: 1s, duration: 3s")
    assert any("unknown key `duration` in `faults`" in line for line in too_much)


def test_duration__of_a_reversible_fault__is_when_it_is_healed() -> None:
    cut = planned(CUT)["cut"]
    assert (cut.duration_s, cut.heal_after_s, cut.restart_after_s) == (10.0, 10.0, None)


# --- repeat ----------------------------------------------------------------------------------------------

BLINK = "id: blink, fault: pause, at: 1s, target: {role: node, mode: one}, duration: 2s"


def test_repeat__makes_one_planned_fault_of_each_time() -> None:
    plans = planned(f"{BLINK}, repeat: {{times: 4, every: 5s}}")
    assert [plan.at_s for plan in plans.values()] == [4.0, 9.0, 14.0, 19.0]
    assert list(plans) == ["blink#1", "blink#2", "blink#3", "blink#4"]


def test_repeat__draws_its_targets_anew_each_time() -> None:
    runs = [planned(f"{BLINK}, repeat: {{times: 5, every: 5s}}", seed=seed) for seed in range(20)]
    assert any(len({plan.targets for plan in run.values()}) > 1 for run in runs)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, LARGEST_SEED))
def test_repeat__with_jitter__is_late_by_less_than_that_and_never_early(seed: int) -> None:
    plans = planned(f"{BLINK}, repeat: {{times: 4, every: 5s, jitter: 2s}}", seed=seed).values()
    late = [plan.at_s - (4.0 + 5 * turn) for turn, plan in enumerate(plans)]
    assert late[0] == 0
    assert all(0 <= each < 2 for each in late)


def test_repeat__of_what_waits_for_another__counts_from_that_event() -> None:
    plans = planned(CUT, f"{CRASH}, after: {{id: cut}}, repeat: {{times: 3, every: 8s}}")
    assert [plans[f"crash#{turn}"].after for turn in (1, 2, 3)] == [
        AfterPlan(id="cut", event="injected", delay_s=8.0 * turn) for turn in range(3)
    ]


def test_repeat__what_comes_after_it__waits_for_the_first_inject_or_the_last_heal() -> None:
    blink = f"{BLINK}, repeat: {{times: 3, every: 5s}}".replace("mode: one", "mode: one, exclude: node-2")
    first = planned(blink, f"{CRASH}, after: {{id: blink}}")["crash"]
    last = planned(blink, f"{CRASH}, after: {{id: blink, event: healed}}")["crash"]
    assert (first.after, last.after) == (
        AfterPlan(id="blink#1", event="injected"),
        AfterPlan(id="blink#3", event="healed"),
    )


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (f"{BLINK}, repeat: {{times: 4, every: 2s}}", "one that may take 2 s (jitter included) cannot be"),
        (f"{BLINK}, repeat: {{times: 4, every: 4s, jitter: 2s}}", "cannot be repeated every 4 s"),
        (f"{BLINK}, repeat: {{times: 8, every: 5s}}", "31 s after the start of chaos is not within it"),
        (f"{BLINK}, repeat: {{times: 1, every: 5s}}", "`times` wants a whole number from 2 to 1000"),
        (f"{BLINK}, repeat: {{tims: 2, every: 5s}}", "unknown key `tims` in `repeat`; did you mean 'times'?"),
        (
            "id: k, fault: kill, at: 1s, target: {role: node, mode: one}, repeat: {times: 2, every: 5s}",
            "one that is for good cannot be repeated",
        ),
    ],
)
def test_a_repeat_that_makes_no_sense_is_a_located_mistake(fault: str, sentence: str) -> None:
    assert [line for line in mistakes(fault) if sentence in line], mistakes(fault)


def test_excluding_what_may_hit_anyone_leaves_nobody() -> None:
    lines = mistakes(
        f"{BLINK}, repeat: {{times: 3, every: 5s}}",
        f"{CRASH}, at: 1s".replace("name: node-2", "role: node, mode: one, exclude: blink"),
    )
    assert any("no node is left to hit once 'blink' is excluded" in line for line in lines)


# --- each ------------------------------------------------------------------------------------------------

ROLL = "id: roll, fault: restart, at: 1s, target: {role: node, mode: each}"


def test_each__is_one_planned_fault_a_member__each_after_the_heal_of_the_one_before() -> None:
    plans = planned(ROLL)
    assert [plan.targets for plan in plans.values()] == [(f"node-{n}",) for n in range(1, 5)]
    assert [plan.after for plan in plans.values()] == [
        None,
        *(AfterPlan(id=f"roll#{n}", event="healed") for n in (1, 2, 3)),
    ]


def test_each__without_a_way_back__is_a_mistake() -> None:
    gone = "id: gone, fault: kill, at: 1s, target: {role: node, mode: each}"
    assert any("add `restart_after`, or write `mode: all`" in line for line in mistakes(gone))
    repeated = f"{ROLL}, repeat: {{times: 2, every: 20s}}"
    assert any("`repeat` does not go with `mode: each`" in line for line in mistakes(repeated))


def test_each__does_not_meet_a_fault_that_comes_after_its_heal() -> None:
    plans = planned(ROLL, f"{CRASH}, after: {{id: roll, event: healed}}")
    assert plans["crash"].after == AfterPlan(id="roll#4", event="healed")


# --- all of it -------------------------------------------------------------------------------------------


def test_another_process_makes_the_same_plan_byte_for_byte() -> None:
    """Of the machine, only its own hash seed and its clock could make a difference."""
    faults = (
        f"{BLINK}, repeat: {{times: 3, every: 5s, jitter: 1s}}",
        f"{CRASH}, after: {{id: blink, event: healed}}".replace("name: node-2", "role: node, mode: one"),
    )
    text = HEAD + "".join(f"  - {{{fault}}}\n" for fault in faults)
    program = (
        "import sys; from harness.plan import make_plan; from harness.records.codec import dump_json;"
        "from harness.scenario.parse import parse;"
        "sys.stdout.buffer.write(dump_json(make_plan(parse(sys.stdin.read(), label='x'), seed=4711)))"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], input=text.encode(), capture_output=True, check=True
    ).stdout
    assert other == dump_json(make_plan(parse(text, label="x"), seed=4711))


def test_the_timeline_names_targets_mechanisms_and_what_is_waited_for() -> None:
    plan = make_plan(scenario(CUT, f"{CRASH}, after: {{id: cut, event: healed, delay: 1s}}"), seed=1)
    lines = timeline(plan, backend="process")
    assert "    5.0 s  pause node-1 (cut) [SIGSTOP to the process group]" in lines
    assert "   15.0 s  heal cut" in lines
    waits = ", at the earliest: 1 s after cut is healed"
    assert f"   16.0 s  kill node-2 (crash){waits} [SIGKILL to the process group]" in lines


def test_the_settings_of_a_fault_are_what_its_keys_add() -> None:
    for name, kind in FAULTS.items():
        assert kind.spec.name == name
        json.dumps(kind.spec.keys.model_json_schema())


# --- links -----------------------------------------------------------------------------------------------

PARTITION = "id: cut, fault: partition, at: 1s, duration: 2s"
SLOW = "id: slow, fault: latency, at: 1s, duration: 2s, target: {name: node-1}, delay: 50ms"


def test_links__without_from__are_those_with_everyone() -> None:
    cut = planned(f"{PARTITION}, target: {{name: node-2}}")["cut"]
    assert cut.peers == ("redis", "node-1", "node-2", "node-3", "node-4", "clients")
    assert cut.settings == {"direction": "both", "behavior": "drop", "groups": None}


def test_groups__say_all_of_it() -> None:
    cut = planned(f"{PARTITION}, groups: [[node-1, node-3], [redis, node-2]]")["cut"]
    assert (cut.targets, cut.peers) == (("node-1", "node-3"), ())
    assert cut.settings["groups"] == ("node-1 node-3", "redis node-2")


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (PARTITION, "the key `target` is missing in `faults`, or `groups` in its place"),
        (
            f"{PARTITION}, groups: [[node-1], [redis]], target: {{name: node-1}}",
            "`target` does not go with `groups`",
        ),
        (f"{PARTITION}, groups: [[node-1], [redis]], direction: to", "`direction` does not go with `groups`"),
        (f"{PARTITION}, groups: [[node-1]]", "`groups` wants at least two lists of members"),
        (f"{PARTITION}, groups: [[node-1], [node-9]]", "there is no member 'node-9'"),
        (f"{PARTITION}, target: {{name: redis}}, from: {{role: client}}", "clients have no link to redis"),
        (
            f"{PARTITION}, target: {{role: redis, mode: one}}, from: {{role: client}}",
            "clients have no link to redis",
        ),
        (f"{SLOW}, jitter: 60ms", "a `jitter` of 0.06 s is more than the `delay` of 0.05 s"),
        (
            "id: r, fault: reset, at: 1s, target: {name: node-1}, direction: to",
            "unknown key `direction` in `faults`",
        ),
    ],
)
def test_what_links_cannot_have_is_a_located_mistake(fault: str, sentence: str) -> None:
    assert [line for line in mistakes(fault) if sentence in line], mistakes(fault)


# --- disk-full -------------------------------------------------------------------------------------------

FULL = "id: full, fault: disk-full, at: 2s, target: {name: redis}, duration: 4s"


@pytest.mark.parametrize("setting", ["everysec", "no"])
def test_disk_full__where_redis_would_only_refuse_writes__is_a_located_mistake(setting: str) -> None:
    text = HEAD.replace("nodes: 4", f"nodes: 4, redis: {{appendfsync: {setting}}}")
    with pytest.raises(ScenarioError) as caught:
        parse(f"{text}  - {{{FULL}}}\n", label="f.yaml")
    assert [line.strip() for line in str(caught.value).splitlines()[1:]] == [
        f"f.yaml:7:23: 'disk-full' is proven only where Redis has `appendfsync: always`, not `{setting}`; "
        "write that in `redis` of `cluster`, or leave it out"
    ]


def test_disk_full__with_a_log_that_is_synced_always__is_a_plan() -> None:
    assert planned(FULL)["full"].fault == "disk-full"
    text = HEAD.replace("nodes: 4", "nodes: 4, redis: {appendfsync: always}")
    assert parse(f"{text}  - {{{FULL}}}\n", label="f.yaml").faults[0].id == "full"


# --- the seed of what a fault draws itself ---------------------------------------------------------------

SLOW = "id: slow, fault: latency, at: 1s, target: {role: node, mode: all}, delay: 100ms, jitter: 50ms"
SLOW += ", duration: 2s"


def test_seed__of_a_fault__comes_of_the_runs_and_of_its_id() -> None:
    repeated = f"{SLOW}, repeat: {{times: 3, every: 5s}}"
    seeds = [plan.seed for plan in planned(repeated, seed=5).values()]
    assert len(set(seeds)) == 3
    assert [plan.seed for plan in planned(CUT, repeated, seed=5).values() if plan.fault == "latency"] == seeds
    assert not set(seeds) & {plan.seed for plan in planned(repeated, seed=6).values()}
