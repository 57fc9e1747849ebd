"""The diagram of a story: who stands in it, in which order, what is drawn, and what it leaves out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.records.verdict import Step, StepKind, Witness
from reports.html import render
from reports.run import Run, load
from reports.sequence import ROWS_SHOWN, Diagram, arranged, commits
from reports.sequence_drawing import drawn
from reports.spans import fault_records


@pytest.fixture(scope="module")
def run(reported: Callable[[str], Any]) -> Run:
    return load(reported("expected_failing").folder, whole=False)


@pytest.fixture(scope="module")
def story(run: Run) -> Witness:
    """The story of a message that two bots never received."""
    return next(p for p in run.verdict.properties if p.witnesses).witnesses[4]


def diagram(run: Run, witness: Witness) -> Diagram:
    found = arranged(run.plan, fault_records(run.plan, run.faults), witness)
    assert found is not None
    return found


def step(t_ns: int, kind: StepKind, source: str, target: str = "", **more: Any) -> Step:
    return Step(t_ns=t_ns, kind=kind, source=source, target=target, **more)


def test_lanes_go_from_the_sender_over_nodes_and_redis_to_recipients(run: Run, story: Witness) -> None:
    assert diagram(run, story).lanes == (
        "bot-05", "node-1", "node-2", "node-3", "redis", "bot-14", "bot-30", "bot-04",
    )  # fmt: skip


def test_rows_are_in_the_order_of_time_and_the_fault_stands_among_them(run: Run, story: Witness) -> None:
    rows = diagram(run, story).rows
    assert [row.t_ns for row in rows] == sorted(row.t_ns for row in rows)
    words = [row.edge.words if row.edge else row.steps[0].kind.value for row in rows]
    assert words == [
        "kill node-2", "cut-off", "send", "acknowledged", "received", "kill node-2 is over", "never",
    ]  # fmt: skip
    assert [s.source for s in rows[-1].steps] == ["bot-04", "bot-14"]


def test_how_people_came_to_where_they_are_is_left_out_and_counted(run: Run, story: Witness) -> None:
    assert story.steps[0].kind is StepKind.JOINED
    assert diagram(run, story).left_out == 1


def test_a_story_without_steps_has_no_diagram(run: Run, story: Witness) -> None:
    assert drawn(run, (), replace(story, steps=())) is None
    assert drawn(run, (), replace(story, steps=story.steps[2:3])) is None


def test_a_crowd_is_cut_to_those_who_tell_the_story(run: Run) -> None:
    steps = [step(i, StepKind.RECEIVED, "node-1", f"bot-{i:02}", label="it") for i in range(2, 30)]
    steps += [step(40 + i, StepKind.NEVER, f"bot-{50 + i}", label="it never came") for i in range(20)]
    story = Witness(story="x", steps=(step(1, StepKind.SEND, "bot-01", "node-1"), *steps))
    found = diagram(run, story)
    assert found.lanes[0] == "bot-01"
    assert len([lane for lane in found.lanes if lane.startswith("bot")]) == 4
    assert sum(len(row.steps) for row in found.rows) <= ROWS_SHOWN
    assert found.left_out == len(story.steps) - sum(len(row.steps) for row in found.rows)
    assert any(s.kind is StepKind.NEVER for row in found.rows for s in row.steps)


def test_of_many_steps_what_happened_to_the_message_is_kept(run: Run) -> None:
    ways = [step(i, StepKind.CONNECTED, "bot-01", "node-1") for i in range(10, 60)]
    sends = (step(9, StepKind.SEND, "bot-01", "node-1"), step(99, StepKind.ACKNOWLEDGED, "node-1", "bot-01"))
    found = diagram(run, Witness(story="x", steps=(sends[0], *ways, sends[1])))
    kinds = [s.kind for row in found.rows for s in row.steps]
    assert (kinds[0], kinds[-1], len(kinds)) == (StepKind.SEND, StepKind.ACKNOWLEDGED, ROWS_SHOWN)


def test_an_acknowledgement_speaks_of_redis_as_far_as_the_mode_allows(run: Run) -> None:
    ack = step(1, StepKind.ACKNOWLEDGED, "node-1", "bot-01", position=1_700)
    durable = replace(run.plan, cluster=replace(run.plan.cluster, delivery="durable"))
    assert commits(durable, ack) == "position 1,700"
    assert commits(durable, replace(ack, position=0)) == ""
    assert commits(run.plan, replace(ack, position=0)) == "published"
    attached = replace(durable, cluster=replace(durable.cluster, attach=("http://127.0.0.1:5001",)))
    assert commits(attached, ack) == ""


def test_the_drawing_has_every_lane_moment_and_word_and_tells_itself(
    run: Run, story: Witness, parse: Callable[[str], Any]
) -> None:
    markup = drawn(run, fault_records(run.plan, run.faults), story)
    assert markup is not None
    svg = parse(str(markup)).one("svg")
    assert svg.attributes["role"] == "img"
    assert "5 steps" not in svg.one("desc").text
    assert "6 steps between bot-05, node-1," in svg.one("desc").text
    assert "with kill node-2" in svg.one("desc").text
    lanes = [lane.all("text")[0].text for lane in svg.all("g", "lane")]
    assert lanes == ["bot-05", "node-1", "node-2", "node-3", "Redis", "bot-14", "bot-30", "bot-04"]
    labels = [label.text for label in svg.all("text", "label")]
    assert labels.count("never came") == 2
    assert [more.text for more in svg.all("text", "more")] == ["1 more step of this story is not drawn"]
    assert "⚡ kill node-2" in labels
    assert "published" in labels
    assert [when.text for when in svg.all("text", "when")][:2] == ["11.000 s", "11.010 s"]
    (shade,) = svg.all("rect", "shade")
    x = float(svg.all("g", "lane")[2].one("line").attributes["x1"])
    assert float(shade.attributes["x"]) == pytest.approx(x - 22)
    begins, ends = (float(edge.one("line").attributes["y1"]) for edge in svg.all("g", "edge"))
    assert float(shade.attributes["y"]) == pytest.approx(begins)
    assert float(shade.attributes["height"]) == pytest.approx(ends - begins)


def test_the_first_stories_of_a_guarantee_are_drawn_and_led_to(run: Run, parse: Callable[[str], Any]) -> None:
    page = parse(render(run))
    drawings = page.all("svg", "sequence")
    assert len(drawings) == 8
    assert len(page.all("div", "behind")) == 32
    first = page.one("div", id="witness-complete-delivery-0")
    assert first.all("svg", "sequence")
    assert page.one("blockquote").one("a").attributes["href"] == "#witness-complete-delivery-0"
