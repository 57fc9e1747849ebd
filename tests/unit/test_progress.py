"""Progress: every line names phase, members, faults, bots and rates; plain mode is not chatty."""

from dataclasses import replace
from io import StringIO

from rich.console import Console

from harness.progress import PlainProgress, Status, make_progress, render
from harness.records.journal import MemberState


def _status(at_s: float, *, node_2: MemberState = MemberState.READY, faults: tuple[str, ...] = ()) -> Status:
    return Status(
        phase="chaos",
        at_s=at_s,
        of_s=26.0,
        members={"redis": MemberState.READY, "node-2": node_2},
        faults=faults,
        joined=29,
        bots=30,
        acked_per_s=59.6,
        delivered_per_s=598.2,
    )


def test_a_status_line_has_everything() -> None:
    line = render(_status(11.04, node_2=MemberState.DOWN, faults=("kill node-2",))).plain
    for part in (
        "11.0 / 26 s",
        "chaos",
        "node-2 down",
        "kill node-2",
        "29/30 bots",
        "60 acked/s",
        "598 delivered/s",
    ):
        assert part in line
    assert "598 delivered/s" in line
    assert "redis ready" not in line  # the normal state needs no word


def test_plain_progress_prints_changes_and_otherwise_every_few_seconds() -> None:
    out = StringIO()
    progress = PlainProgress(Console(file=out, width=200))
    for tenth in range(60):
        progress.show(_status(tenth / 10))
    assert out.getvalue().count("\n") == 2
    progress.show(_status(6.1, node_2=MemberState.DOWN))
    assert out.getvalue().count("\n") == 3


def test_without_a_terminal_the_plain_form_is_chosen() -> None:
    assert isinstance(make_progress(Console(file=StringIO())), PlainProgress)


def test_a_paused_member_is_named_so() -> None:
    assert "‖ node-2 paused" in render(_status(3.0, node_2=MemberState.PAUSED)).plain


def test_one_of_several_runs_says_which_it_is() -> None:
    assert render(replace(_status(3.0), label="run 3/10")).plain.startswith("  run 3/10    3.0 / 26 s")


def test_without_an_end_no_end_is_shown() -> None:
    assert "    3.0 s  chaos" in render(replace(_status(3.0), of_s=None)).plain


def test_every_state_of_a_member_can_be_shown() -> None:
    for state in MemberState:
        assert "node-2" in render(_status(1.0, node_2=state)).plain
