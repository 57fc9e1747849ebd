"""Two sets of runs side by side: what is new, gone, worse or the same, and what chance may do."""

import dataclasses
import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from harness.records.codec import dump_json
from harness.records.verdict import Finding, Verdict
from reports import diff_html, diff_text
from reports.diff import Comparison, Diff, NothingToCompare, diff
from reports.diff_findings import FindingChange, chance
from reports.diff_measures import Measure
from reports.diff_sets import run_set
from reports.run import Run, load

Kinds = Callable[[str], Run]


@pytest.fixture(scope="module")
def run(runs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Kinds:
    """Return a made run of that kind, as a comparison reads it."""
    made: dict[str, Run] = {}

    def make(kind: str) -> Run:
        if kind not in made:
            folder = getattr(runs, kind)(tmp_path_factory.mktemp("runs")).folder
            made[kind] = load(folder, whole=False)
        return made[kind]

    return make


def compared(before: Iterable[Run], after: Iterable[Run]) -> Diff:
    return diff(run_set("A", before), run_set("B", after))


def one(found: Diff) -> Comparison:
    (comparison,) = found.comparisons
    return comparison


def finding(found: Diff, name: str) -> FindingChange:
    return next(each for each in one(found).findings if each.name == name)


def measure(found: Diff, group: str, name: str) -> Measure:
    return next(each for each in one(found).measures if (each.group, each.name) == (group, name))


def with_ack_p99(run: Run, p99: float) -> Run:
    stats = run.verdict.stats
    latency = dataclasses.replace(stats.ack_latency_ms, p99=p99)
    return changed(run, stats=dataclasses.replace(stats, ack_latency_ms=latency))


def changed(run: Run, **changes: Any) -> Run:
    return dataclasses.replace(run, verdict=dataclasses.replace(run.verdict, **changes))


def judged(run: Run, name: str, word: Verdict) -> Run:
    """Return the run with another verdict on one guarantee, and on the whole."""
    properties = tuple(
        dataclasses.replace(prop, verdict=word) if prop.name == name else prop
        for prop in run.verdict.properties
    )
    return changed(run, properties=properties, verdict=word)


# --- findings ----------------------------------------------------------------------------------------------


def test_a_violation_that_a_has_in_no_run_is_new_and_worse_and_told_by_its_story(run: Kinds) -> None:
    found = compared([run("passing")], [run("unexpected_failing")])
    new = finding(found, "complete-delivery")
    assert found.worse
    assert (new.change, new.before.violations) == ("new", 0)
    assert new.after.violations > 10
    assert one(found).regressions == ("complete-delivery is violated in B and not in A",)
    assert new.story is not None
    assert "never received it" in new.story.text


def test_a_violation_that_b_has_in_no_run_is_gone_and_not_worse(run: Kinds) -> None:
    found = compared([run("unexpected_failing")], [run("passing")])
    assert not found.worse
    assert finding(found, "complete-delivery").change == "gone"
    assert finding(found, "verdict").change == "better"


def test_what_is_not_judged_any_more_is_not_gone(run: Kinds) -> None:
    silent = judged(run("unexpected_failing"), "complete-delivery", Verdict.NOT_APPLICABLE)
    found = compared([run("unexpected_failing")], [silent])
    assert finding(found, "complete-delivery").change == "only in A"


def test_a_run_is_no_worse_than_itself(run: Kinds) -> None:
    for kind in ("passing", "unexpected_failing", "unknown"):
        found = compared([run(kind)], [run(kind)])
        assert not found.worse
        assert {each.change for each in one(found).findings} <= {"same", "still"}
        assert (one(found).plan.differing, one(found).environment.differing) == ((), ())


def test_a_verdict_that_is_unknown_now_is_worse(run: Kinds) -> None:
    found = compared([run("passing")], [run("unknown")])
    assert found.worse
    assert "complete-delivery is not decided in B and not in A" in one(found).regressions
    assert finding(found, "final reads").change == "worse"


def test_what_has_no_meaning_any_more_is_told_and_is_not_worse(run: Kinds) -> None:
    found = compared([run("passing")], [judged(run("passing"), "total-order", Verdict.NOT_APPLICABLE)])
    assert finding(found, "total-order").change == "only in A"
    assert not [why for why in one(found).regressions if "total-order" in why]


def test_more_violations_in_a_run_that_had_some_are_told_and_not_worse(run: Kinds) -> None:
    more = tuple(
        dataclasses.replace(prop, violations=prop.violations * 3)
        for prop in run("unexpected_failing").verdict.properties
    )
    found = compared([run("unexpected_failing")], [changed(run("unexpected_failing"), properties=more)])
    still = finding(found, "complete-delivery")
    assert (still.change, found.worse) == ("still", False)
    assert still.after.violations == 3 * still.before.violations


@pytest.mark.parametrize(
    ("before", "after", "worse"),
    [((1, 10), (2, 10), False), ((1, 10), (8, 10), True), ((1, 2), (2, 2), False), ((0, 10), (1, 10), True)],
)
def test_more_often_is_worse_where_chance_would_seldom_do_it(
    before: tuple[int, int], after: tuple[int, int], worse: bool, run: Kinds
) -> None:
    def side(bad: int, of: int) -> list[Run]:
        return [run("unexpected_failing")] * bad + [run("passing")] * (of - bad)

    found = compared(side(*before), side(*after))
    assert found.worse == worse
    assert finding(found, "complete-delivery").change == ("new" if before[0] == 0 else "more often")


def test_chance_is_fishers_exact_test() -> None:
    assert chance(1, 10, 8, 10) == pytest.approx(0.00273, rel=0.01)
    assert chance(0, 3, 3, 3) == pytest.approx(1 / 20)
    assert chance(5, 5, 5, 5) == pytest.approx(1.0)


# --- figures -----------------------------------------------------------------------------------------------


def test_ranges_that_are_apart_tell_which_side_is_worse(run: Kinds) -> None:
    fast = [with_ack_p99(run("passing"), value) for value in (10.0, 12.0, 11.0)]
    slow = [with_ack_p99(run("passing"), value) for value in (22.0, 30.0, 26.0)]
    p99 = measure(compared(fast, slow), "Acknowledgement latency", "p99")
    assert p99.before is not None
    assert (p99.before.low, p99.before.median, p99.before.high) == (10.0, 11.0, 12.0)
    assert (p99.ranges, p99.verdict) == ("apart", "worse")
    assert p99.factor == pytest.approx(26 / 11)
    assert measure(compared(slow, fast), "Acknowledgement latency", "p99").verdict == "better"
    assert not compared(fast, slow).worse  # Latency gates nothing.


def test_ranges_that_overlap_say_nothing(run: Kinds) -> None:
    some = [with_ack_p99(run("passing"), value) for value in (10.0, 20.0)]
    more = [with_ack_p99(run("passing"), value) for value in (19.0, 40.0)]
    p99 = measure(compared(some, more), "Acknowledgement latency", "p99")
    assert (p99.ranges, p99.verdict) == ("overlap", "")


def test_one_run_a_side_has_no_range(run: Kinds) -> None:
    found = compared([with_ack_p99(run("passing"), 10.0)], [with_ack_p99(run("passing"), 20.0)])
    p99 = measure(found, "Acknowledgement latency", "p99")
    assert (p99.ranges, p99.factor) == (None, 2.0)


def test_recovery_is_the_time_from_the_heal_until_it_was_seen(run: Kinds) -> None:
    found = compared([run("passing")], [run("passing")])
    healed = measure(found, "Reconnection and recovery", "healed, slowest")
    assert healed.before is not None
    assert healed.before.median == pytest.approx(900.0)  # As report_runs.py has it: from 5.0 s to 5.9 s.


# --- what they were made of --------------------------------------------------------------------------------


def test_plans_are_compared_key_by_key(run: Kinds) -> None:
    plan = run("passing").plan
    other = dataclasses.replace(
        run("passing"),
        plan=dataclasses.replace(
            plan,
            seed=7,
            faults=(dataclasses.replace(plan.faults[0], restart_after_s=9.0),),
            bots=tuple(dataclasses.replace(bot, seed=bot.seed + 1) for bot in plan.bots),
        ),
    )
    settings = one(compared([run("passing")], [other])).plan.differing
    assert {(s.key, s.before, s.after) for s in settings} == {
        ("seed", "4711", "7"),
        ("faults.crash.restart_after_s", "5.0", "9.0"),
        ("bots.*.seed", "…", "differs in 30 bots"),
    }


def test_a_key_that_differs_within_a_side_is_no_difference_between_them(run: Kinds) -> None:
    seeds = [
        dataclasses.replace(run("passing"), plan=dataclasses.replace(run("passing").plan, seed=seed))
        for seed in (1, 2, 3)
    ]
    found = one(compared(seeds[:2], seeds[2:]))
    assert (found.plan.differing, found.plan.varying) == ((), ("seed",))


def test_versions_and_machine_are_compared(run: Kinds) -> None:
    meta = run("passing").meta
    newer = dataclasses.replace(
        run("passing"), meta=dataclasses.replace(meta, versions={**meta.versions, "valkey": "9.2.0"})
    )
    (only,) = one(compared([run("passing")], [newer])).environment.differing
    assert (only.key, only.before, only.after) == ("version of valkey", "9.1.0", "9.2.0")


# --- which with which --------------------------------------------------------------------------------------


def test_scenarios_are_compared_with_themselves_and_the_others_are_named(run: Kinds) -> None:
    ours, theirs = run("passing"), run("many_faults")
    third = dataclasses.replace(ours, plan=dataclasses.replace(ours.plan, scenario="third"))
    found = compared([ours, theirs], [theirs, third])
    assert [comparison.scenario for comparison in found.comparisons] == ["many-faults"]
    assert (found.only_before, found.only_after) == (("node-kill",), ("third",))


def test_the_only_scenario_of_each_side_is_compared_whatever_its_name(run: Kinds) -> None:
    found = compared([run("passing")], [run("expected_failing")])
    assert one(found).scenario == "node-kill → pubsub-node-kill"
    assert found.worse


def test_sides_without_a_scenario_in_common_are_refused(run: Kinds) -> None:
    others = [
        dataclasses.replace(run("passing"), plan=dataclasses.replace(run("passing").plan, scenario=name))
        for name in ("x", "y")
    ]
    with pytest.raises(NothingToCompare, match="A has node-kill, many-faults; B has x, y"):
        compared([run("passing"), run("many_faults")], others)


def test_runs_stand_in_the_order_of_their_beginning(run: Kinds) -> None:
    late = dataclasses.replace(
        run("passing"),
        name="late",
        meta=dataclasses.replace(run("passing").meta, began=run("passing").meta.began + timedelta(hours=1)),
    )
    found = compared([late, run("passing")], [run("passing")])
    assert [each.name for each in one(found).before.runs][-1] == "late"


# --- the forms ---------------------------------------------------------------------------------------------


def printed(found: Diff) -> str:
    console = Console(width=80, force_terminal=False)
    with console.capture() as captured:
        console.print(diff_text.render(found), soft_wrap=True)
    return captured.get()


def test_the_terminal_tells_it_without_cutting_anything(run: Kinds) -> None:
    fast = [with_ack_p99(run("passing"), value) for value in (10.0, 12.0, 11.0)]
    slow = [with_ack_p99(run("unexpected_failing"), value) for value in (22.0, 30.0, 26.0)]
    text = printed(compared(fast, slow))
    assert text.splitlines()[-1].startswith("✘ B is worse: complete-delivery is violated in 3 of 3 runs")
    assert "✘ new         complete-delivery  3 pass  →  3 fail" in text
    (row,) = [line.split() for line in text.splitlines() if "apart: worse" in line]
    assert row == ["p99", "11", "ms", "(10–12)", "26", "ms", "(22–30)", "×", "2.4", "apart:", "worse"]
    assert "…" not in text


def repeated(run: Run, times: int) -> Run:
    """Return a run with a fault repeated so often, and a finding for each injection, the last one bad."""
    fault = run.plan.faults[0]
    faults = [
        dataclasses.replace(fault, id=f"{name}{i}", at_s=float(i + times))
        for i in range(1, times + 1)
        for name in ("storm#", "single-")
    ]
    found = [Finding(name=f"proven:{fault.id}", verdict=Verdict.PASS, evidence="") for fault in faults]
    found[-1] = dataclasses.replace(found[-1], verdict=Verdict.FAIL)
    return changed(
        dataclasses.replace(run, plan=dataclasses.replace(run.plan, faults=tuple(faults))),
        coverage=tuple(found),
        properties=run.verdict.properties[1:],
    )


def test_a_thousand_repetitions_are_told_in_a_page_or_two(run: Kinds, parse: Any) -> None:
    found = compared([repeated(run("passing"), 10)], [repeated(run("passing"), 1000)])
    assert len(one(found).findings) > 2000
    keys = [setting.key for setting in one(found).plan.differing]
    assert keys.count("faults.storm#*.at_s") == 1
    assert not [key for key in keys if "storm#1" in key]
    text = printed(found)
    assert "faults.storm#*.at_s: …  →  differs in 1,000 injections" in text
    assert "more keys, in --json" in text
    assert "proven:single-1000" in text  # The bad one is not among those that are left out.
    assert "more findings, in --json" in text
    assert len(text.splitlines()) < 130
    page = parse(diff_html.render(found))
    assert len(page.all("tr")) < 330
    assert "proven:single-1000" in page.text


def test_json_has_all_of_it(run: Kinds) -> None:
    found = json.loads(dump_json(compared([run("passing")], [run("unexpected_failing")])))
    assert (found["schema"], found["worse"]) == (1, True)
    (comparison,) = found["comparisons"]
    (new,) = [f for f in comparison["findings"] if f["change"] == "new"]
    assert (new["name"], new["after"]["verdicts"]) == ("complete-delivery", {"fail": 1})
    assert comparison["measures"][0]["before"]["median"] == pytest.approx(60.0, rel=0.05)


EVIL = "<script>alert(1)</script>\"'{{7*7}}\x1b[31m\u202e"


def test_strings_of_runs_are_shown_and_never_obeyed(run: Kinds, parse: Any) -> None:
    base = run("unexpected_failing")
    properties = tuple(
        dataclasses.replace(
            prop,
            sentence=EVIL,
            witnesses=tuple(dataclasses.replace(witness, story=EVIL) for witness in prop.witnesses),
        )
        for prop in base.verdict.properties
    )
    evil = dataclasses.replace(
        changed(base, properties=properties),
        name=EVIL,
        plan=dataclasses.replace(base.plan, scenario=EVIL, description=EVIL),
        meta=dataclasses.replace(base.meta, versions={EVIL: EVIL}, backend=EVIL),
    )
    found = diff(run_set(EVIL, [run("passing")]), run_set(EVIL, [evil]))
    source = diff_html.render(found)
    page = parse(source)
    assert not {element.tag for element in page.walk()} & {"script", "img"}
    assert page.text.count("<script>alert(1)</script>") > 8
    assert "\x1b" not in source
    assert "\u202e" not in source
    assert "49" not in page.one("h1").text
    text = printed(found)
    assert "\x1b[31m" not in text
    assert "<script>" in text
